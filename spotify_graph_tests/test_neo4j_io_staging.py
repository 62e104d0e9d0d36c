import json
import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_graph.neo4j_io import buckets, hashing
from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.part import MAX_KEY_BYTES
from spotify_graph.neo4j_io.rows import schema
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.vocabulary import Endpoint, NodeType, Property, PropertyType, RelationshipType
from spotify_graph_tests.people import as_parts, as_table

TEXT, LIST = PropertyType.STRING, PropertyType.STRING_LIST

BOOK = NodeType(
    asset="books",
    label="Book",
    key=Property("isbn", TEXT, ""),
    properties=(
        Property("title", TEXT, "", optional=True),
        Property("subtitle", TEXT, "", optional=True),
        Property("themes", LIST, ""),
        Property("places", LIST, ""),
        Property("printed", PropertyType.ZONED_DATETIME, "", optional=True),
        Property("pages", PropertyType.INTEGER, "", optional=True),
    ),
    description="",
)
CITES = RelationshipType(
    asset="cites",
    type="CITES",
    start=Endpoint(BOOK, "citing"),
    end=Endpoint(BOOK, "cited"),
    properties=(),
    description="",
)

SCHEMA = pa.schema([*list(schema(BOOK))[:-1], ("pages", pa.int32())])

Stage = Callable[..., Snapshot]


def book(isbn: str | None = "1", **values: Any) -> tuple[Any, ...]:
    columns: dict[str, Any] = {
        "title": None,
        "subtitle": None,
        "themes": [],
        "places": [],
        "printed": None,
        "pages": None,
    }
    assert values.keys() <= columns.keys()
    return (isbn, *(columns | values).values())


@pytest.fixture
def stage_books(tmp_path: Path) -> Stage:
    """Stages rows made with `book`."""

    def _stage(*books: tuple[Any, ...]) -> Snapshot:
        return stage(as_parts(as_table(books, SCHEMA)), BOOK, tmp_path)

    return _stage


def test_a_snapshot_is_read_back_as_it_was_staged(stage_books: Stage) -> None:
    printed = datetime(1969, 7, 20, 20, 17, 40, 123456, tzinfo=UTC)
    rows = [book("1", title="Möbius 🎵", themes=["a", "b"], printed=printed, pages=7), book("2")]
    staged = stage_books(*rows)
    loaded = Snapshot.load(staged.path)
    assert loaded == staged
    assert loaded.rows == 2
    assert loaded.nulls == {
        "isbn": 0, "title": 1, "subtitle": 2, "themes": 0, "places": 0, "printed": 1, "pages": 1
    }  # fmt: skip
    assert loaded.read().schema == schema(BOOK)
    assert [tuple(row.values()) for row in loaded.read().to_pylist()] == rows
    assert loaded.read(width=2).column_names == ["isbn", "title"]


def test_a_table_whose_columns_share_a_name_cannot_be_described() -> None:
    with pytest.raises(ValueError, match="cites: more than one column is called isbn"):
        RelationshipType("cites", "CITES", Endpoint(BOOK, "isbn"), Endpoint(BOOK, "isbn"))


def test_columns_may_come_in_any_order_and_others_are_left_out(tmp_path: Path) -> None:
    rows = pa.table({"extra": ["noise"], "cited": ["b"], "citing": ["a"]})
    snapshot = stage(as_parts(rows), CITES, tmp_path)
    assert snapshot.read().to_pylist() == [{"citing": "a", "cited": "b"}]


def test_columns_may_be_narrower_or_spelt_otherwise_where_no_value_changes(tmp_path: Path) -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    values = {
        "isbn": pa.array(["1"]).dictionary_encode(),
        "title": pa.array(["a"], pa.large_string()),
        "subtitle": pa.array(["b"], pa.string_view()),
        "themes": pa.array([["x"]], pa.large_list(pa.large_string())),
        "places": pa.array([[]], pa.list_(pa.string())),
        "printed": pa.array([moment], pa.timestamp("s", tz="Europe/Rome")),
        "pages": pa.array([7], pa.uint8()),
    }
    found = stage(as_parts(pa.table(values)), BOOK, tmp_path).read().to_pylist()
    assert [tuple(row.values()) for row in found] == [("1", "a", "b", ["x"], [], moment, 7)]


