"""Bulk loading: snapshots as the CSV files that `neo4j-admin database import full` builds a whole database from.

They include the ledger's entries, so that the new database says what is published from the start. They include no
constraints: the Community edition imports without them, and the first publication creates them. What the database holds
in the end is for a verification to find, as after any publication.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.rows import read
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType

_LIST = "\x1f"
_SETTINGS = (
    "--array-delimiter=U+001F",
    "--multiline-fields=true",
    # Every row counts: what cannot be imported is an error, and not a line in a report.
    "--bad-tolerance=0",
)
_TYPES = {
    PropertyType.STRING: "string",
    PropertyType.INTEGER: "long",
    PropertyType.FLOAT: "double",
    PropertyType.BOOLEAN: "boolean",
    PropertyType.ZONED_DATETIME: "datetime",
    PropertyType.STRING_LIST: "string[]",
}
_ROWS = 100_000


def write_input(tables: Sequence[tuple[GraphTable, Snapshot]], folder: Path) -> list[str]:
    """Writes the files of an import, in bounded memory.

    Args:
        tables: every table that the database is to hold, with the snapshot to publish; times are of years 1 to 9999.
        folder: an empty folder for the files.

    Returns:
        The import's arguments.

    Raises:
        PublicationError: a snapshot belongs to another table, or holds a list that the files can't express.
    """
    arguments = list(_SETTINGS)
    for table, snapshot in tables:
        snapshot.check(table)
        file = folder / f"{table.asset}.csv"
        with pyarrow.csv.CSVWriter(file, _schema(table)) as writer:
            for batch in read(snapshot.paths(), len(table.columns), _ROWS):
                writer.write_batch(_texts(table, batch))
        option, name = ("nodes", table.label) if isinstance(table, NodeType) else ("relationships", table.type)
        arguments.append(f"--{option}={name}={file}")
    entries = folder / "publications.csv"
    _write_entries(pa.Table.from_pylist([ledger.as_imported(*each) for each in tables]), entries)
    return [*arguments, f"--nodes={ledger.NODE.label}={entries}"]


def _schema(table: GraphTable) -> pa.Schema:
    if isinstance(table, NodeType):
        # The key is a property too, and identifies the node within the import.
        names = [f"{table.key.name}:ID({table.label})", *map(_header, table.properties)]
    else:
        names = [f":START_ID({table.start.node.label})", f":END_ID({table.end.node.label})"]
        names += map(_header, table.properties)
    kinds = {PropertyType.INTEGER: pa.int64(), PropertyType.BOOLEAN: pa.bool_()}
    return pa.schema([(name, kinds.get(of.type, pa.string())) for name, of in zip(names, table.columns, strict=True)])


def _header(column: Property) -> str:
    return f"{column.name}:{_TYPES[column.type]}"


def _texts(table: GraphTable, rows: pa.RecordBatch) -> pa.RecordBatch:
    columns = [_text(table, column, of) for column, of in zip(rows.columns, table.columns, strict=True)]
    return pa.record_batch(columns, schema=_schema(table))


def _text(table: GraphTable, column: pa.Array, of: Property) -> pa.Array:
    match of.type:
        case PropertyType.STRING_LIST:
            elements = column.flatten()
            # What would be read as a different list: an empty one, or one with an empty or a divided element.
            ambiguous = pc.any(pc.or_(pc.equal(elements, ""), pc.match_substring(elements, _LIST))).as_py()
            if ambiguous or pc.min(pc.list_value_length(column)).as_py() == 0:
                raise PublicationError(table.asset, f"{of.name} holds a list that an import can't take")
            return pc.binary_join(column, _LIST)
        case PropertyType.ZONED_DATETIME:
            return _time(column)
        case PropertyType.FLOAT:
            text = pc.replace_substring_regex(column.cast(pa.string()), "inf", "Infinity")
            return pc.replace_substring_regex(text, "^-?nan$", "NaN")
        case _:
            return column


def _time(column: pa.Array) -> pa.Array:
    # Without a time zone, because Arrow's cast to text is many times slower with one.
    text = column.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


def _write_entries(entries: pa.Table, file: Path) -> None:
    # Rows of an import need an identity, which need not be a property.
    columns = {f":ID({ledger.NODE.label})": entries[ledger.NODE.key.name]}
    for name, column in zip(entries.column_names, entries.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            columns[f"{name}:datetime"] = _time(column)
        else:
            columns[f"{name}:{'long' if pa.types.is_integer(column.type) else 'string'}"] = column
    pyarrow.csv.write_csv(pa.table(columns), file)
