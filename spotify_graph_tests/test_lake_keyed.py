"""Tables with a key, against a dict: whatever changes come, and however many, their rows are what the dict holds."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spotify_graph.lake import indexes, keyed, reach
from spotify_graph.lake.keyed import Keyed
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Record, Version
from spotify_graph_tests.keyed_rows import KEYS, Contents, change, contents, rows


class Table:
    """A table that is changed version by version."""

    def __init__(self, folder: Path, contents: Contents) -> None:
        self.folder = folder
        self.contents = dict(contents)
        self.number = 0
        self.known: Keyed = keyed.write(rows(contents), KEYS, self._version())

    def become(self, after: Contents) -> None:
        """Changes the table."""
        self.known = keyed.revise(self.known, change(self.contents, after), self._version())
        self.contents = dict(after)

    def holds(self) -> bool:
        """Whether the table's rows are those that it should have, read whole, bucket by bucket and looked up."""
        table = keyed.table(self.known, self.folder)
        of_parts = pa.concat_tables(part.read() for part in table.parts)
        keys = rows(self.contents).select(KEYS)
        owners = pa.table({"owner": pc.unique(keys["owner"])})
        return self.known.rows == len(self.contents) and all(
            contents(found) == self.contents for found in (table.read(), of_parts, table.find(keys), table.find(owners))
        )

    def _version(self) -> Path:
        self.number += 1
        path = self.folder / f"v{self.number}"
        path.mkdir()
        return path


BASE = {(f"o{i % 700}", i): i for i in range(20_000)}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    # Several buckets, as a table of millions of rows has.
    monkeypatch.setattr("spotify_graph.neo4j_io.buckets.BUCKET_ROWS", 4_000)
    return Table(tmp_path, BASE)


def test_a_change_inserts_changes_and_deletes_rows(table: Table) -> None:
    after = {**BASE, ("o1", 1): 7, ("new", 1): 1}
    del after["o2", 2]
    table.become(after)
    assert table.holds()
    assert len(keyed.table(table.known, table.folder).parts) == 8


def test_a_row_can_go_and_come_back(table: Table) -> None:
    without = {key: it for key, it in BASE.items() if key != ("o1", 1)}
    table.become(without)
    assert table.holds()
    table.become(BASE)
    assert table.holds()


def test_many_changes_leave_few_files_and_what_is_read_does_not_grow(table: Table) -> None:
    most = 0
    for number in range(60):
        table.become({**table.contents, ("o1", number): -number, (f"late{number}", 0): number})
        most = max(most, len(table.known.changes))
    assert table.holds()
    assert most < 16


def test_changes_that_are_many_rows_are_folded_into_a_new_base(table: Table) -> None:
    before = table.known.files
    table.become({**BASE, **dict.fromkeys(list(BASE)[:1500], -1)})
    assert (table.known.files, table.known.changed) == (before, 1_500)
    table.become({**table.contents, **dict.fromkeys(list(BASE)[5000:6500], -2)})
    assert table.known.changes == ()
    assert {file.split("/")[0] for file in table.known.files} == {"v3"}
    assert table.holds()


def test_what_was_before_a_change_is_known(table: Table) -> None:
    after = {**BASE, ("o1", 1): 7, ("new", 1): 1}
    del after["o2", 2]
    now = rows({key: it for key, it in after.items() if key[0] in {"o1", "o2", "new"}})
    were = keyed.before(now, change(BASE, after), KEYS)
    assert contents(were) == {key: it for key, it in BASE.items() if key[0] in {"o1", "o2", "new"}}


def test_a_condition_is_on_rows_as_they_are_now(table: Table) -> None:
    table.become({**BASE, ("o1", 1): 50_000, ("o2", 2): 3})
    found = keyed.table(table.known, table.folder).read(["thing"], pc.field("count") > 19_998)
    assert sorted(found["thing"].to_pylist()) == [1, 19_999]


def test_indexes_can_be_deleted(table: Table) -> None:
    table.become({**BASE, ("o1", 1): 7})
    assert table.holds()
    made = list(table.folder.glob(f"*/{indexes.FOLDER}"))
    assert made
    for folder in made:
        shutil.rmtree(folder)
    assert table.holds()


def test_an_empty_table_can_be_looked_up_and_changed(tmp_path: Path) -> None:
    table = Table(tmp_path, {})
    assert keyed.table(table.known, tmp_path).find(rows(BASE).select(KEYS)).num_rows == 0
    table.become({("o", 1): 1})
    assert table.holds()


def of_version(lake: Lake, before: Version | None, was: Contents, is_: Contents) -> Version:
    """Puts the next version of the entry `things`."""
    if before is None:
        parts = [lambda: (rows(is_), None)]
        version, _ = lake.write_tables("things", "main", parts, lambda _: {}, {"main": KEYS}, Record())
    else:
        changes = {"main": change(was, is_)}
        version = lake.revise_tables("things", "main", before, changes, Record())
    lake.put({"things": version})
    return version


def test_what_makes_a_version_of_an_earlier_one_is_known_over_several_changes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    states: list[Contents] = [BASE, {**BASE, ("o1", 1): 7}, {**BASE, ("o1", 1): 8, ("new", 1): 1}]
    versions: list[Version] = []
    for number, state in enumerate(states):
        before = versions[-1] if versions else None
        versions.append(of_version(lake, before, states[number - 1], state))
    last = lake.latest("things")
    for version, state in zip(versions[:2], states[:2], strict=True):
        changes = last.changes_since(version.name, "main")
        assert changes is not None
        wanted = change(state, states[2]).to_pylist()
        assert sorted(changes.to_pylist(), key=str) == sorted(wanted, key=str)
    assert last.changes_since("another", "main") is None
    assert versions[0].changes_since("another", "main") is None


def test_what_a_lake_needs_to_go_on_has_the_files_of_former_versions_and_no_indexes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = of_version(lake, None, {}, BASE)
    last = of_version(lake, first, BASE, {**BASE, ("o1", 1): 7})
    last.table("main").find(rows({("o1", 1): 7}).select(KEYS))
    needed = set(reach.files(lake.pin()))
    table = last.record.tables["main"]
    assert {tmp_path / "things" / file for file in (*table.files, *table.changes)} <= needed
    assert not any(indexes.FOLDER in path.parts for path in needed)
    assert any(path.name == indexes.FOLDER for path in first.path.iterdir())


def test_a_version_that_lost_a_file_which_it_is_made_of_counts_as_never_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = of_version(lake, None, {}, BASE)
    of_version(lake, first, BASE, {**BASE, ("o1", 1): 7})
    for file in first.path.glob("*.parquet"):
        file.unlink()
    assert lake.find("things") is None
