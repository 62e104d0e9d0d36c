"""The checksum of a table's rows: integers that Spark and the database each work out by themselves, in one pass.

Neo4j Community has no hash function, so a checksum is made of counts and sums: of rows, of each column's values, and of
a digest of each whole row, which ties its values together. The formulas are the same text in Spark SQL and in Cypher;
what the languages write differently is a `Dialect`. Every number is exact, whatever the order of the rows, and no sum
leaves 64 bits below a billion rows:

- An integer is summed as its quotient and remainder by 10^9, which both languages round towards zero.
- A time is its microseconds since 1970, likewise.
- A text is its number of code points and, in the digest, its last two characters.
- A list is its number of elements, and its elements as one text.
- A float below a billion is rounded down to millionths; of others, NaN among them, only the number is known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from spotify_graph.graph_model import GraphTable, PropertyType

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
"""The characters that a digest tells apart; all others are one."""

CODES = {character: code for code, character in enumerate(CHARACTERS, 1)} | {"": 1}
"""The number of each character, as Spark's `instr` has it."""

_BILLION = 1_000_000_000

# Row digests are below the prime; the term is above 32 bits, so that Spark takes the product as 64 bits.
_PRIME, _TERM, _SHIFT = 2_147_483_647, 2_147_483_659, 97


@dataclass(frozen=True)
class Dialect:
    """What Spark SQL and Cypher write differently, as format strings.

    Attributes:
        quotient: of two integers, rounded towards zero.
        floor: of a float, as an integer.
        millis: of a time, the milliseconds since 1970, rounded down.
        micros: of a time, the microseconds of its millisecond.
        length: of a text.
        elements: of a list, how many there are.
        joined: of a list of texts, all of them as one.
        code: of a character, its number.
    """

    quotient: str
    floor: str
    millis: str
    micros: str
    length: str
    elements: str
    joined: str
    code: str


SPARK = Dialect(
    quotient="{} div {}",
    floor="floor({})",
    millis="unix_millis({})",
    micros="pmod(unix_micros({}), 1000)",
    length="bigint(length({}))",
    elements="bigint(size({}))",
    joined="array_join({}, '')",
    code=f"instr('{CHARACTERS}', {{}})",
)
CYPHER = Dialect(
    quotient="{} / {}",
    floor="toInteger(floor({}))",
    millis="{}.epochMillis",
    micros="{}.microsecond % 1000",
    length="size({})",
    elements="size({})",
    joined="reduce(text = '', element IN {} | text + element)",
    code="coalesce($codes[{}], 0)",
)


def aggregates(table: GraphTable, value: Callable[[int], str], dialect: Dialect) -> dict[str, str]:
    """The aggregating expressions of a table's checksum, by name.

    Args:
        table: what it is the checksum of.
        value: gives the expression of a column's value, by position.
        dialect: the language.
    """
    found, digest = {"count": "count(*)"}, "0"
    for i, column in enumerate(table.columns):
        sums, mixed = _measures(value(i), column.type, dialect)
        found[f"values{i}"] = f"count({value(i)})"
        found |= {f"{name}{i}": f"coalesce(sum({measure}), 0)" for name, measure in sums.items()}
        digest = f"(({digest} + {_TERM}) * (coalesce({mixed}, -1) + {_SHIFT})) % {_PRIME}"
    return found | {"digest": f"coalesce(sum({digest}), 0)"}


def readable(table: GraphTable, found: Mapping[str, int]) -> dict[str, int]:
    """The checksum that the values of the aggregates make, under names to be read."""
    return {"count": found["count"], **dict(_columns(table, found)), "digest of the rows": found["digest"]}


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


def _measures(value: str, type_: PropertyType, dialect: Dialect) -> tuple[dict[str, str], str]:
    """What is summed of a value, by name, and the integer below 10^9 that stands for it in the digest."""
    match type_:
        case PropertyType.STRING:
            return _of_text(value, dialect)
        case PropertyType.STRING_LIST:
            sums, mixed = _of_text(dialect.joined.format(value), dialect)
            return {"elements": dialect.elements.format(value), **sums}, mixed
        case PropertyType.BOOLEAN:
            number = f"CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"
            return {"true": number}, number
        case PropertyType.ZONED_DATETIME:
            millis, micros = dialect.millis.format(value), dialect.micros.format(value)
            low = f"{millis} % 1000000 * 1000 + {micros}"
            return {"high": dialect.quotient.format(millis, 1_000_000), "low": low}, f"{millis} % {_BILLION}"
        case PropertyType.INTEGER:
            number = value
        case PropertyType.FLOAT:
            # 1E6 is a float in both languages; 1000000.0 is a decimal in Spark's.
            number = f"CASE WHEN abs({value}) < 1E9 THEN {dialect.floor.format(f'{value} * 1E6')} END"
    low = f"({number}) % {_BILLION}"
    return {"high": dialect.quotient.format(f"({number})", _BILLION), "low": low}, low


def _of_text(text: str, dialect: Dialect) -> tuple[dict[str, str], str]:
    length = dialect.length.format(text)
    last, last_but_one = (dialect.code.format(part) for part in (f"right({text}, 1)", f"left(right({text}, 2), 1)"))
    return {"length": length}, f"({length} % 1000 * 4096 + {last_but_one} * 64 + {last})"
