"""Spotify's downloads: the extended streaming history, the basic one of a year, and the saved tracks.

The fields are those of "Understanding my data" (support.spotify.com) and of the ReadMe in the download. Names of files
and fields have changed over the years; what a row is, is told by its fields. Only a music video is told by its file.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from spotify_graph.imports.meaning import (
    AUDIOBOOK,
    INCOGNITO,
    NO_TIME,
    NO_TRACK,
    PODCAST,
    SHORT_MS,
    UNKNOWN,
    UNREADABLE,
    VIDEO,
    Kind,
    Listen,
    Row,
    Rows,
    SetAside,
    Track,
    device_of,
    iso_ms,
    possible,
    spotify_uri,
    text,
    whole_number,
)

PAUSED = frozenset({"endplay", "unexpected-exit-while-paused"})
"""The ends of a stream that are pauses: the listener stopped it midway, or the app went away while it was paused.

The others of `reason_end` say that it was played (trackdone), skipped (fwdbtn, backbtn and clicks on another row, where
`skipped` does not say), or that the app, the device or the session ended, which says nothing of the track.
"""
WHOLE = "trackdone"
_SKIPPED = "fwdbtn"

_PODCAST = ("spotify_episode_uri", "episode_name", "episode_show_name", "podcastName", "episodeName")
_AUDIOBOOK = ("audiobook_uri", "audiobook_title", "audiobook_chapter_uri", "audiobook_chapter_title", "audiobookName")
_MINUTE = "%Y-%m-%d %H:%M"


def is_video(name: str) -> bool:
    """Whether a file of this name holds videos: their rows are like those of music."""
    return "history_video" in name.lower().replace("-", "_")


def extended(rows: Iterable[Any], *, video: bool, incognito: bool) -> Rows:
    """What the rows of an extended history mean.

    Args:
        rows: the rows.
        video: whether they are of a file of videos.
        incognito: whether private sessions are taken.
    """
    for row in rows:
        yield _stream(row, video, incognito) if isinstance(row, Mapping) else SetAside(UNREADABLE)


def _stream(row: Mapping[str, Any], video: bool, incognito: bool) -> Row:
    end, played = iso_ms(row.get("ts")), whole_number(row.get("ms_played"))
    if end is None:
        return SetAside(NO_TIME)
    if played is None:
        return SetAside(UNREADABLE, end)
    if reason := _no_music(row, video) or (INCOGNITO if row.get("incognito_mode") is True and not incognito else None):
        return SetAside(reason, end)
    uri = spotify_uri(row.get("spotify_track_uri"))
    track = Track(
        text(row.get("master_metadata_album_artist_name")),
        text(row.get("master_metadata_track_name")),
        text(row.get("master_metadata_album_album_name")),
        (uri,) if uri else (),
    )
    if reason := _no_track(track):
        return SetAside(reason, end)
    why, skipped = row.get("reason_end"), row.get("skipped")
    # Older rows have no `skipped`; the button says it there.
    if played < SHORT_MS or skipped is True or (skipped is None and why == _SKIPPED):
        kind = Kind.SKIP
    else:
        kind = Kind.PAUSE if why in PAUSED else Kind.PLAY
    return Listen(
        kind,
        track,
        end - played,
        played,
        whole=kind == Kind.PLAY and why == WHOLE,
        device=device_of(text(row.get("platform"))),
    )


def basic(rows: Iterable[Any], *, video: bool) -> Rows:
    """What the rows of a basic history mean: times are to the minute, and nothing says why a stream ended.

    Args:
        rows: the rows.
        video: whether they are of a file of videos.
    """
    for row in rows:
        yield _short_stream(row, video) if isinstance(row, Mapping) else SetAside(UNREADABLE)


def _short_stream(row: Mapping[str, Any], video: bool) -> Row:
    try:
        end = possible(datetime.strptime(str(row.get("endTime")), _MINUTE).replace(tzinfo=UTC))
    except ValueError:
        end = None
    played = whole_number(row.get("msPlayed"))
    if end is None:
        return SetAside(NO_TIME)
    if played is None:
        return SetAside(UNREADABLE, end)
    if reason := _no_music(row, video):
        return SetAside(reason, end)
    track = Track(text(row.get("artistName")), text(row.get("trackName")))
    if reason := _no_track(track):
        return SetAside(reason, end)
    return Listen(Kind.SKIP if played < SHORT_MS else Kind.PLAY, track, end - played, played)


def library(document: Any) -> Rows:
    """What a library means: its saved tracks are likes, without a time. Albums, artists and shows are not tracks."""
    for row in document["tracks"]:
        if not isinstance(row, Mapping):
            yield SetAside(UNREADABLE)
            continue
        uri = spotify_uri(row.get("uri"))
        track = Track(text(row.get("artist")), text(row.get("track")), text(row.get("album")), (uri,) if uri else ())
        yield Listen(Kind.LIKE, track, None) if uri or track.named else SetAside(NO_TRACK)


def _no_music(row: Mapping[str, Any], video: bool) -> str | None:
    if any(row.get(name) for name in _PODCAST):
        return PODCAST
    if any(row.get(name) for name in _AUDIOBOOK):
        return AUDIOBOOK
    uri = row.get("spotify_track_uri")
    return VIDEO if video or (isinstance(uri, str) and uri.startswith("spotify:video:")) else None


def _no_track(track: Track) -> str | None:
    if track.artist.lower() == "unknown artist" or track.title.lower() == "unknown track":
        return UNKNOWN  # Spotify has lost what was played
    return None if track.ids or track.named else NO_TRACK
