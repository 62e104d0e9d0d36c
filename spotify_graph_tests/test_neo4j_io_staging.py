from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spotify_graph.graph_model import Endpoint, NodeType, Property, PropertyType, RelationshipType
from spotify_graph.neo4j_io import staging
from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.staging import MAX_KEY_BYTES, Snapshot, stage

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

SCHEMA = (
    "isbn string, title string, subtitle string, themes array<string>, places array<string>, "
    "printed timestamp, pages int"
)

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
def stage_books(spark: SparkSession, tmp_path: Path) -> Stage:
    """Stages rows made with `book`."""

    def _stage(*books: tuple[Any, ...]) -> Snapshot:
        return stage(spark.createDataFrame(list(books), SCHEMA).coalesce(1), BOOK, tmp_path)

    return _stage


def test_a_snapshot_is_read_back_as_it_was_staged(stage_books: Stage, spark: SparkSession) -> None:
    printed = datetime(1969, 7, 20, 20, 17, 40, 123456, tzinfo=UTC)
    rows = [book("1", title="Möbius 🎵", themes=["a", "b"], printed=printed, pages=7), book("2")]
    staged = stage_books(*rows)
    loaded = Snapshot.load(staged.path)
    assert loaded == staged
    assert loaded.rows == 2
    assert loaded.nulls == {
        "isbn": 0, "title": 1, "subtitle": 2, "themes": 0, "places": 0, "printed": 1, "pages": 1
    }  # fmt: skip
    frame = loaded.read(spark)
    assert dict(frame.dtypes)["pages"] == "bigint"
    # Spark hands timestamps out without a zone, in the machine's own.
    found = [(*row[:5], row[5] and row[5].astimezone(UTC), *row[6:]) for row in map(tuple, frame.collect())]
    assert sorted(found) == sorted(rows)


def test_columns_may_come_in_any_order_and_others_are_left_out(spark: SparkSession, tmp_path: Path) -> None:
    frame = spark.createDataFrame([("noise", "b", "a")], "extra string, cited string, citing string")
    snapshot = stage(frame, CITES, tmp_path)
    assert [tuple(row) for row in snapshot.read(spark).collect()] == [("a", "b")]


def test_the_fingerprint_depends_on_the_rows_and_not_on_their_order_or_files(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [book(str(i), pages=i) for i in range(20)]
    one_file = stage(spark.createDataFrame(rows, SCHEMA).coalesce(1), BOOK, tmp_path)
    many = stage(spark.createDataFrame(rows[::-1], SCHEMA).repartition(5), BOOK, tmp_path)
    assert len(one_file.files) == 1
    assert len(many.files) > 1
    assert one_file.fingerprint == many.fingerprint
    assert one_file.version < many.version


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


@pytest.mark.parametrize("in_memory", [staging.IN_MEMORY_ROWS, 0])
def test_a_pair_that_is_there_twice_is_refused_whatever_the_size(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(staging, "IN_MEMORY_ROWS", in_memory)
    frame = spark.createDataFrame([("a", "b"), ("b", "a"), ("a", "b")], "citing string, cited string")
    with pytest.raises(StagingError, match=r"same citing and cited, e\.g\. 'a'-'b'") as caught:
        stage(frame, CITES, tmp_path)
    assert caught.value.examples == [("a", "b")]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("citing string", "cites: column cited missing; there are citing"),
        ("citing string, cited int", "cites: column cited is int, and the model says STRING"),
        ("citing string, cited array<string>", r"cites: column cited is array<string>, and the model says STRING"),
    ],
)
def test_a_frame_without_the_tables_columns_is_refused(
    spark: SparkSession, tmp_path: Path, schema: str, message: str
) -> None:
    with pytest.raises(StagingError, match=message):
        stage(spark.createDataFrame([], schema), CITES, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_that_lost_a_file_or_was_never_finished_is_not_loaded(stage_books: Stage, tmp_path: Path) -> None:
    snapshot = stage_books(book())
    next(snapshot.path.glob("*.parquet")).write_bytes(b"cut short")
    with pytest.raises(FileNotFoundError, match="lost rows"):
        Snapshot.load(snapshot.path)
    unfinished = stage_books(book())
    (unfinished.path / "_snapshot.json").unlink()
    with pytest.raises(FileNotFoundError):
        Snapshot.load(unfinished.path)
    with pytest.raises(FileNotFoundError):
        Snapshot.load(tmp_path / "nowhere")