BOOKS = st.builds(
    lambda isbn, title, themes, pages: book(isbn, title=title, themes=themes, pages=pages),
    st.text("ab🎵-", min_size=1, max_size=20),
    st.none() | st.text("ab🎵-", max_size=3),
    st.lists(st.text("ab🎵-", max_size=2), max_size=3),
    st.none() | st.integers(-(2**31), 2**31 - 1),
)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(BOOKS, unique_by=lambda row: row[0], max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=3),
    divided=st.sampled_from([1, 2, 4]),
    shuffle=st.randoms(use_true_random=False),
)
def test_what_is_known_of_rows_does_not_depend_on_their_order_parts_and_buckets(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], cuts: list[int], divided: int, shuffle: Any
) -> None:
    root = tmp_path_factory.mktemp("lake")
    whole = stage(as_parts(as_table(rows, SCHEMA)), BOOK, root)
    others = shuffle.sample(rows, len(rows))
    ends = [0, *sorted(cuts), len(rows)]
    parts = as_parts(*(as_table(others[a:b], SCHEMA) for a, b in pairwise(ends) if a <= b))
    other = stage(parts, BOOK, root, buckets=divided)
    for name in ("fingerprint", "checksum", "rows", "nulls", "columns", "pattern"):
        assert getattr(other, name) == getattr(whole, name)
    found = [row for bucket in range(divided) for row in other.read(bucket).to_pylist()]
    assert sorted(map(repr, found)) == sorted(map(repr, whole.read().to_pylist()))
    # A bucket of fewer is made of whole buckets of more.
    for bucket in range(max(1, divided // 2)):
        some = other.read(bucket, max(1, divided // 2))
        assert set(buckets.number(some["isbn"], max(1, divided // 2))) <= {bucket}
    assert Snapshot.load(other.path) == other


def again_and_through_pickle(task: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Does each part twice, as Spark's tasks are done where a worker is slow or lost, and as if in other processes."""
    carried = [pickle.loads(pickle.dumps((task, part))) for part in parts]  # noqa: S301 it is our own
    return [[carried_task(part) for _ in range(2)][1] for carried_task, part in carried]


def test_a_part_that_is_done_twice_doubles_nothing(tmp_path: Path) -> None:
    parts = as_parts(*(as_table([book(str(i)) for i in numbers], SCHEMA) for numbers in (range(5), range(5, 9))))
    twice = stage(parts, BOOK, tmp_path, run=again_and_through_pickle, buckets=2)
    assert twice.rows == twice.read().num_rows == 9
    assert twice.fingerprint == stage(parts, BOOK, tmp_path).fingerprint
    assert {file.name for file in twice.path.glob("*.parquet")} == set(twice.files)
    # One that was thought lost may still write.
    (twice.path / "00000-late.parquet").write_bytes(b"")
    assert Snapshot.load(twice.path).read().num_rows == 9


def test_a_part_that_fails_leaves_no_version(tmp_path: Path) -> None:
    def fail() -> pa.Table:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        stage([*as_parts(as_table([book()], SCHEMA)), fail], BOOK, tmp_path)
    assert list((tmp_path / "books").iterdir()) == []


def test_without_parts_there_are_no_rows(tmp_path: Path) -> None:
    nothing = stage([], BOOK, tmp_path, buckets=2)
    assert (nothing.rows, nothing.files) == (0, {})
    assert Snapshot.load(nothing.path).read(1) == schema(BOOK).empty_table()
    assert nothing.fingerprint == stage(as_parts(SCHEMA.empty_table()), BOOK, tmp_path).fingerprint
    assert set(nothing.nulls.values()) == set(nothing.checksum.values()) == {0}


@pytest.mark.parametrize("number", [0, 3, -2])
def test_only_a_power_of_two_is_a_number_of_buckets(tmp_path: Path, number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} buckets: the number must be a power of two"):
        stage([], BOOK, tmp_path, buckets=number)
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_buckets_grows_with_the_rows() -> None:
    million = buckets.BUCKET_ROWS
    found = [buckets.count_for(rows) for rows in (0, 1, million, million + 1, 2 * million, 3 * million, 10 * million)]
    assert found == [1, 1, 1, 2, 2, 4, 16]


def test_where_there_are_rows_enough_each_core_has_a_bucket() -> None:
    worth = buckets.WORTH_ROWS
    found = [buckets.count_for_cores(rows, 12) for rows in (0, worth, 4 * worth, 12 * worth, 100 * worth)]
    assert found == [1, 1, 4, 16, 16]
    assert buckets.count_for_cores(100 * worth, 1) == 1


def test_keys_are_spread_over_buckets_and_stay_in_theirs_for_ever() -> None:
    keys = pa.chunked_array([[f"user-{i}" for i in range(3000)], [f"track-{i}" for i in range(1000)]])
    numbers = buckets.number(keys, 8)
    assert all(400 < count < 600 for count in np.bincount(numbers, minlength=8))
    # Snapshots that were staged are divided so.
    assert buckets.number(pa.array(["", "a", "user-1", "🎵" * 3, "x" * 300, None]), 1024).tolist() == [
        431,
        752,
        795,
        413,
        274,
        285,
    ]


def test_old_snapshots_of_spark_are_read_as_one_bucket(tmp_path: Path) -> None:
    printed = [datetime(1, 1, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    rows = [book("1", printed=printed[0], pages=3), book("2", printed=printed[1], themes=["x"])]
    snapshot = stage(as_parts(as_table(rows, SCHEMA)), BOOK, tmp_path)
    for name in snapshot.files:
        (snapshot.path / name).unlink()
    files = {}
    for i, row in enumerate(rows):
        file = snapshot.path / f"part-0000{i}-8e2f.c000.snappy.parquet"
        # As Spark writes times unless it is told otherwise.
        pq.write_table(as_table([row], schema(BOOK)), file, use_deprecated_int96_timestamps=True)
        files[file.name] = file.stat().st_size
    known = json.loads((snapshot.path / "_snapshot.json").read_text())
    del known["buckets"]
    (snapshot.path / "_snapshot.json").write_text(json.dumps(known | {"files": files}))
    old = Snapshot.load(snapshot.path)
    assert old.buckets == 1
    assert old.read(0).schema == schema(BOOK)
    assert [tuple(row.values()) for row in old.read().to_pylist()] == rows


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([book(title="a")], [book(subtitle="a")]),
        ([book(title="a", subtitle="bc")], [book(title="ab", subtitle="c")]),
        ([book(themes=["a"], places=["b"])], [book(themes=["a", "b"])]),
        ([book(themes=["a", "b"])], [book(themes=["b", "a"])]),
        ([book(title="")], [book(title=None)]),
        ([book(pages=0)], [book(pages=None)]),
        ([book("1", pages=1), book("2", pages=2)], [book("1", pages=2), book("2", pages=1)]),
        ([], [book()]),
    ],
    ids=["nulls", "text", "lists", "order in a list", "empty text", "zero", "values between rows", "no rows"],
)
def test_contents_that_differ_have_different_fingerprints(
    stage_books: Stage, one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    assert stage_books(*one).fingerprint != stage_books(*other).fingerprint


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([book(None), book("2")], "books: 1 row with no isbn, e.g. None"),
        ([book(""), book("2")], "books: 1 row with an empty isbn, e.g. ''"),
        ([book("2", themes=None)], "books: 1 row with no themes, e.g. '2'"),
        ([book("2", themes=["a", None])], "books: 1 row with a null in the list themes, e.g. '2'"),
        ([book("é" * (MAX_KEY_BYTES // 2) + "x")], "books: 1 row with over 8,164 bytes in isbn, e.g. 'ééé"),
        ([book("x\n1"), book("x\n1", pages=3), book("2")], r"books: more than one row with the same isbn, e.g. 'x\n1'"),
        ([book(None) for _ in range(7)], f"books: 7 rows with no isbn, e.g. {', '.join(['None'] * 5)}"),
    ],
    ids=["no key", "empty key", "null", "null in a list", "long key", "key twice", "many"],
)
def test_bad_rows_are_refused_and_nothing_stays_behind(
    stage_books: Stage, tmp_path: Path, rows: list[tuple[Any, ...]], message: str
) -> None:
    with pytest.raises(StagingError) as caught:
        stage_books(*rows)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert list((tmp_path / "books").iterdir()) == []


@pytest.mark.parametrize("number", [1, 4])
def test_a_pair_that_is_there_twice_is_refused_in_whatever_parts(tmp_path: Path, number: int) -> None:
    parts = as_parts(
        *(
            as_table(pairs, schema(CITES))
            for pairs in ([("a", "b"), ("b", "a")], [("c", "b")], [("c", "a"), ("a", "b")])
        )
    )
    with pytest.raises(StagingError, match=r"same citing and cited, e\.g\. 'a'-'b'") as caught:
        stage(parts, CITES, tmp_path, buckets=number)
    assert caught.value.examples == [("a", "b")]


def test_keys_of_the_same_hash_are_not_the_same_key(stage_books: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "of_rows", lambda columns: np.zeros(len(columns[0]), np.uint64))
    assert stage_books(book("1"), book("2")).rows == 2
    with pytest.raises(StagingError, match=r"same isbn, e\.g\. '2'"):
        stage_books(book("1"), book("2"), book("2"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"citing": pa.string()}, "cites: column cited missing; there are citing"),
        ({"citing": pa.string(), "cited": pa.int32()}, "cites: column cited is int32, not STRING"),
        (
            {"citing": pa.string(), "cited": pa.list_(pa.string())},
            "cites: column cited is list<item: string>, not STRING",
        ),
    ],
)
def test_rows_without_the_tables_columns_are_refused(
    tmp_path: Path, columns: dict[str, pa.DataType], message: str
) -> None:
    with pytest.raises(StagingError) as caught:
        stage(as_parts(pa.schema(columns).empty_table()), CITES, tmp_path)
    assert str(caught.value) == message
    assert list((tmp_path / "cites").iterdir()) == []


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        ("pages", pa.float64()),
        ("pages", pa.uint64()),
        ("pages", pa.string()),
        ("printed", pa.timestamp("us")),
        ("printed", pa.timestamp("ns", tz="UTC")),
        ("printed", pa.int64()),
        ("themes", pa.string()),
        ("themes", pa.list_(pa.int64())),
        ("title", pa.null()),
    ],
)
def test_a_type_whose_values_could_change_is_refused(tmp_path: Path, column: str, type_: pa.DataType) -> None:
    fields = [pa.field(column, type_) if field.name == column else field for field in SCHEMA]
    with pytest.raises(StagingError, match=f"column {column} is .*, not "):
        stage(as_parts(pa.schema(fields).empty_table()), BOOK, tmp_path)


def test_a_snapshot_that_lost_a_file_or_was_never_finished_is_not_loaded(stage_books: Stage, tmp_path: Path) -> None:
    snapshot = stage_books(book())
    snapshot.paths()[0].write_bytes(b"cut short")
    with pytest.raises(FileNotFoundError, match="lost rows"):
        Snapshot.load(snapshot.path)
    unfinished = stage_books(book())
    (unfinished.path / "_snapshot.json").unlink()
    with pytest.raises(FileNotFoundError):
        Snapshot.load(unfinished.path)
    with pytest.raises(FileNotFoundError):
        Snapshot.load(tmp_path / "nowhere")
