"""What goes with a file: what the events that stay must say is looked up, and is what a count of them says."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spotify_graph.lake import keyed
from spotify_graph.neo4j_io import hashing
from spotify_graph.neo4j_io.running import in_process
from spotify_graph.parts import Part, save
from spotify_graph.tasks import interactions as of
from spotify_graph.transforms import interactions as counting
from spotify_graph_tests.cleaned_rows import SCHEMA, counted


def log(file: str, events: int, day: int) -> pa.Table:
    """Distinct events of a day, many of the same user and track, some without a device."""
    dice = random.Random(f"{file} {day}")  # noqa: S311
    midnight = datetime(2026, 1, day, tzinfo=UTC)
    rows = [
        (
            file,
            f"u{dice.randrange(20)}",
            f"t{dice.randrange(10)}",
            dice.choice(["play", "like"]),
            midnight + timedelta(seconds=number),
            "s",
            dice.choice(["tv", "web", None]),
        )
        for number in range(events)
    ]
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


class Logs:
    """Cleaned files, the last of which goes."""

    def __init__(self, folder: Path, *files: pa.Table) -> None:
        self.folder, self.versions = folder, 0
        self.stays = pa.concat_tables(files[:-1])
        parts = [save(rows, folder / "files") for rows in files]
        self.stayed, went = Part(tuple(parts[:-1])), Part((parts[-1],))
        self.tables = {
            name: keyed.write(rows, of.KEYS[name], self._version())
            for name, rows in counted(pa.concat_tables(files)).items()
        }
        self.readable = {name: keyed.table(it, folder) for name, it in self.tables.items()}
        self.drafted = of.draft(SCHEMA, self.readable, of.Files(Part(()), went, self.stayed))

    def are_counted(self) -> bool:
        """Whether what changes makes the tables what is counted of the files that stay."""
        changes = of.changes(SCHEMA, self.readable, [self.drafted], self.stayed, in_process)
        for name, expected in counted(self.stays).items():
            revised = keyed.revise(self.tables[name], changes[name], self._version())
            order = [(key, "ascending") for key in of.KEYS[name]]
            if not keyed.table(revised, self.folder).read().sort_by(order).equals(expected.sort_by(order)):
                return False
        return True

    def _version(self) -> Path:
        self.versions += 1
        path = self.folder / f"v{self.versions}"
        path.mkdir()
        return path


def test_events_that_stay_are_looked_up_and_not_read(tmp_path: Path) -> None:
    logs = Logs(tmp_path, log("a.csv", 2_000, 1), log("b.csv", 2_000, 2), log("c.csv", 300, 3))
    unsettled = {name: drafts[counting.UNSETTLED] for name, drafts in logs.drafted.drafts.items()}
    assert all(pc.any(it).as_py() for it in unsettled.values())
    assert logs.are_counted()
    for file in logs.stayed.files:
        Path(file).write_bytes(b"no Parquet any more")
    assert logs.are_counted()


def test_events_that_several_files_hold_count_once(tmp_path: Path) -> None:
    same = log("a.csv", 2_000, 1)
    assert Logs(tmp_path, same, same, log("c.csv", 300, 3)).are_counted()


def test_keys_of_the_same_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = hashing.of_rows
    monkeypatch.setattr(hashing, "of_rows", lambda columns: hashed(columns) % np.uint64(16))
    assert Logs(tmp_path, log("a.csv", 2_000, 1), log("b.csv", 2_000, 2), log("c.csv", 300, 3)).are_counted()


def test_a_file_without_rows_has_an_index_too(tmp_path: Path) -> None:
    assert Logs(tmp_path, log("a.csv", 2_000, 1), log("b.csv", 0, 2), log("c.csv", 300, 3)).are_counted()
