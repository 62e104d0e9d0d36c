"""The checksum of a table's rows: integers that we and the database compute independently, in one pass.

Neo4j Community has no hash function, so a checksum is made of counts and sums: of rows, of each column's values, and of
a digest of each whole row, which ties its values together. The formulas are Cypher's, and done on Arrow's columns
likewise. Every number is exact, whatever the order of the rows, and no sum of the database leaves 64 bits below a
billion rows:

- An integer is summed as its quotient and remainder by 10^9, rounded towards zero.
- A time is its microseconds since 1970, likewise.
- A text is its number of code points and, in the digest, its last two characters.
- A list is its number of elements, and its elements as one text.
- A float below a billion is rounded down to millionths; other floats, NaN among them, are only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from spotify_graph.neo4j_io.vocabulary import GraphTable, PropertyType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
"""The characters that a digest tells apart; it treats all others as the same."""

CODES = {character: code for code, character in enumerate(CHARACTERS, 1)} | {"": 1}
"""The number of each character, and of the last one of an empty text; of others it is 0."""

_BILLION = 1_000_000_000

# Row digests are below the prime; a digest and the term are positive, and their product with a number below 10^9 is
# below 2^63.
_PRIME, _TERM, _SHIFT = 2_147_483_647, 2_147_483_659, 97

_ABSENT = -1
"""Represents an absent value in the digest."""

_CONTINUATION = 0b1000_0000
"""How the bytes of a character in UTF-8 begin, except for the first one."""

_BATCH_ROWS = 16_384
"""How many rows are summed at once: what is computed from them stays in the processor's cache."""


def aggregates(table: GraphTable, value: Callable[[int], str]) -> dict[str, str]:
    """The aggregating Cypher expressions of a table's checksum, by name.

    Args:
        table: what it is the checksum of.
        value: gives the expression of a column's value, by position.
    """
    found, digest = {"count": "count(*)"}, "0"
    for i, column in enumerate(table.columns):
        sums, number = _measures(value(i), column.type)
        found[f"values{i}"] = f"count({value(i)})"
        found |= {f"{name}{i}": f"coalesce(sum({measure}), 0)" for name, measure in sums.items()}
        digest = f"(({digest} + {_TERM}) * (coalesce({number}, {_ABSENT}) + {_SHIFT})) % {_PRIME}"
    return found | {"digest": f"coalesce(sum({digest}), 0)"}


def readable(table: GraphTable, found: Mapping[str, int]) -> dict[str, int]:
    """The checksum that the values of the aggregates make, under readable names."""
    return {"count": found["count"], **dict(_columns(table, found)), "digest of the rows": found["digest"]}


def of_rows(table: GraphTable, rows: pa.Table) -> dict[str, int]:
    """The checksum of rows, under readable names. Those of parts add up to the whole's, number by number.

    Args:
        table: what they are rows of.
        rows: the rows, with the table's columns and types in its order, whatever their names.
    """
    import numpy as np

    # The count of a sum that no row adds to is 0.
    found = Counter[str](count=rows.num_rows)
    for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
        digests = np.zeros(batch.num_rows, np.int64)
        for i, (column, values) in enumerate(zip(table.columns, batch.columns, strict=True)):
            sums, numbers = _measured(values, column.type)
            if values.null_count:
                numbers = np.where(values.is_null().to_numpy(zero_copy_only=False), _ABSENT, numbers)
            found[f"values{i}"] += len(values) - values.null_count
            found.update({f"{name}{i}": number for name, number in sums.items()})
            # As in Cypher, a remainder has the sign of what is divided.
            digests = np.fmod((digests + _TERM) * (numbers + _SHIFT), _PRIME)
        found["digest"] += int(digests.sum())
    return readable(table, found)


