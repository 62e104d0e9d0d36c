"""Names of artists and genres, which are keys: what looks alike is spelled alike. Plain Python."""

import re
import unicodedata

import idna

SEVERAL = "\n"
"""What stands between the genres of a track that has several: a name has no line break, its white space is spaces."""

INVISIBLE = "[\u00ad\u200b-\u200f\u2060\ufeff]"
"""A regular expression: the characters that are not seen by themselves."""

_NEVER_SEEN = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]+")
_JOINERS = re.compile("([\u200c\u200d])\\1*")
_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_VIRAMA = 9
"""The combining class of the sign that joins consonants in the scripts of India."""


def visible(name: str) -> str:
    """The name without the invisible characters that only make look-alikes.

    A non-joiner and a joiner stay where they change what is seen: in words of Persian and other joining scripts and of
    the scripts of India, by the rules of RFC 5892, appendix A.1 and A.2; beside a virama; and a joiner between emoji.
    """
    seen = _NEVER_SEEN.sub("", name)
    seen = _JOINERS.sub(r"\1", seen)
    return _JOINERS.sub(lambda found: found[0] if _changes_what_is_seen(seen, found.start()) else "", seen)


def _changes_what_is_seen(name: str, at: int) -> bool:
    before, after = name[:at], name[at + 1 :]
    if not before or not after:
        return False
    if name[at] == _JOINER:
        if _is_emoji(before.rstrip(_EMOJI_STYLE)[-1:]) and _is_emoji(after[0]):
            return True
        if unicodedata.combining(after[0]) == _VIRAMA:
            return True
    try:
        return idna.valid_contextj(name, at)
    except ValueError:  # beside a character without a name
        return False


def _is_emoji(character: str) -> bool:
    if not character:
        return False
    # What Unicode keeps for pictographs, and the older symbols: hearts, signs, arrows.
    return "\U0001f000" <= character <= "\U0001faff" or unicodedata.category(character) == "So" or character == "\u2194"
