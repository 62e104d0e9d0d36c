"""What a row of somebody's history means: a play, a skip, a pause or a like of a track, at a time, on a device."""

import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from spotify_graph import graph_model
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.transforms.names import visible

SHORT_MS = 30_000
"""A stream that is shorter counts as skipped: services count from there on, too."""
SESSION_GAP_MS = 30 * 60_000
"""Silence that is longer ends a session."""

_FROM_MS = 946_684_800_000  # 2000-01-01: the input contract has nothing older
_AHEAD_MS = 86_400_000
_MOST_CHARACTERS = 1_000
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SPOTIFY = re.compile(r"(?:\A|[:/])track[s]?[:/]([0-9A-Za-z]+)(?:[?/].*)?\Z")


KINDS = {event.name: number for number, event in enumerate(EVENT_TYPES)}
"""What may happen: the number of each event type, by its name in the input contract."""


class Kind:
    """The numbers of what services tell in words of their own; a mapping may name any event type."""

    PLAY = KINDS[graph_model.PLAY.name]
    SKIP = KINDS[graph_model.SKIP.name]
    LIKE = KINDS[graph_model.LIKE.name]
    PAUSE = KINDS["pause"]


@dataclass(frozen=True, slots=True)
class Track:
    """What a row says of a track.

    Attributes:
        artist: the artist's name, or nothing.
        title: its title, or nothing.
        album: its album's, or nothing.
        ids: what the source calls it, all of them the same track: `spotify:track:...`, an MBID, `msid:...`.
        duration_ms: how long it is, where the source says so.
    """

    artist: str = ""
    title: str = ""
    album: str = ""
    ids: tuple[str, ...] = ()
    duration_ms: int | None = None

    @property
    def named(self) -> bool:
        """Whether artist and title are known: what an id can be made of."""
        return bool(self.artist and self.title)


@dataclass(frozen=True, slots=True)
class Listen:
    """One event of somebody's history. Times are milliseconds since 1970, UTC.

    Attributes:
        kind: what happened, a number of KINDS.
        track: with which track.
        start_ms: when it began; None for a like without a time.
        played_ms: for how long; None where the source does not say.
        whole: whether the track was played to its end.
        device: on what kind of device, or nothing.
        session: the session that the source has it in, or nothing.
        user: who of several in a log of many; nothing in a person's own.
    """

    kind: int
    track: Track
    start_ms: int | None
    played_ms: int | None = None
    whole: bool = False
    device: str = ""
    session: str = ""
    user: str = ""

    @property
    def end_ms(self) -> int | None:
        """When it ended, as far as that is known."""
        return None if self.start_ms is None else self.start_ms + (self.played_ms or 0)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that becomes no event.

    Attributes:
        reason: why, in a few words, none of which are the row's.
        end_ms: when it ended, where it is a stream that has a time: the source covers that time.
    """

    reason: str
    end_ms: int | None = None


Row = Listen | SetAside
Rows = Iterator[Row]

UNREADABLE = "a row that can't be read"
NO_TIME = "no usable time"
NO_TRACK = "no track in it"
UNKNOWN = "Unknown track"
PODCAST = "podcast"
AUDIOBOOK = "audiobook"
VIDEO = "video"
INCOGNITO = "private session"


@lru_cache(maxsize=1 << 16)
def _spelled(value: str) -> str:
    if not value.isascii():
        # JSON may hold half of a character, which no file can.
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        value = unicodedata.normalize("NFC", visible(whole))
    return " ".join(_UNUSABLE.sub(" ", value).split())[:_MOST_CHARACTERS].rstrip()


def text(value: Any) -> str:
    """A name as the graph spells names: NFC, on one line, without invisible characters; nothing for what is no text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return _spelled(value) if isinstance(value, str) else ""


def name_id(artist: str, title: str) -> str:
    """The id of a track that its source has no id for: a hash of its artist and title, as `text` spells them."""
    return hashed_id(text(artist), text(title))


def hashed_id(*parts: str) -> str:
    """The id of a track that is made of what is said of it."""
    digest = sha256("\n".join(parts).encode()).hexdigest()
    return f"name:{digest[:32]}"


def spotify_uri(value: Any) -> str | None:
    """The Spotify URI in a URI, a link or a bare id of a track; None where there is none."""
    found = _SPOTIFY.search(value) if isinstance(value, str) else None
    return f"spotify:track:{found[1]}" if found else None


def mbid(value: Any) -> str | None:
    """The MusicBrainz id, in lower case; None where it is none."""
    folded = value.strip().lower() if isinstance(value, str) else ""
    return folded if _MBID.fullmatch(folded) else None


def whole_number(value: Any) -> int | None:
    """A number that is not negative, of milliseconds or the like; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 31:
        return None
    return int(value)


def iso_ms(value: Any) -> int | None:
    """A time in ISO 8601, UTC where it has no offset; None where it is none, or out of what the contract allows."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return possible(when.replace(tzinfo=when.tzinfo or UTC))


def epoch_ms(value: Any, per_second: int = 1) -> int | None:
    """A time since 1970 in seconds, or in thousandths; None likewise."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(value, bool) or not abs(number) < 1 << 53:  # NaN is not, either
        return None
    milliseconds = round(number * 1_000 / per_second)
    return milliseconds if _is_possible(milliseconds) else None


def possible(when: datetime) -> int | None:
    """A time in milliseconds, where the input contract allows it: not before 2000, at most a day ahead."""
    try:
        milliseconds = round(when.timestamp() * 1_000)
    except OverflowError:  # at the ends of the calendar
        return None
    return milliseconds if _is_possible(milliseconds) else None


def _is_possible(milliseconds: int) -> bool:
    return _FROM_MS <= milliseconds <= time.time() * 1_000 + _AHEAD_MS


def iso(milliseconds: int) -> str:
    """A time as the input contract has it, such as 2024-04-05T11:50:00.000Z."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_DEVICES = (
    # The first that fits. A web player names the system that its browser runs on, and Android runs in televisions.
    (r"web_?player|\bbrowser\b|^web\b", "web"),
    (r"\btv\b|_tv|tizen|webos|roku|bravia|playstation|\bps[345]\b|xbox|chromecast|google cast|\bcast\b", "tv"),
    (r"sonos|echo|alexa|google home|google nest|speaker|homepod|\bbose\b|denon|yamaha|amazon_fireos", "smart_speaker"),
    (r"ipad|tablet|\bkindle\b", "tablet"),
    (r"watch|garmin|wear ?os", "watch"),
    (r"\bcar\b|carplay|android auto|tesla", "car"),
    (r"android|iphone|ipod|\bios\b|windows phone|blackberry|symbian", "mobile"),
    (r"windows|os ?x|mac ?os|macintosh|linux|ubuntu|desktop|\bx86\b", "desktop"),
    (r"partner", "other"),
)
_PATTERNS = tuple((re.compile(pattern), device) for pattern, device in _DEVICES)


@lru_cache(maxsize=4_096)
def device_of(platform: str) -> str:
    """The kind of device that a platform is, such as `Android OS 4.2.2 API 17 (samsung, GT-I9195)`: mobile.

    The model, which tells people apart, is not kept. Nothing where the platform says nothing.
    """
    folded = platform.lower()
    if not folded or folded in {"not_applicable", "unknown"}:
        return ""
    return next((device for pattern, device in _PATTERNS if pattern.search(folded)), "other")
