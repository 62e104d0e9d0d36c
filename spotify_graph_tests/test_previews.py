import html
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_graph import markdown
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import TABLES
from spotify_graph.io_managers.column_lineage import lineage_of
from spotify_graph.io_managers.previews import ROWS, preview
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Record
from spotify_graph.local import service
from spotify_graph.neo4j_io import staging
from spotify_graph.resources.links import Links, query_of
from spotify_graph.settings import Settings

HOSTILE = "![x](http://127.0.0.1/x) <img src=x> **|** [bold] `code` $x$"


def shown(asset: str, tmp_path: Path, **columns: list[Any]) -> str:
    version = Lake(tmp_path).write_table(asset, pa.table(columns), Record())
    found = preview(asset, version.path)
    assert found
    return found


def test_a_preview_has_five_rows_and_no_markup_that_lives(tmp_path: Path) -> None:
    text = shown("cleaned_tracks", tmp_path, track_id=[f"t{n}" for n in range(9)], title=[HOSTILE] * 9)
    assert len(text.splitlines()) == 2 + ROWS
    assert not set("<>[]`*") & set(text)
    assert HOSTILE in html.unescape(text)


@pytest.mark.parametrize("column", ["user_id", "similar_user_id", "session_id", "device", "devices"])
def test_no_preview_shows_who_somebody_is_because_dagster_would_remember_a_forgotten_person(
    tmp_path: Path, column: str
) -> None:
    text = shown("cleaned_events", tmp_path, **{column: ["ann"], "track_id": ["t1"]})
    assert "ann" not in text
    assert "t1" in text
    assert column in text.splitlines()[-1]


def test_the_text_of_a_rejected_event_is_not_shown_and_that_of_a_rejected_track_is(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {"file": ["user_events-imported-ann.csv"], "line": [2], "raw": ["ann,t1,dance"]}
    assert "ann" not in shown("rejected_events", tmp_path, **rows)
    assert "ann,t1,dance" in shown("rejected_tracks", tmp_path, **rows)


def test_a_snapshot_whose_files_number_their_columns_shows_names_and_no_user(tmp_path: Path) -> None:
    rows = pa.table({"user_id": ["ann"], "track_id": ["t1"], "count": [3]})
    rows = rows.append_column("first_ts", pa.array([datetime(2026, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")))
    rows = rows.append_column("last_ts", rows["first_ts"])
    snapshot = staging.stage([lambda: rows], TABLES["played_edges"], tmp_path)
    text = preview("played_edges", snapshot.path)
    assert text
    assert "ann" not in text
    assert text.splitlines()[0] == "| track_id | count | first_ts | last_ts |"


def test_of_a_change_that_deletes_what_was_there_nothing_deleted_is_shown(tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    pq.write_table(pa.table({"name": ["gone"]}), tmp_path / "v2" / "gone.parquet")
    (tmp_path / "v2" / "_snapshot.json").write_text(
        '{"columns": {"name": "STRING"}, "files": {}, "differs": {"deleted": {"gone.parquet": 1}}}'
    )
    assert preview("artist_nodes", tmp_path / "v2") is None


def test_a_cell_is_one_line_whatever_it_holds() -> None:
    assert markdown.table(["a"], [["x\ny\u2028z|"]]).splitlines() == ["| a |", "| --- |", "| x y z&#124; |"]


def test_every_asset_of_the_graph_has_a_query_for_neo4j_browser_and_nothing_that_never_gets_there() -> None:
    assert all(query_of(asset) for asset in TABLES)
    assert query_of("rejected_events") is None


def test_the_link_opens_the_browser_that_the_settings_name_with_the_query_whole() -> None:
    settings = Settings.load().model_copy(
        update={"neo4j_uri": "bolt://db:7687", "neo4j_browser": "https://db/browser/"}
    )
    assert Links.from_settings(settings).in_neo4j_browser("genre_nodes") == (
        "https://db/browser/?cmd=edit&arg=MATCH%20%28node%3AGenre%29%20RETURN%20node%20LIMIT%2050"
    )
    unknown = settings.model_copy(update={"neo4j_browser": None})
    assert Links.from_settings(unknown).in_neo4j_browser("genre_nodes") is None


def test_each_table_of_the_graph_has_a_link_to_a_picture_that_names_nobody(tmp_path: Path) -> None:
    settings = Settings.load().model_copy(update={"home": tmp_path, "serve_port": None, "serve_token_file": None})
    links = Links.from_settings(settings)
    drawn = {asset: links.drawn(asset) for asset in TABLES}
    at = "http://127.0.0.1:8000/draw?kind="
    expected = {"user_nodes": "user", "recommended_edges": "user", "by_edges": "artist", "in_genre_edges": "genre"}
    assert {name: drawn[name] for name in expected} == {name: f"{at}{kind}" for name, kind in expected.items()}
    assert {str(link).removeprefix(at) for link in drawn.values()} == {"user", "track", "artist", "genre"}
    assert links.drawn("rejected_events") is None
    service.remember("http://127.0.0.1:8123", settings)
    assert links.drawn("track_nodes") == "http://127.0.0.1:8123/draw?kind=track"
    with_token = settings.model_copy(update={"serve_token_file": tmp_path / "token"})
    assert Links.from_settings(with_token).drawn("track_nodes") is None, "a click shows no token"


def test_the_columns_that_lineage_names_are_those_that_the_assets_declare() -> None:
    specs = {spec.key.to_user_string(): spec for spec in build_defs().resolve_all_asset_specs()}
    declared = {
        name: {column.name for column in spec.metadata["dagster/column_schema"].columns}
        for name, spec in specs.items()
        if name != "platform_health"
    }
    for name, columns in declared.items():
        if lineage := lineage_of(name):
            assert set(lineage.deps_by_column) == {*columns} - {"model"}, name
            for deps in lineage.deps_by_column.values():
                assert all(dep.column_name in declared[dep.asset_key.to_user_string()] for dep in deps), name
    assert {name for name in declared if lineage_of(name) is None} == {
        *("raw_tracks", "raw_user_events", "held_back_files"),
        *("published_graph", "recommendation_evaluation"),
    }
