from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_graph.io_managers.lake import GROUP_BYTES, Lake

N = pa.schema({"n": pa.int64()})


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": values}, N)


def _values(lake: Lake) -> list[int]:
    return sorted(lake.current("numbers").part.read(N)["n"].to_pylist())


def test_what_was_written_last_is_what_is_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.write_table("numbers", numbers(1)).rows == 1
    assert lake.write_table("numbers", numbers(2, 3)).rows == 2
    assert _values(lake) == [2, 3]


def test_a_version_can_be_computed_from_the_one_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    before = lake.write_table("numbers", numbers(1))
    lake.write_parts("numbers", [lambda: (numbers(*before.part.read(N)["n"].to_pylist(), 2), None)])
    assert _values(lake) == [1, 2]


def test_a_version_of_several_parts_holds_what_the_parts_that_ended_gave(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    version, counted = lake.write_parts("numbers", [partial(part, 1), partial(part, 2)], buckets=2)
    assert (version.rows, version.buckets, counted) == (2, 2, ["part 1", "part 2"])
    assert [pq.read_table(file)["n"].to_pylist() for file in version.files] == [[1], [2]]
    # What an attempt left that was made again counts for nothing.
    pq.write_table(numbers(9), version.path / "left.parquet")
    assert _values(lake) == [1, 2]


def part(number: int) -> tuple[pa.Table, str]:
    return numbers(number), f"part {number}"


def test_a_write_that_fails_leaves_the_last_good_version_and_no_debris(tmp_path: Path) -> None:
    def failing() -> tuple[pa.Table, str]:
        raise OSError("the disk is gone")

    parts: list[Callable[[], tuple[pa.Table, str]]] = [partial(part, 2), failing]
    lake = Lake(tmp_path)
    good = lake.write_table("numbers", numbers(1))
    with pytest.raises(OSError, match="the disk is gone"):
        lake.write_parts("numbers", parts)
    assert _values(lake) == [1]
    assert {entry.name for entry in (tmp_path / "numbers").iterdir()} == {"CURRENT", good.path.name}


def test_no_rows_are_a_version_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.write_table("numbers", numbers()).rows == 0
    assert _values(lake) == []


def test_an_asset_that_was_never_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="numbers is not in the lake"):
        Lake(tmp_path).current("numbers")


def test_a_stream_is_written_as_it_comes_in_groups_that_tasks_can_share(tmp_path: Path) -> None:
    batch = pa.record_batch({"n": pa.array([7] * (GROUP_BYTES // 8), pa.int64())})
    lake = Lake(tmp_path)
    written = lake.write_stream("numbers", pa.RecordBatchReader.from_batches(batch.schema, iter([batch, batch])))
    assert written.rows == 2 * len(batch)
    assert sum(_values(lake)) == 14 * len(batch)
    (file,) = written.path.glob("*.parquet")
    assert pq.ParquetFile(file).num_row_groups == 2
    nothing = lake.write_stream("numbers", pa.RecordBatchReader.from_batches(batch.schema, iter([])))
    assert nothing.rows == 0
    assert _values(lake) == []


def test_a_stream_that_breaks_off_leaves_the_last_good_version_and_no_debris(tmp_path: Path) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": pa.array([2])})
        raise OSError("the disk is gone")

    lake = Lake(tmp_path)
    good = lake.write_table("numbers", numbers(1))
    with pytest.raises(OSError, match="the disk is gone"):
        lake.write_stream("numbers", pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), breaking()))
    assert _values(lake) == [1]
    assert {entry.name for entry in (tmp_path / "numbers").iterdir()} == {"CURRENT", good.path.name}
