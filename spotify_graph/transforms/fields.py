"""What the text of a field says: Arrow kernels from strings to values, for a whole column at once.

Null stays null: a malformed record has no fields.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spotify_graph.transforms.names import INVISIBLE, SEVERAL, visible

TIME = pa.timestamp("us", "UTC")
_WHITE_SPACE = (  # of Unicode's property White_Space
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_CONTROL = r"\p{Cc}"
_CONTROL_BUT_NO_WHITE_SPACE = r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}]"
_MONTH, _HOUR, _MINUTE = r"(?:0[1-9]|1[0-2])", r"(?:[01]\d|2[0-3])", r"[0-5]\d"
_DAY_OF_ANY_YEAR = rf"(?:{_MONTH}-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_IN_FULL_ZONE = rf"Z|[+-](?:0\d|1[0-7]):{_MINUTE}"
_IN_FULL = rf"^\d{{4}}-{_DAY_OF_ANY_YEAR}[ T]{_HOUR}:{_MINUTE}:{_MINUTE}(?:\.\d{{1,6}})?(?:{_IN_FULL_ZONE})?\z"
_ISO_8601 = (
    rf"^(?P<year>\d{{4}})-(?P<month>{_MONTH})-(?P<day>0[1-9]|[12]\d|3[01])[ T](?P<hour>{_HOUR}):(?P<minute>{_MINUTE})"
    rf"(?::(?P<second>{_MINUTE})(?:[.,](?P<fraction>\d{{1,9}}))?)?"
    rf"(?:[Zz]|(?P<sign>[+-])(?P<offset_hour>\d\d)(?::?(?P<offset_minute>{_MINUTE}))?)?\z"
)
_LARGEST_OFFSET = 18 * 60  # minutes
_LARGEST_LONG = str(2**63 - 1)


def trimmed(text: pa.Array) -> pa.Array:
    """The text without Unicode white space at both ends."""
    return pc.utf8_trim(text, _WHITE_SPACE)


def lower(text: pa.Array) -> pa.Array:
    """The text in lower case."""
    # Arrow takes the dot off this letter, and would make another word's letters ASCII's.
    return pc.utf8_lower(pc.replace_substring(text, "\u0130", "i\u0307"))


def non_empty(text: pa.Array) -> pa.Array:
    """The text, null where it is empty."""
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def is_one_of(text: pa.Array, words: Sequence[str]) -> pa.Array:
    """Whether the text is one of some words; null is none of them."""
    return pc.is_in(text, pa.array(words, pa.string()))


def is_longer(text: pa.Array, limit: int) -> pa.Array:
    """Whether the text has more bytes than the limit."""
    return pc.greater(pc.binary_length(text), limit)


def has_longer_genre(text: pa.Array, limit: int) -> pa.Array:
    """Whether one of the genres, with SEVERAL between them, has more bytes than the limit."""
    lists = pc.split_pattern(text, SEVERAL)
    fields = pc.list_parent_indices(lists).filter(is_longer(pc.list_flatten(lists), limit))
    return pc.is_in(pa.arange(0, len(text)), fields)


def has_control(text: pa.Array, white_space: bool = True) -> pa.Array:
    """Whether the text has a control character; those that are white space count only if asked for."""
    # Plain ASCII, as most columns are, is seen at a fraction of the cost.
    if pc.all(pc.ascii_is_printable(text)).as_py() is not False:
        return pc.if_else(pc.is_valid(text), False, None)
    return pc.match_substring_regex(text, _CONTROL if white_space else _CONTROL_BUT_NO_WHITE_SPACE)


def names(text: pa.Array) -> pa.Array:
    """Names as keys: in NFC, without invisible characters, trimmed, each run of inner white space one space."""
    hides = pc.fill_null(pc.match_substring_regex(text, INVISIBLE), False)
    # Few names hide any.
    if pc.any(hides).as_py():
        seen = [visible(name) for name in text.filter(hides).to_pylist()]
        text = pc.replace_with_mask(text, hides, pa.array(seen, pa.string()))
    spaced = pc.replace_substring_regex(pc.utf8_normalize(text, "NFC"), f"[{_WHITE_SPACE}]+", " ")
    return pc.utf8_trim(spaced, " ")


def genres(text: pa.Array, separator: str, placeholders: Sequence[str]) -> pa.Array:
    """The genres in a field of `names`, each once and none of them a placeholder, with SEVERAL between them.

    At commas the field may be a list as Python or JSON writes it: without its brackets, and its items' quotes.
    """
    is_list = separator == ","
    if is_list:
        text = pc.replace_substring_regex(text, r"^\[(.*)\]\z", r"\1")
    parts = pc.split_pattern(text, separator)
    genre = pc.utf8_trim(pc.list_flatten(parts), " ")
    if is_list:
        genre = pc.utf8_trim(pc.replace_substring_regex(genre, r"""^(?:"(.*)"|'(.*)')\z""", r"\1\2"), " ")
    found = pa.table({"at": pa.arange(0, len(genre)), "field": pc.list_parent_indices(parts), "genre": genre})
    found = found.filter(pc.invert(is_one_of(genre, ["", *placeholders])))
    found = found.group_by(["field", "genre"], use_threads=False).aggregate([("at", "min")]).sort_by("at_min")
    ends = np.cumsum(np.bincount(found["field"].to_numpy(), minlength=len(text)))
    lists = pa.ListArray.from_arrays(np.concatenate([[0], ends]).astype(np.int32), found["genre"].combine_chunks())
    return pc.if_else(pc.is_valid(text), pc.binary_join(lists, SEVERAL), pa.scalar(None, pa.string()))


def whole_number(text: pa.Array) -> pa.Array:
    """The number (int64) that ASCII digits write; null where there is something else, or one too large."""
    digits = pc.ascii_lpad(pc.ascii_ltrim(text, "0"), 1, "0")
    length = pc.binary_length(digits)
    fits = pc.or_(
        pc.less(length, len(_LARGEST_LONG)),
        pc.and_(pc.equal(length, len(_LARGEST_LONG)), pc.less_equal(digits, _LARGEST_LONG)),
    )
    is_number = pc.and_(pc.match_substring_regex(text, r"^[0-9]+\z"), fits)
    return pc.if_else(is_number, digits, pa.scalar(None, pa.string())).cast(pa.int64())


def times(text: pa.Array) -> pa.Array:
    """The ISO 8601 time (TIME), in UTC unless it has an offset; null where it is none.

    30 February is none, nor are an hour 24, a second 60 and an offset over 18 hours. Of a fraction's digits six count.
    """
    # Arrow's own parser is several times faster, and refuses the whole column for one bad time.
    in_full = pc.fill_null(pc.match_substring_regex(text, _IN_FULL), False)
    found = _cast(pc.if_else(in_full, text, pa.scalar(None, pa.string())))
    rest = pc.invert(in_full)
    return pc.replace_with_mask(found, rest, parsed_times(text.filter(rest))) if pc.any(rest).as_py() else found


def parsed_times(text: pa.Array) -> pa.Array:
    """What `times` says, by a parser for all of the contract's forms."""
    fields = pc.extract_regex(text, _ISO_8601)

    def number(digits: pa.Array) -> npt.NDArray[np.int64]:
        numbers: npt.NDArray[np.int64] = pc.utf8_lpad(digits, 1, "0").cast(pa.int64()).to_numpy()
        return numbers

    year, month, day, hour, minute, second, offset_hour, offset_minute = (
        number(fields.field(name))
        for name in ("year", "month", "day", "hour", "minute", "second", "offset_hour", "offset_minute")
    )
    microsecond = number(pc.utf8_slice_codeunits(pc.utf8_rpad(fields.field("fraction"), 6, "0"), 0, 6))
    offset = 60 * offset_hour + offset_minute
    first_of_month = (12 * (year - 1970) + month - 1).astype("datetime64[M]")
    date = first_of_month.astype("datetime64[D]") + (day - 1)
    is_east = pc.equal(fields.field("sign"), "+").to_numpy(zero_copy_only=False)
    minutes = 60 * hour + minute + np.where(is_east, -offset, offset)
    since_1970 = date.astype("datetime64[us]").astype(np.int64) + 1_000_000 * (60 * minutes + second) + microsecond
    is_good = (
        fields.is_valid().to_numpy(zero_copy_only=False)
        & (date.astype("datetime64[M]") == first_of_month)
        & (offset <= _LARGEST_OFFSET)
    )
    return pa.array(since_1970, mask=~is_good).cast(TIME)


def _cast(text: pa.Array) -> pa.Array:
    if pc.all(pc.ends_with(text, "Z")).as_py() is False:
        has_zone = pc.match_substring_regex(text, rf"(?:{_IN_FULL_ZONE})\z")
        text = pc.if_else(has_zone, text, pc.binary_join_element_wise(text, "Z", ""))
    return text.cast(TIME)
