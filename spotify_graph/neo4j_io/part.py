"""Staging one part of a table, in whichever process: it is computed, checked, measured and written.

The measures add up over parts. Rows that break a rule are counted, and columns that don't fit are reported, not raised:
the process that stages the table may be another one.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spotify_graph import storage
from spotify_graph.neo4j_io import buckets as bucketing
from spotify_graph.neo4j_io import checksum, hashing
from spotify_graph.neo4j_io.errors import EXAMPLES, StagingError
from spotify_graph.neo4j_io.rows import arrow_type, read_whole, schema
from spotify_graph.neo4j_io.vocabulary import GraphTable, PropertyType
from spotify_graph.storage import Address

MAX_KEY_BYTES = 8_164
"""The longest string, in UTF-8, that a single-property range index of Neo4j holds; the server fails on longer ones."""

Key = tuple[Any, ...]

_BATCH_ROWS = 16_384
"""How many rows are measured at once: what is worked out of them stays in the processor's cache."""

_ROW_GROUP_ROWS = 250_000

_SECOND = np.uint64(0xD1B54A32D192ED03)


@dataclass
class Measures:
    """What is known of some of a table's rows.

    Attributes:
        rows: how many there are.
        nulls: how many have no value, by column.
        broken: how many break a rule, by what is wrong with them.
        examples: the keys of a few of those, likewise.
        sums: two sums of the rows' hashes, modulo 2^64.
        checksum: their checksum.
        files: the sizes of the files that they are written to, by name.
        mismatch: how their columns differ from the table's; the rest means nothing then.
    """

    rows: int = 0
    nulls: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Key]] = field(default_factory=dict)
    sums: tuple[int, int] = (0, 0)
    checksum: Counter[str] = field(default_factory=Counter)
    files: dict[str, int] = field(default_factory=dict)
    mismatch: str = ""

    def add(self, other: Measures) -> None:
        """Adds what is known of further rows."""
        self.rows += other.rows
        self.nulls.update(other.nulls)
        self.broken.update(other.broken)
        for fault, keys in other.examples.items():
            self.examples[fault] = [*self.examples.get(fault, []), *keys][:EXAMPLES]
        self.sums = (self.sums[0] + other.sums[0]) % 2**64, (self.sums[1] + other.sums[1]) % 2**64
        self.checksum.update(other.checksum)
        self.files |= other.files
        self.mismatch = self.mismatch or other.mismatch


def write(compute: Callable[[], pa.Table], *, table: GraphTable, folder: Address, buckets: int) -> Measures:
    """Writes the rows of a part, one file for each bucket that has some.

    Nothing is overwritten: a part that is computed twice leaves two sets of files, and the measures name one of them.

    Args:
        compute: gives the rows.
        table: what they are rows of.
        folder: where the files go.
        buckets: how many buckets the table has.
    """
    given = compute()
    if mismatch := _mismatch(given.schema, table):
        return Measures(mismatch=mismatch)
    rows = _select(given, table)
    del given
    found = measure(rows, table)
    for bucket, some in bucketing.split(rows, buckets).items():
        file = folder / f"{bucket:05d}-{uuid.uuid4().hex}.parquet"
        size = storage.write(some, file, row_group_size=_ROW_GROUP_ROWS, use_dictionary=_repeated(table))
        found.files[file.name] = size
    return found


def selected(rows: pa.Table, table: GraphTable) -> pa.Table:
    """The table's columns of rows, with its types.

    Raises:
        StagingError: a column is missing or of another type.
    """
    if mismatch := _mismatch(rows.schema, table):
        raise StagingError(table.asset, mismatch)
    return _select(rows, table)


def measure(rows: pa.Table, table: GraphTable) -> Measures:
    """Measures rows that have the table's columns."""
    found = Measures(rows=rows.num_rows, checksum=Counter(checksum.of_rows(table, rows)))
    found.nulls.update({column.name: rows[column.name].null_count for column in table.columns})
    first = second = np.uint64(0)
    for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
        hashes = hashing.of_rows(batch.columns)
        first, second = hashes.sum(initial=first), hashing.mixed(hashes ^ _SECOND).sum(initial=second)
        for fault, broken in _rules(batch, table):
            if count := pc.sum(broken).as_py():
                examples = [*found.examples.get(fault, []), *_keys(batch.select(range(len(table.keys))).filter(broken))]
                found.examples[fault] = examples[:EXAMPLES]
                found.broken[fault] += count
    found.sums = int(first), int(second)
    return found


