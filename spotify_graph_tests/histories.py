"""Listening histories as services give them out: rows and files in the shape of the real ones, made up for tests."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

IP = "203.0.113.77"
AGENT = "Mozilla%2F5.0%20PlantedAgent"
ACCOUNT = "planted-account-31337"
PRIVATE = (IP, "PlantedAgent", ACCOUNT, "Planted Firstname", "Plantedville")
"""What the files below hold and nobody else may ever see."""

Row = dict[str, Any]


def uri(number: int) -> str:
    """A Spotify URI: 22 digits of base 62."""
    return f"spotify:track:{number:022d}"


def mbid(number: int) -> str:
    """A MusicBrainz id."""
    return f"b92334c4-574a-46f5-89d8-{number:012d}"


def stream(ts: str, ms: int = 200_000, track: int | None = 1, **changes: Any) -> Row:
    """A row of Streaming_History_Audio_*.json, as of 2024: no user name, and fields for audiobooks."""
    return {
        "ts": ts,
        "platform": "android",
        "ms_played": ms,
        "conn_country": "AT",
        "ip_addr": IP,
        "master_metadata_track_name": None if track is None else f"Song {track}",
        "master_metadata_album_artist_name": None if track is None else f"Band {track}",
        "master_metadata_album_album_name": None if track is None else f"Album {track}",
        "spotify_track_uri": None if track is None else uri(track),
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "audiobook_title": None,
        "audiobook_uri": None,
        "audiobook_chapter_uri": None,
        "audiobook_chapter_title": None,
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "shuffle": False,
        "skipped": False,
        "offline": False,
        "offline_timestamp": None,
        "incognito_mode": False,
    } | changes


def endsong(ts: str, ms: int = 200_000, track: int | None = 1, **changes: Any) -> Row:
    """A row of endsong_*.json, as of 2022: with the user's name, address and agent, without audiobooks."""
    row = stream(ts, ms, track)
    older = {name: value for name, value in row.items() if not name.startswith(("audiobook", "ip_addr"))}
    return (
        older
        | {
            "username": ACCOUNT,
            "platform": "Android OS 4.2.2 API 17 (samsung, GT-I9195)",
            "ip_addr_decrypted": IP,
            "user_agent_decrypted": AGENT,
            "skipped": None,
            "offline_timestamp": 1572964071330,
        }
        | changes
    )


def minute(end: str, ms: int = 200_000, track: int = 1, **changes: Any) -> Row:
    """A row of StreamingHistory*.json: to the minute."""
    return {"endTime": end, "artistName": f"Band {track}", "trackName": f"Song {track}", "msPlayed": ms} | changes


def library(*tracks: int) -> Row:
    """YourLibrary.json."""
    saved = [{"artist": f"Band {it}", "album": f"Album {it}", "track": f"Song {it}", "uri": uri(it)} for it in tracks]
    empty: dict[str, list[Any]] = {name: [] for name in ("shows", "episodes", "bannedTracks", "bannedArtists", "other")}
    return {
        "tracks": saved,
        "albums": [{"artist": "Band 1", "album": "Album 1", "uri": "spotify:album:0000000000000000000001"}],
        "artists": [{"name": "Band 1", "uri": "spotify:artist:0000000000000000000001"}],
        **empty,
    }


def listen(at: int, track: int = 1, *, mapped: int | None = None, info: Mapping[str, Any] | None = None) -> Row:
    """A line of listens/YYYY/M.jsonl."""
    message = f"7407a60c-ba0e-4fcd-ba47-{track:012d}"
    mapping = None
    if mapped is not None:
        mapping = {
            "caa_id": 1487209368,
            "artists": [
                {"join_phrase": "", "artist_mbid": "91f7a868-d82e-4cfb-9cd9-a2ffd7faac25", "artist_credit_name": "Band"}
            ],
            "artist_mbids": ["91f7a868-d82e-4cfb-9cd9-a2ffd7faac25"],
            "release_mbid": "c40291c6-4a66-4d96-a8a2-d144205c61b0",
            "recording_mbid": mbid(mapped),
            "recording_name": f"Song {track}",
            "caa_release_mbid": "c40291c6-4a66-4d96-a8a2-d144205c61b0",
        }
    return {
        "listened_at": at,
        "inserted_at": at + 0.604,
        "track_metadata": {
            "track_name": f"Song {track}",
            "artist_name": f"Band {track}",
            "release_name": f"Album {track}",
            "mbid_mapping": mapping,
            "recording_msid": message,
            "additional_info": {
                "submission_client": "Web Scrobbler",
                "music_service": "spotify.com",
                "recording_msid": message,
                "client_ip": IP,
                "user_agent": AGENT,
                **(info or {}),
            },
        },
    }


def opinion(created: int, score: int, *, track: int | None = None, mapped: int | None = None) -> Row:
    """A line of feedback.jsonl."""
    return {
        "score": score,
        "created": created,
        "recording_mbid": None if mapped is None else mbid(mapped),
        "recording_msid": None if track is None else f"7407a60c-ba0e-4fcd-ba47-{track:012d}",
    }


def lines(rows: Iterable[object]) -> str:
    """JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def text(content: object) -> str:
    """A file's text: of rows as Spotify writes them, an array with line breaks."""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)


def write(folder: Path, files: Mapping[str, object]) -> Path:
    """Files in a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(content), encoding="utf-8")
    return folder


def zipped(path: Path, files: Mapping[str, object]) -> Path:
    """Files in an archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, text(content))
    path.write_bytes(held.getvalue())
    return path
