from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_graph import storage
from spotify_graph.lake import manifest
from spotify_graph.lake.lake import GROUP_BYTES, Lake
from spotify_graph.lake.verdicts import Finding, Verdict
from spotify_graph.lake.versions import Content, MadeFrom, Record, Version

N = pa.schema({"n": pa.int64()})
NUMBERS = "numbers"


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": values}, N)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def put(lake: Lake, *values: int, name: str = NUMBERS, record: Record | None = None) -> Version:
    version = lake.write_table(name, numbers(*values), record)
    lake.put({name: version})
    return version


def values(lake: Lake) -> list[int]:
    return sorted(lake.latest(NUMBERS).part.read(N)["n"].to_pylist())


def test_what_was_put_last_is_what_is_read(lake: Lake) -> None:
    assert put(lake, 1).rows == 1
    assert put(lake, 2, 3).rows == 2
    assert values(lake) == [2, 3]


def test_what_is_written_is_seen_once_it_is_put(lake: Lake) -> None:
    put(lake, 1)
    new = lake.write_table(NUMBERS, numbers(2))
    assert values(lake) == [1]
    lake.put({NUMBERS: new})
    assert values(lake) == [2]


def test_what_belongs_together_is_seen_together(lake: Lake) -> None:
    good, bad = lake.write_table("good", numbers(1)), lake.write_table("bad", numbers(2))
    before = lake.manifest.number
    lake.put({"good": good, "bad": bad})
    assert lake.manifest.number == before + 1
    assert (lake.latest("good"), lake.latest("bad")) == (good, bad)


def test_who_holds_a_manifest_sees_the_lake_as_it_was(lake: Lake) -> None:
    put(lake, 1)
    pinned = lake.pin()
    put(lake, 2)
    put(lake, 3, name="others")
    assert values(pinned) == [1]
    assert pinned.find("others") is None
    assert manifest.at(lake.root, pinned.manifest.number) == pinned.manifest


def test_of_several_that_change_the_lake_at_once_nobody_loses_what_another_did(lake: Lake) -> None:
    names = [f"numbers_{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: put(lake, 1, name=name), names))
    assert sorted(lake.manifest.entries) == sorted(names)
    assert lake.manifest.number == len(names)


def test_a_change_that_changes_nothing_is_no_manifest(lake: Lake) -> None:
    version = put(lake, 1)
    before = lake.manifest
    lake.put({NUMBERS: version})
    assert lake.manifest == before


def test_a_refused_version_is_the_latest_and_the_one_before_it_stays_active(lake: Lake) -> None:
    refused = Verdict((Finding("few", False, True, "too many"),))
    good = put(lake, 1)
    bad = put(lake, 2, record=Record(verdict=refused))
    assert (lake.latest(NUMBERS), lake.active(NUMBERS)) == (bad, good)
    lake.put({NUMBERS: bad.but(verdict=refused.accept("it is right"))})
    active = lake.active(NUMBERS)
    assert active is not None
    assert active.name == bad.name


def test_a_table_whose_version_somebody_deleted_counts_as_never_written(lake: Lake) -> None:
    storage.remove(put(lake, 1).path)
    assert (lake.find(NUMBERS), lake.active(NUMBERS)) == (None, None)
    with pytest.raises(FileNotFoundError, match="materialize it first"):
        lake.latest(NUMBERS)


def test_everything_that_is_known_of_a_version_is_read_as_it_was_written(lake: Lake) -> None:
    record = Record(
        made_from=MadeFrom("code", {"others/a.csv": "v1"}, {"words": ["-", None]}),
        content=Content("abc", 3),
        counts={"kept": 1},
        verdict=Verdict((Finding("few", False, True, "too many", {"sample": ["x"]}),)).accept("it is right"),
        details={"share": 0.5},
    )
    version = put(lake, 1, record=record)
    found = lake.latest(NUMBERS)
    assert found.record.verdict is not None
    assert found.record == version.record
    assert (found.rows, found.record.made_from, found.record.content) == (1, record.made_from, record.content)


def test_a_version_of_several_parts_holds_what_the_parts_that_ended_gave(lake: Lake) -> None:
    version, counted = lake.write_parts(NUMBERS, [partial(part, 1), partial(part, 2)], buckets=2)
    lake.put({NUMBERS: version})
    assert (version.rows, version.record.buckets, counted) == (2, 2, ["part 1", "part 2"])
    assert [pq.read_table(file)["n"].to_pylist() for file in version.files] == [[1], [2]]
    # What an attempt left that was made again counts for nothing.
    pq.write_table(numbers(9), version.path / "left.parquet")
    assert values(lake) == [1, 2]


def part(number: int) -> tuple[pa.Table, str]:
    return numbers(number), f"part {number}"


def test_a_write_that_fails_leaves_the_last_good_version_and_no_debris(lake: Lake) -> None:
    def failing() -> tuple[pa.Table, str]:
        raise OSError("the disk is gone")

    parts: list[Callable[[], tuple[pa.Table, str]]] = [partial(part, 2), failing]
    good = put(lake, 1)
    with pytest.raises(OSError, match="the disk is gone"):
        lake.write_parts(NUMBERS, parts)
    assert values(lake) == [1]
    assert [entry.name for entry in (lake.root / NUMBERS).iterdir()] == [good.name]


def test_no_rows_are_a_version_too(lake: Lake) -> None:
    assert put(lake).rows == 0
    assert values(lake) == []


def test_an_asset_that_was_never_written_is_named(lake: Lake) -> None:
    with pytest.raises(FileNotFoundError, match="numbers is not in the lake"):
        lake.latest(NUMBERS)


def test_a_stream_is_written_as_it_comes_in_groups_that_tasks_can_share(lake: Lake) -> None:
    batch = pa.record_batch({"n": pa.array([7] * (GROUP_BYTES // 8), pa.int64())})
    written = lake.write_stream(NUMBERS, pa.RecordBatchReader.from_batches(batch.schema, iter([batch, batch])))
    lake.put({NUMBERS: written})
    assert written.rows == 2 * len(batch)
    assert sum(values(lake)) == 14 * len(batch)
    (file,) = written.files
    assert pq.ParquetFile(file).num_row_groups == 2
    nothing = lake.write_stream(NUMBERS, pa.RecordBatchReader.from_batches(batch.schema, iter([])))
    assert nothing.rows == 0
    assert nothing.part.read(N).num_rows == 0


def test_a_stream_that_breaks_off_leaves_the_last_good_version_and_no_debris(lake: Lake) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": pa.array([2])})
        raise OSError("the disk is gone")

    good = put(lake, 1)
    with pytest.raises(OSError, match="the disk is gone"):
        lake.write_stream(NUMBERS, pa.RecordBatchReader.from_batches(N, breaking()))
    assert values(lake) == [1]
    assert [entry.name for entry in (lake.root / NUMBERS).iterdir()] == [good.name]
