"""Values out of text, each kernel beside plain Python that says the same of one text at a time."""

import re
import unicodedata
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_graph.transforms import fields
from spotify_graph.transforms.names import SEVERAL, visible
from spotify_graph_tests.oracle import WHITE_SPACE, microseconds


def of(kernel: Callable[[pa.Array], pa.Array], texts: Sequence[str | None]) -> list[object]:
    found = kernel(pa.array(texts, pa.string()))
    return (found.cast(pa.int64()) if pa.types.is_timestamp(found.type) else found).to_pylist()  # type: ignore[no-any-return]


def numbers(digits: int, *usual: int) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(usual), st.integers(0, 10**digits - 1)).map(lambda it: f"{it:0{digits}}")


DATES = st.one_of(
    st.dates().map(str),
    st.builds(
        "{}-{}-{}".format, numbers(4, 1, 1900, 2000, 2023, 2024, 9999), numbers(2, 1, 2, 12), numbers(2, 28, 29, 30, 31)
    ),
).filter(lambda date: not date.startswith("0000"))
FRACTIONS = st.builds("{}{}".format, st.sampled_from(".,"), st.text("0123456789", max_size=10))
CLOCKS = st.builds(
    "{}:{}{}".format,
    numbers(2, 0, 10, 23, 24),
    numbers(2, 0, 20, 59, 60),
    st.one_of(st.just(""), st.builds(":{}{}".format, numbers(2, 0, 30, 59, 60), st.one_of(st.just(""), FRACTIONS))),
)
OFFSETS = st.builds(
    "{}{}{}".format,
    st.sampled_from("+-"),
    numbers(2, 0, 2, 17, 18, 19),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["", ":"]), numbers(2, 0, 30, 59, 60))),
)
TIMES = st.builds(
    "{}{}{}{}".format, DATES, st.sampled_from(" TT t"), CLOCKS, st.one_of(st.sampled_from(["", "Z", "z"]), OFFSETS)
)


@given(st.lists(TIMES, max_size=20))
@settings(max_examples=150, deadline=None)
def test_a_time_is_what_python_reads_within_the_contracts_forms(texts: list[str]) -> None:
    assert of(fields.times, texts) == [microseconds(text) for text in texts]


@given(
    st.lists(st.one_of(st.none(), TIMES, st.text(max_size=30), st.text("0123456789-: TZ+.", max_size=30)), max_size=20)
)
@settings(max_examples=150, deadline=None)
def test_both_ways_to_read_a_time_agree(texts: list[str | None]) -> None:
    assert of(fields.times, texts) == of(fields.parsed_times, texts)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0000-01-01 00:00:00", -719_528),
        ("0000-02-29T00:00:00.000000Z", -719_469),  # a leap year, by the rule that makes 2000 one
        ("0000-12-31T24:00:00Z", None),
        ("0001-02-29 00:00:00", None),
        ("9999-12-31T06:00:00-18:00", 2_932_897),  # the year 10000
    ],
)
def test_years_that_python_has_not_are_times(text: str, days: int | None) -> None:
    expected = None if days is None else days * 86_400_000_000
    assert of(fields.times, [text]) == of(fields.parsed_times, [text]) == [expected]


@given(st.lists(st.one_of(st.text("0123456789", max_size=25), st.text("0", max_size=25), st.text(max_size=5))))
@settings(deadline=None)
def test_a_whole_number_is_ascii_digits_that_fit(texts: list[str]) -> None:
    edges = [
        str(2**63 - 1),
        str(2**63),
        "0" * 30 + str(2**63 - 1),
        str(10**19),
        "",
        "0",
        "000",
        "+1",
        "-1",
        "1\n",
        "\u0661",
    ]
    expected = [int(text) if re.fullmatch("[0-9]+", text) and int(text) < 2**63 else None for text in [*texts, *edges]]
    assert of(fields.whole_number, [*texts, *edges]) == expected


AWKWARD = st.text(
    st.one_of(
        st.sampled_from(f"{WHITE_SPACE}\x00\x1c\x1f\x7f\x80\x9f\xad\u200b\u200c\u200d\ufeffe\u0301'\"[]"),
        st.characters(codec="utf-8"),
    )
)


@given(st.lists(st.one_of(st.none(), AWKWARD)))
@settings(deadline=None)
def test_text_is_trimmed_named_and_searched_as_python_does_it(texts: list[str | None]) -> None:
    def of_each(function: Callable[[str], object]) -> list[object]:
        return [None if text is None else function(text) for text in texts]

    def name(text: str) -> str:
        return re.sub(f"[{WHITE_SPACE}]+", " ", unicodedata.normalize("NFC", visible(text))).strip(" ")

    def controls(text: str) -> set[str]:
        return {character for character in text if unicodedata.category(character) == "Cc"}

    assert of(fields.trimmed, texts) == of_each(lambda text: text.strip(WHITE_SPACE))
    assert of(fields.names, texts) == of_each(name)
    assert of(fields.has_control, texts) == of_each(lambda text: bool(controls(text)))
    assert of(lambda text: fields.has_control(text, white_space=False), texts) == of_each(
        lambda text: bool(controls(text) - set(WHITE_SPACE))
    )


@given(st.lists(st.one_of(st.none(), st.text("ab ,;'\"[]", max_size=12))), st.sampled_from([",", ";", "ab"]))
@settings(deadline=None)
def test_genres_are_separated_trimmed_and_named_once(texts: list[str | None], separator: str) -> None:
    def genres(text: str) -> str:
        is_list = separator == ","
        if is_list and len(text) > 1 and (text[0], text[-1]) == ("[", "]"):
            text = text[1:-1]
        parts = [part.strip(" ") for part in text.split(separator)]
        if is_list:
            quoted = [len(part) > 1 and part[0] == part[-1] and part[0] in "'\"" for part in parts]
            parts = [part[1:-1].strip(" ") if it else part for part, it in zip(parts, quoted, strict=True)]
        return SEVERAL.join(dict.fromkeys(part for part in parts if part not in {"", "a"}))

    expected = [None if text is None else genres(text) for text in texts]
    assert of(lambda text: fields.genres(text, separator, ["a"]), texts) == expected


@given(st.lists(st.one_of(st.none(), st.text("é\n", max_size=12))))
@settings(deadline=None)
def test_one_genre_that_is_too_long_is_enough(texts: list[str | None]) -> None:
    expected = [any(len(it.encode()) > 4 for it in (text or "").split(SEVERAL)) for text in texts]
    assert of(lambda text: fields.has_longer_genre(text, 4), texts) == expected
