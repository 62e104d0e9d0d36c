"""Snapshots: a table's rows as one audited version, in Parquet.

A version is a folder `<root>/<asset>/<version>` with the rows in Parquet files and `_snapshot.json`, which is written
last: a folder without it is half made and counts for nothing.
"""

import hashlib
import json
import secrets
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from spotify_graph.graph_model import GraphTable, NodeType, Property, PropertyType
from spotify_graph.neo4j_io import checksum
from spotify_graph.neo4j_io.cypher import quoted, stored
from spotify_graph.neo4j_io.errors import EXAMPLES, PublicationError, StagingError

MAX_KEY_BYTES = 8_164
"""The longest string, in UTF-8, that a single-property range index of Neo4j holds; the server fails on longer ones."""

IN_MEMORY_ROWS = 1_000_000
"""Up to this size a snapshot's keys are compared in memory, which takes a fraction of a Spark job's time."""

_FILE = "_snapshot.json"

_SPARK_TYPES: dict[PropertyType, DataType] = {
    PropertyType.STRING: StringType(),
    PropertyType.INTEGER: LongType(),
    PropertyType.FLOAT: DoubleType(),
    PropertyType.BOOLEAN: BooleanType(),
    PropertyType.ZONED_DATETIME: TimestampType(),
    PropertyType.STRING_LIST: ArrayType(StringType()),
}

_WIDENED: dict[PropertyType, tuple[type[DataType], ...]] = {
    PropertyType.INTEGER: (ByteType, ShortType, IntegerType),
    PropertyType.FLOAT: (FloatType,),
}


