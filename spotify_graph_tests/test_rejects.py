"""How rejected rows are shown to people: one line each, however long a row's text is."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from spotify_graph.cli import main
from spotify_graph.lake.lake import Lake
from spotify_graph.rejects import fitted

LONG = "u1,t1,dance," + "x" * 20_000
ROWS: list[dict[str, Any]] = [
    {"file": "user_events.csv", "line": 1234, "reasons": ["unknown_event_type", "bad_event_ts"], "raw": LONG},
    {"file": "user_events.csv", "line": 2, "reasons": ["malformed_row"], "raw": "a\n b\x1b[31m"},
]


@pytest.fixture
def rejected_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation whose lake has them."""
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    rows = pa.RecordBatch.from_pylist(ROWS)
    stream = pa.RecordBatchReader.from_batches(rows.schema, [rows])
    lake, entry = Lake(tmp_path / "lake"), "rejected_events/user_events.csv"
    lake.put({entry: lake.write_stream(entry, stream)})


@pytest.mark.parametrize(("columns", "room"), [("100", 100), ("200", 200), (None, 80)])
def test_a_row_of_20_kb_takes_one_line_and_squeezes_no_other_column(
    rejected_rows: None, monkeypatch: pytest.MonkeyPatch, columns: str | None, room: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    result = CliRunner().invoke(main, ["rejects"])
    assert result.exit_code == 0, result.output
    header, *lines = result.stdout.splitlines()
    assert header.split() == ["file", "line", "reasons", "raw"]
    assert [line.split("  ")[0] for line in lines] == ["user_events.csv"] * 2
    assert lines[0].rstrip().endswith(r"a b\x1b[31m")
    assert "1,234  unknown_event_type, bad_event_ts  u1,t1,dance,xxx" in lines[1]
    assert lines[1].endswith("x...")
    assert len(lines[1]) == room
    assert json.loads(CliRunner().invoke(main, ["rejects", "--json"]).stdout) == sorted(
        ROWS, key=lambda row: row["line"]
    )


def test_a_text_is_cut_by_what_it_takes_on_the_screen_and_never_to_nothing() -> None:
    [row] = fitted([{"file": "f" * 200, "line": 2, "reasons": ["malformed_row"], "raw": "\u97f3\u697d" * 50}], 80)
    assert row["file"] == "f" * 200
    assert cell_len(row["raw"]) in {19, 20}
    assert row["raw"].endswith("...")
    [row] = fitted([{"file": "f", "line": 2, "reasons": [], "raw": "\x1b" * 5000}], 80)
    assert row["raw"].startswith(r"\x1b")
    assert cell_len(row["raw"]) < 80