def _columns(table: GraphTable, found: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for i, column in enumerate(table.columns):
        yield f"values of {column.name}", found[f"values{i}"]
        match column.type:
            case PropertyType.STRING:
                yield f"characters of {column.name}", found[f"length{i}"]
            case PropertyType.STRING_LIST:
                yield f"elements of {column.name}", found[f"elements{i}"]
                yield f"characters of {column.name}", found[f"length{i}"]
            case PropertyType.BOOLEAN:
                yield f"true values of {column.name}", found[f"true{i}"]
            case PropertyType.INTEGER:
                yield f"sum of {column.name}", found[f"high{i}"] * _BILLION + found[f"low{i}"]
            case PropertyType.ZONED_DATETIME:
                yield f"microseconds of {column.name}", found[f"high{i}"] * _BILLION + found[f"low{i}"]
            case PropertyType.FLOAT:
                yield f"millionths of {column.name}", found[f"high{i}"] * _BILLION + found[f"low{i}"]


def _measures(value: str, type_: PropertyType) -> tuple[dict[str, str], str]:
    """What is summed for a value, by name, and the integer below 10^9 that represents it in the digest."""
    match type_:
        case PropertyType.STRING:
            return _of_text(value)
        case PropertyType.STRING_LIST:
            sums, number = _of_text(f"reduce(text = '', element IN {value} | text + element)")
            return {"elements": f"size({value})", **sums}, number
        case PropertyType.BOOLEAN:
            number = f"CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"
            return {"true": number}, number
        case PropertyType.ZONED_DATETIME:
            # epochMillis is rounded downwards.
            millis = f"{value}.epochMillis"
            low = f"{millis} % 1000000 * 1000 + {value}.microsecond % 1000"
            return {"high": f"{millis} / 1000000", "low": low}, f"{millis} % {_BILLION}"
        case PropertyType.INTEGER:
            number = value
        case PropertyType.FLOAT:
            number = f"CASE WHEN abs({value}) < 1E9 THEN toInteger(floor({value} * 1E6)) END"
    low = f"({number}) % {_BILLION}"
    return {"high": f"({number}) / {_BILLION}", "low": low}, low


def _of_text(text: str) -> tuple[dict[str, str], str]:
    length = f"size({text})"
    last, last_but_one = (
        f"coalesce($codes[{part}], 0)" for part in (f"right({text}, 1)", f"left(right({text}, 2), 1)")
    )
    return {"length": length}, f"({length} % 1000 * 4096 + {last_but_one} * 64 + {last})"


def _measured(values: pa.Array, type_: PropertyType) -> tuple[dict[str, int], Integers]:
    """The same as `_measures`, for an array: the sums, and the numbers; the number of a null means nothing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    match type_:
        case PropertyType.STRING:
            return _of_texts(values)
        case PropertyType.STRING_LIST:
            sums, numbers = _of_texts(pc.binary_join(values, ""))
            return {"elements": pc.sum(pc.list_value_length(values)).as_py() or 0, **sums}, numbers
        case PropertyType.BOOLEAN:
            numbers = _integers(values.cast(pa.int8()).cast(pa.int64()))
            return {"true": int(numbers.sum())}, numbers
        case PropertyType.ZONED_DATETIME:
            micros = _integers(values.cast(pa.int64()))
            return _sum(micros), np.fmod(np.floor_divide(micros, 1000), _BILLION)
        case PropertyType.INTEGER:
            integers = _integers(values)
            return _sum(integers), np.fmod(integers, _BILLION)
        case PropertyType.FLOAT:
            floats = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
            known = np.abs(floats) < _BILLION
            millionths = np.floor(np.where(known, floats, 0.0) * 1e6).astype(np.int64)
            return _sum(millionths), np.where(known, np.fmod(millionths, _BILLION), _ABSENT)


def _of_texts(texts: pa.Array) -> tuple[dict[str, int], Integers]:
    import numpy as np
    import pyarrow.compute as pc

    from spotify_graph.neo4j_io.texts import encoded

    lengths = _integers(pc.utf8_length(texts).cast("int64"))
    data, starts, sizes = encoded(texts)
    # Of characters that a digest tells apart, each is one byte; those of more bytes end with one that none of these is.
    codes = np.zeros(256, np.int64)
    codes[list(CHARACTERS.encode())] = range(1, len(CHARACTERS) + 1)
    ends = starts + sizes
    last = codes[data[ends - 1]]
    before = ends - 1
    while len(within := np.flatnonzero((before > starts) & (data[before] & 0b1100_0000 == _CONTINUATION))):
        before[within] -= 1
    last_but_one = np.where(lengths > 1, codes[data[before - 1]], last)
    empty = lengths == 0
    last[empty] = last_but_one[empty] = CODES[""]
    return {"length": int(lengths.sum())}, lengths % 1000 * 4096 + last_but_one * 64 + last


def _integers(values: pa.Array) -> Integers:
    import pyarrow.compute as pc

    integers: Integers = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    return integers


def _sum(integers: Integers) -> dict[str, int]:
    # Halves of 32 bits, of which a batch's sums stay within 64.
    total = int((integers >> 32).sum()) * 2**32 + int((integers & 0xFFFFFFFF).sum())
    high, low = divmod(total, _BILLION)
    return {"high": high, "low": low}
