"""Names as keys: which invisible characters go, and which stay because they change what is seen."""

# ruff: noqa: RUF001 words of Persian look like no others

import pytest

from spotify_graph.transforms.names import visible

UNSEEN = ["\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\ufeff", "\u00ad"]


@pytest.mark.parametrize("character", UNSEEN)
def test_an_invisible_character_goes_wherever_it_stands_in_a_name(character: str) -> None:
    assert visible(f"{character}Bj{character}{character}örk 2{character}") == "Björk 2"
    assert visible(character * 3) == ""


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",  # Persian: joined, it would be another spelling
        "نرم\u200cافزار",
        "خانه\u200cها",
        "क्\u200dष",  # Hindi: a half form
        "ශ්\u200dරී",  # Sinhala: a conjunct
        "র\u200d্যাপ",  # Bengali: rap
        "👨\u200d👩\u200d👧",
        "👩🏽\u200d🚀",
        "❤\ufe0f\u200d🔥",
        "🏳\ufe0f\u200d🌈 Pride",
        "🙂\u200d\u2194\ufe0f",
        "🐦\u200d⬛",
    ],
)
def test_a_joiner_or_non_joiner_that_changes_what_is_seen_stays(name: str) -> None:
    assert visible(name) == name
    assert visible(f"\u200f{name}\u200b") == name
    doubled = name.replace("\u200c", "\u200c\u200c").replace("\u200d", "\u200d\u200b\u200d")
    assert visible(doubled) == name, "twice it looks the same"


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("برادر\u200cها", "برادرها"),  # a letter that never joins the next one
        ("می\u200cABBA", "میABBA"),
        ("🎵\u200d", "🎵"),
        ("🎵\u200dx", "🎵x"),
        ("\x01\u200cx", "\x01x"),
    ],
)
def test_a_joiner_or_non_joiner_that_changes_nothing_goes(name: str, seen: str) -> None:
    assert visible(name) == seen
