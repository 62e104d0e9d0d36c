"""What differs between two snapshots, or between the database and one, against what Python's dictionaries say."""

import math
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_graph.neo4j_io import contents, difference
from spotify_graph.neo4j_io.buckets import split
from spotify_graph.neo4j_io.difference import Base, Difference, Rows
from spotify_graph.neo4j_io.rows import read_whole, schema
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType
from spotify_graph_tests.people import EARLY, LAST, LIVES_IN, SOON, Row, as_parts, as_table

VALUES: dict[PropertyType, list[Any]] = {
    PropertyType.STRING: [None, "", "a", "b"],
    PropertyType.ZONED_DATETIME: [None, EARLY, LAST],
    PropertyType.STRING_LIST: [None, [], [""], ["x"], ["x", "y"], ["y", "x"], ["xy"]],
    PropertyType.INTEGER: [None, 0, 1, -(2**63)],
    PropertyType.FLOAT: [None, 0.0, -0.0, 0.1, math.nan, -math.nan, math.inf, -math.inf],
    PropertyType.BOOLEAN: [None, True, False],
}
THING = NodeType(
    asset="things",
    label="Thing",
    key=Property("name", PropertyType.STRING, ""),
    properties=tuple(Property(type_.name, type_, "", optional=True) for type_ in VALUES),
    description="",
)


def comparable(value: Any) -> Any:
    """A value that is the same as another one where the graph holds both for the same."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return tuple(value) if isinstance(value, list) else value


def by_key(rows: Iterable[Row], table: GraphTable) -> dict[Row, Row]:
    width = len(table.keys)
    return {row[:width]: tuple(map(comparable, row[width:])) for row in rows}


def expected(old: Iterable[Row], new: Iterable[Row], table: GraphTable) -> dict[str, set[Row]]:
    before, after = by_key(old, table), by_key(new, table)
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    return {
        "deleted": before.keys() - after.keys(),
        "inserted": {(*key, *after[key]) for key in after.keys() - before.keys()},
        "changed": {(*key, *after[key]) for key in changed},
        "duplicated": set(),
        "foreign": set(),
    }


def contents_of(found: Difference, table: GraphTable) -> dict[str, set[Row]]:
    """The rows of each kind, as far as a publication reads them."""

    def rows(of: Rows, width: int) -> set[Row]:
        columns = pa.schema([(f"c{i}", field.type) for i, field in enumerate(list(schema(table))[:width])])
        read = [tuple(map(comparable, row.values())) for row in read_whole(of.files, columns).to_pylist()]
        assert len(read) == len(set(read)) == of.count
        return set(read)

    keys, columns = len(table.keys), len(table.columns)
    widths = {"deleted": keys, "inserted": columns, "changed": columns, "duplicated": columns, "foreign": keys}
    return {kind: rows(getattr(found, kind), width) for kind, width in widths.items()}


def staged(rows: Iterable[Row], table: GraphTable, root: Path, buckets: int) -> Snapshot:
    return stage(as_parts(as_table(rows, schema(table))), table, root, buckets=buckets)


def every_change() -> tuple[list[Row], list[Row]]:
    """Things before and after: for each two values of a property, one whose value changes from the one to the other."""
    before: list[Row] = [("gone", *[None] * len(VALUES))]
    after: list[Row] = [("new", *(values[-1] for values in VALUES.values()))]
    for place, (type_, values) in enumerate(VALUES.items(), 1):
        for i, j in product(range(len(values)), repeat=2):
            for rows, value in ((before, values[i]), (after, values[j])):
                row: list[Any] = [f"{type_} {i} {j}", *[None] * len(VALUES)]
                row[place] = value
                rows.append(tuple(row))
    return before, list(reversed(after))


@pytest.mark.parametrize(("before", "after"), [(1, 1), (4, 1), (2, 4), (4, 4)])
def test_every_change_of_a_value_is_found_in_however_many_buckets_and_no_other(
    tmp_path: Path, before: int, after: int
) -> None:
    rows = every_change()
    old, new = (staged(some, THING, tmp_path, buckets) for some, buckets in zip(rows, (before, after), strict=True))
    found = difference.from_snapshot(old, new, THING, tmp_path / "difference")
    assert contents_of(found, THING) == expected(*rows, THING)
    assert found.changed.count
    assert found.deleted.count == found.inserted.count == 1


@settings(max_examples=50, deadline=None)
@given(
    *[
        st.dictionaries(st.tuples(*[st.sampled_from("abcd")] * 2), st.sampled_from([(1, None), (1, SOON), (2, SOON)]))
        for _ in range(2)
    ]
)
def test_any_two_sets_of_relationships_are_compared_by_both_ends(old: dict[Row, Row], new: dict[Row, Row]) -> None:
    before, after = ([(*key, *values) for key, values in rows.items()] for rows in (old, new))
    base, wanted = Base(as_table(before, schema(LIVES_IN))), as_table(after, schema(LIVES_IN))
    found = difference.compare(base, wanted, LIVES_IN)
    rows = {kind: set(zip(*some.to_pydict().values(), strict=True)) for kind, some in found.items()}
    assert rows | {"foreign": set()} == expected(before, after, LIVES_IN)


@pytest.mark.parametrize("buckets", [1, 4])
def test_of_an_export_what_is_there_twice_of_another_type_or_foreign_is_told_apart(
    tmp_path: Path, buckets: int
) -> None:
    def home(person: str, count: int | None = 1) -> Row:
        return (person, "Rome", count, SOON)

    exported = [
        (*home("same"), True),
        (*home("other"), True),
        (*home("odd", None), False),
        (*home("twice"), True),
        (*home("twice", 2), False),
        (*home("gone"), True),
        (*home("left over"), True),
        (*home("foreign", 5), True),
        (*home("foreign", 7), True),
        (*home("foreign too", 3), True),
    ]
    files = []
    rows = as_table(exported, contents.schema(LIVES_IN))
    for bucket in range(buckets):
        files.append(tmp_path / f"{bucket}.parquet")
        pa.parquet.write_table(split(rows, buckets).get(bucket, rows.slice(0, 0)), files[-1])
    new = staged([home(name, 2) for name in ("other", "odd", "twice", "new")] + [home("same")], LIVES_IN, tmp_path, 4)
    ours = [staged(map(home, names), LIVES_IN, tmp_path, buckets) for names in (["gone", "same"], ["left over"])]
    found, foreign = difference.from_export(files, new, ours, LIVES_IN, tmp_path / "difference")
    assert {kind: {row[0] for row in rows} for kind, rows in contents_of(found, LIVES_IN).items()} == {
        "deleted": {"gone", "left over"},
        "inserted": {"new"},
        "changed": {"other", "odd"},
        "duplicated": {"twice"},
        "foreign": {"foreign", "foreign too"},
    }
    assert (foreign["count"], foreign["sum of count"]) == (3, 15)


def test_a_difference_may_be_empty(tmp_path: Path) -> None:
    rows = [("a", "b", 1, SOON)]
    old, new = staged(rows, LIVES_IN, tmp_path, 1), staged(rows, LIVES_IN, tmp_path, 2)
    assert difference.from_snapshot(old, new, LIVES_IN, tmp_path / "difference") == Difference()
    nothing = staged([], LIVES_IN, tmp_path, 2)
    assert difference.from_snapshot(nothing, nothing, LIVES_IN, tmp_path / "difference") == Difference()
