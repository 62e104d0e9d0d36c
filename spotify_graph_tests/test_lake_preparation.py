"""A lake of an earlier version, without manifests."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_graph.errors import UserError
from spotify_graph.lake.intake import Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.preparation import prepare
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS

PASSED: dict[str, Any] = {"findings": [], "accepted": None}
FINDING = {"check": "few", "passed": False, "blocking": True, "description": "too many", "details": {}}
REFUSED = {"findings": [FINDING], "accepted": None}
FILE = "user_events.csv"


def document(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))


def version(root: Path, entry: str, name: str, rows: int, **about: Any) -> None:
    """A version as it was kept, which is the current one of its entry."""
    folder = root / entry / name
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"n": range(rows)}), folder / "part-00000.parquet")
    pq.write_table(pa.table({"n": range(9)}), folder / "_changes.parquet")
    document(folder / "_about.json", {"rows": rows, **about})
    (root / entry / "CURRENT").write_text(name)


def intake(digest: str, verdict: Any, name: str | None) -> dict[str, Any]:
    counts = {"rows_read": 3, "cleaned": 2, "rejected": 1}
    return {
        "digest": digest, "bytes": 7, "at": "", "verdict": verdict, "version": name, "counts": counts, "code": "c"
    }  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    root = tmp_path / "lake"
    version(root, f"raw_user_events/{FILE}", "v1", 3, digest="new", bytes=7)
    version(root, f"cleaned_events/{FILE}", "v1", 2)
    version(root, f"cleaned_events/{FILE}", "v2", 1, files=["part-00000.parquet"], buckets=1)
    version(root, f"rejected_events/{FILE}", "v1", 1)
    version(root, "interactions", "v1", 2)
    kept = root / "intake"
    document(
        kept / "user_events" / f"{FILE}.json",
        {"latest": intake("new", REFUSED, "v2"), "in_force": intake("old", PASSED, "v1")},
    )
    unread = {"latest": intake("bad", REFUSED, None), "in_force": None}
    document(kept / "tracks" / "tracks.csv.json", unread)
    forgotten = {"file": "tracks_2.csv", "digest": "gone", "at": "2026-01-01T00:00:00+00:00", "released": False}
    document(kept / "tracks" / ".forgotten.json", {"tracks_2.csv": forgotten})
    failed = {"digest": "x", "at": "", "reason": "the disk is full", "run_id": "r"}
    document(kept / "tracks" / ".failed" / "tracks_3.csv.json", failed)
    return Lake(root)


def test_what_was_taken_in_stays_as_it_was_and_the_tables_are_computed_anew(lake: Lake) -> None:
    told: list[str] = []
    prepare(lake.root, told.append)
    [line] = told
    assert "its 2 files are taken over, and its tables computed anew" in line
    entry = Intake(lake, USER_EVENTS).find(FILE)
    assert entry is not None
    assert entry.active is not None
    assert (entry.state, entry.digest, entry.latest.name, entry.active.name) == ("refused", "new", "v2", "v1")
    assert (entry.in_graph, entry.active.part.rows, entry.latest.part.rows) == (2, 2, 1)
    raw = Intake(lake, USER_EVENTS).raw(FILE)
    assert raw is not None
    assert (raw.rows, raw.part.rows, raw.record.content and raw.record.content.digest) == (3, 3, "new")
    tracks = Intake(lake, TRACKS)
    assert {file: it.state for file, it in tracks.entries().items()} == {"tracks.csv": "refused"}
    assert tracks.knows("tracks_2.csv", "gone", "c"), "it was forgotten"
    assert tracks.failures()["tracks_3.csv"].reason == "the disk is full"
    assert lake.find("interactions") is None


def test_a_second_time_nothing_is_done(lake: Lake) -> None:
    prepare(lake.root, lambda _: None)
    before = lake.manifest
    told: list[str] = []
    prepare(lake.root, told.append)
    assert (lake.manifest, told) == (before, [])


def test_until_then_nobody_reads_or_changes_it_and_whoever_tries_is_told_what_to_do(lake: Lake) -> None:
    with pytest.raises(UserError, match="is of an earlier version: `spotify-graph materialize` takes it over"):
        Intake(lake, USER_EVENTS).entries()
    with pytest.raises(UserError, match="is of an earlier version"):
        lake.put({"interactions": lake.write_table("interactions", pa.table({"n": [1]}))})
    prepare(lake.root, lambda _: None)
    assert list(Intake(lake, USER_EVENTS).entries()) == [FILE]


def test_a_new_home_has_nothing_to_take_over(tmp_path: Path) -> None:
    told: list[str] = []
    prepare(tmp_path, told.append)
    assert (list(tmp_path.iterdir()), told) == ([], [])