@dataclass(frozen=True)
class Snapshot:
    """One complete version of a table's rows.

    Attributes:
        path: its folder, whose name is the version; versions sort by time.
        asset: the asset that it belongs to.
        pattern: the table as it was staged, as a Cypher-like pattern with types.
        columns: the types of the columns, by name, in order.
        rows: how many rows it has.
        fingerprint: equal for equal pattern and rows, in whatever order and files.
        nulls: how many rows have no value, by column.
        created: when it was staged, in ISO 8601 and UTC.
        files: the size in bytes of each Parquet file, by name.
        checksum: counts and sums of the rows that the database can work out as well, by what they are of.
    """

    path: Path
    asset: str
    pattern: str
    columns: dict[str, str]
    rows: int
    fingerprint: str
    nulls: dict[str, int]
    created: str
    files: dict[str, int]
    checksum: dict[str, int]

    @property
    def version(self) -> str:
        """The version's id."""
        return self.path.name

    def sibling(self, version: str) -> Path:
        """The folder of another version of the same asset."""
        return self.path.with_name(version)

    def check(self, table: GraphTable) -> None:
        """Makes sure that this is a snapshot of a table as the model has it now.

        Raises:
            PublicationError: it is another table's, or older than a change of the model.
        """
        if self.pattern != pattern(table):
            raise PublicationError(table.asset, f"{self.version} was staged as {self.pattern}", advice="stage it again")

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows."""
        fields = [StructField(name, _SPARK_TYPES[PropertyType(type_)]) for name, type_ in self.columns.items()]
        return spark.read.schema(StructType(fields)).parquet(str(self.path))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what is known of the version in a folder.

        Raises:
            FileNotFoundError: there is no complete version, or a file of it is missing or cut short.
        """
        try:
            snapshot = cls(path=path, **json.loads((path / _FILE).read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise FileNotFoundError(f"{path} holds no complete snapshot") from error
        if _files(path) != snapshot.files:
            raise FileNotFoundError(f"{path} has lost rows since it was staged")
        return snapshot

    def _save(self) -> None:
        known = asdict(self)
        del known["path"]
        new = self.path / f"{_FILE}.new"
        new.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
        new.replace(self.path / _FILE)


def stage(frame: DataFrame, table: GraphTable, root: Path) -> Snapshot:
    """Writes a DataFrame as a new version of a table, and audits it.

    The audit holds every rule that the database needs: keys present, unique and not too long, no null in a property
    that is not optional, no null inside a list. Other columns of the DataFrame are left out.

    Args:
        frame: the rows, with the table's columns; integers and floats may be narrower than the model's.
        table: what they are rows of.
        root: the folder of all snapshots.

    Raises:
        StagingError: a column is missing or of another type, or a row breaks a rule; the version is removed.
    """
    selected = _select(frame, table)
    path = root / table.asset / new_version()
    try:
        audit = Observation()
        selected.observe(audit, *_metrics(table)).write.parquet(str(path))
        found = audit.get
        snapshot = Snapshot(
            path=path,
            asset=table.asset,
            pattern=pattern(table),
            columns={column.name: str(column.type) for column in table.columns},
            rows=found["count"],
            fingerprint=_fingerprint(table, found),
            nulls={column.name: found["count"] - found[f"values{i}"] for i, column in enumerate(table.columns)},
            created=datetime.now(UTC).isoformat(),
            files=_files(path),
            checksum=checksum.readable(table, found),
        )
        _audit(snapshot, frame.sparkSession, table, found)
        snapshot._save()
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return snapshot


def pattern(table: GraphTable) -> str:
    """A table as a Cypher-like pattern, such as `(:Person {name: STRING})-[:KNOWS {since: INTEGER}]->(...)`."""
    if isinstance(table, NodeType):
        return f"(:{quoted(table.label)} {_typed(table.columns)})"
    ends = [
        f"({quoted(end.column)}:{quoted(end.node.label)} {_typed(end.node.keys)})" for end in (table.start, table.end)
    ]
    return f"{ends[0]}-[:{quoted(table.type)} {_typed(stored(table))}]->{ends[1]}"


def new_version() -> str:
    """A new name for a version; names sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"


def _typed(columns: tuple[Property, ...]) -> str:
    return "{" + ", ".join(f"{quoted(column.name)}: {column.type}" for column in columns) + "}"


def _files(path: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in sorted(path.glob("*.parquet"))}


def _select(frame: DataFrame, table: GraphTable) -> DataFrame:
    given = {field.name: field.dataType for field in frame.schema}
    missing = [column.name for column in table.columns if column.name not in given]
    if missing:
        raise StagingError(table.asset, f"column {', '.join(missing)} missing; there are {', '.join(given) or 'none'}")
    for column in table.columns:
        if not _fits(given[column.name], column.type):
            type_ = given[column.name].simpleString()
            raise StagingError(table.asset, f"column {column.name} is {type_}, and the model says {column.type}")
    return frame.select(
        *(F.col(quoted(column.name)).cast(_SPARK_TYPES[column.type]).alias(column.name) for column in table.columns)
    )


def _fits(given: DataType, type_: PropertyType) -> bool:
    # Only casts that cannot change or lose a value: a text that looks like a number is somebody's mistake.
    if type_ is PropertyType.STRING_LIST:
        return isinstance(given, ArrayType) and isinstance(given.elementType, StringType)
    return isinstance(given, (type(_SPARK_TYPES[type_]), *_WIDENED.get(type_, ())))


def _rules(table: GraphTable) -> list[tuple[str, Column]]:
    """The rules of single rows: what a row that breaks one is said to have, and the condition of breaking it."""
    rules = []
    for column in table.columns:
        value = F.col(quoted(column.name))
        if column in table.keys or not column.optional:
            rules.append((f"no {column.name}", value.isNull()))
        if column in table.keys and column.type is PropertyType.STRING:
            rules.append((f"an empty {column.name}", value == ""))
            rules.append((f"over {MAX_KEY_BYTES:,} bytes in {column.name}", F.octet_length(value) > MAX_KEY_BYTES))
        if column.type is PropertyType.STRING_LIST:
            rules.append((f"a null in the list {column.name}", F.exists(value, lambda element: element.isNull())))
    return rules


def _metrics(table: GraphTable) -> list[Column]:
    digest = _row_digest(table)
    sums = {"low": digest.bitwiseAND(F.lit(0xFFFFFFFF)), "high": F.shiftrightunsigned(digest, 32)}
    names = [quoted(column.name) for column in table.columns]
    summed = checksum.aggregates(table, names.__getitem__, checksum.SPARK)
    return [
        *(F.expr(expression).alias(name) for name, expression in summed.items()),
        # Sums of 32 bits of each row cannot overflow below 2,147,483,648 rows.
        *(F.coalesce(F.sum(bits), F.lit(0)).alias(name) for name, bits in sums.items()),
        F.coalesce(F.bit_xor(digest), F.lit(0)).alias("xor"),
        *(F.count_if(broken).alias(f"broken{i}") for i, (_, broken) in enumerate(_rules(table))),
    ]


def _row_digest(table: GraphTable) -> Column:
    # xxhash64 passes over nulls and the ends of lists: without marks for them, rows that differ would look the same.
    parts = []
    for column in table.columns:
        value = F.col(quoted(column.name))
        parts += [value.isNull(), value]
        if column.type is PropertyType.STRING_LIST:
            parts.append(F.size(value))
    return F.xxhash64(*parts)


def _fingerprint(table: GraphTable, found: dict[str, Any]) -> str:
    content = [pattern(table), *(found[name] for name in ("count", "low", "high", "xor"))]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _audit(snapshot: Snapshot, spark: SparkSession, table: GraphTable, found: dict[str, Any]) -> None:
    keys = [F.col(quoted(key.name)) for key in table.keys]
    for i, (fault, broken) in enumerate(_rules(table)):
        count = found[f"broken{i}"]
        if count:
            examples = snapshot.read(spark).where(broken).select(*keys).limit(EXAMPLES).collect()
            raise StagingError(table.asset, f"{_counted(count)} with {fault}", examples)
    doubles = (
        _doubles_in_memory(snapshot, table) if snapshot.rows <= IN_MEMORY_ROWS else _doubles(snapshot, spark, table)
    )
    if doubles:
        names = " and ".join(key.name for key in table.keys)
        raise StagingError(table.asset, f"more than one row with the same {names}", doubles)


def _doubles(snapshot: Snapshot, spark: SparkSession, table: GraphTable) -> list[tuple[Any, ...]]:
    """A few keys that are there more than once."""
    keys = [F.col(quoted(key.name)) for key in table.keys]
    copies = snapshot.read(spark).groupBy(*keys).agg(F.count(F.lit(1)).alias("_copies"))
    return [tuple(row) for row in copies.where(F.col("_copies") > 1).select(*keys).limit(EXAMPLES).collect()]


def _doubles_in_memory(snapshot: Snapshot, table: GraphTable) -> list[tuple[Any, ...]]:
    """Like `_doubles`, without a Spark job."""
    import pyarrow.dataset as ds

    files = ds.dataset([str(snapshot.path / name) for name in snapshot.files])
    names = [f"c{i}" for i in range(len(table.keys))]
    keys = files.to_table(columns=[key.name for key in table.keys]).rename_columns(names)
    copies = keys.group_by(names).aggregate([([], "count_all")])
    doubles = copies.filter(ds.field("count_all") > 1).select(names).slice(0, EXAMPLES)
    return [tuple(row.values()) for row in doubles.to_pylist()]


def _counted(rows: int) -> str:
    return f"{rows:,} row{'s' if rows > 1 else ''}"