def total(measures: Iterable[Measures], table: GraphTable) -> Measures:
    """What is known of all the rows of a table."""
    columns = schema(table)
    found = measure(columns.empty_table(), table)
    # Of several faults, the one of the earliest rule is reported.
    found.broken.update({fault: 0 for fault, _ in _rules(pa.RecordBatch.from_pylist([], columns), table)})
    for each in measures:
        found.add(each)
    return found


def duplicate_keys(files: Sequence[Address], *, table: GraphTable) -> list[Key]:
    """A few keys that occur more than once in the files of one bucket."""
    return repeated_keys(read_whole(files, pa.schema(list(schema(table))[: len(table.keys)])))


def repeated_keys(keys: pa.Table) -> list[Key]:
    """A few keys that occur more than once."""
    names = [f"c{i}" for i in range(keys.num_columns)]
    keys = keys.rename_columns(names)
    hashes = hashing.of_table(keys)
    ordered = np.sort(hashes)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(shared):
        return []
    # Keys of one hash need not be one key.
    copies = keys.filter(pa.array(np.isin(hashes, shared))).group_by(names).aggregate([([], "count_all")])
    return _keys(copies.filter(pc.field("count_all") > 1).select(names))[:EXAMPLES]


def _mismatch(given: pa.Schema, table: GraphTable) -> str:
    missing = [column.name for column in table.columns if column.name not in given.names]
    if missing:
        return f"column {', '.join(missing)} missing; there are {', '.join(given.names) or 'none'}"
    for column in table.columns:
        type_ = given.field(column.name).type
        if not _fits(type_, column.type):
            return f"column {column.name} is {type_}, not {column.type}"
    return ""


def _fits(given: pa.DataType, type_: PropertyType) -> bool:
    # Only casts that cannot change or lose a value: a text that looks like a number is somebody's mistake.
    match type_:
        case PropertyType.STRING:
            if pa.types.is_dictionary(given):
                given = given.value_type
            return bool(pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given))
        case PropertyType.STRING_LIST:
            is_list = pa.types.is_list(given) or pa.types.is_large_list(given)
            return bool(is_list and _fits(given.value_type, PropertyType.STRING))
        case PropertyType.INTEGER:
            return bool(pa.types.is_integer(given) and given != pa.uint64())
        case PropertyType.FLOAT:
            return bool(pa.types.is_floating(given))
        case PropertyType.BOOLEAN:
            return bool(pa.types.is_boolean(given))
        case PropertyType.ZONED_DATETIME:
            return bool(pa.types.is_timestamp(given) and given.tz is not None and given.unit != "ns")


def _select(rows: pa.Table, table: GraphTable) -> pa.Table:
    columns = [rows[column.name].cast(arrow_type(column.type)) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=schema(table))


def _rules(rows: pa.RecordBatch, table: GraphTable) -> Iterator[tuple[str, pa.Array]]:
    """The rules of single rows: what is wrong with a row that breaks one, and which rows do."""
    for values, column in zip(rows.columns, table.columns, strict=True):
        is_key = column in table.keys
        if is_key or not column.optional:
            yield f"no {column.name}", values.is_null()
        if is_key and column.type is PropertyType.STRING:
            bytes_ = pc.fill_null(pc.binary_length(values), 1)
            yield f"an empty {column.name}", pc.equal(bytes_, 0)
            yield f"over {MAX_KEY_BYTES:,} bytes in {column.name}", pc.greater(bytes_, MAX_KEY_BYTES)
        if column.type is PropertyType.STRING_LIST:
            yield f"a null in the list {column.name}", _holds_null(values)


def _holds_null(lists: pa.Array) -> pa.Array:
    ends = lists.offsets.to_numpy()
    elements = lists.values.slice(ends[0], ends[-1] - ends[0])
    holds = np.zeros(len(lists), bool)
    if elements.null_count:
        lists_of_elements = np.repeat(np.arange(len(lists)), np.diff(ends))
        holds[lists_of_elements[elements.is_null().to_numpy(zero_copy_only=False)]] = True
    return pc.and_(pa.array(holds), lists.is_valid())


def _repeated(table: GraphTable) -> list[str]:
    """The columns, as Parquet names them, whose values repeat: for others, a dictionary only takes time."""
    names = []
    for column in table.columns:
        match column.type:
            case PropertyType.STRING | PropertyType.INTEGER:
                names.append(column.name)
            case PropertyType.STRING_LIST:
                names.append(f"{column.name}.list.element")
    return names


def _keys(rows: pa.Table | pa.RecordBatch) -> list[Key]:
    return [tuple(row.values()) for row in rows.slice(0, EXAMPLES).to_pylist()]
