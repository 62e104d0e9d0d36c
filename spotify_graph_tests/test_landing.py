"""The landing folder: which files are taken in, which are not and why, and the raw records of those that are.

Awkward names, each of which Spark's own reader would ignore, take for a pattern or escape:
brackets (a glob), a percent sign and a space (URI escapes), an accent and an emoji.
"""

import bz2
import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable
from spotify_graph.transforms.landing import digest, inspect, raw_text, read_landed, unknown_columns

AWKWARD_NAMES = [
    "user_events[1].csv",
    "user_events%20.csv",
    "user_events 2024-01-01.csv",
    "user_events_é.csv.gz",
    "user_events_🎵.csv",
]
EVENTS_HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
EVENT = "u1,t1,play,2024-01-01 00:00:00,s1,mobile"


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstd}


def write(path: Path, text: str | bytes) -> Path:
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(COMPRESSED.get(path.suffix.lower(), bytes)(content))
    return path


def reason(path: Path, table: LandedTable = USER_EVENTS) -> str | None:
    bad = inspect(path, path.parent, table)
    return bad.reason if bad else None


def test_the_title_is_an_optional_column_of_tracks(tmp_path: Path) -> None:
    assert reason(write(tmp_path / "tracks.csv", "track_id,artist,album,duration_ms,genre\n"), TRACKS) is None
    assert reason(write(tmp_path / "tracks2.csv", "track_id,title,artist,album,duration_ms,genre\n"), TRACKS) is None


CONTENT = f"{EVENTS_HEADER}\n{EVENT}\n".encode()


@pytest.mark.parametrize("suffix", COMPRESSED)
@pytest.mark.parametrize("cut", [5, -20, -4])
@pytest.mark.parametrize("before", [0, 1])
def test_a_truncated_file_is_bad_wherever_it_is_cut(tmp_path: Path, suffix: str, cut: int, before: int) -> None:
    stream = COMPRESSED[suffix](CONTENT)
    path = tmp_path / f"user_events.csv{suffix}"
    path.write_bytes(stream * before + stream[:cut])
    assert str(reason(path)).endswith("data is truncated")


@pytest.mark.parametrize("suffix", COMPRESSED)
@pytest.mark.parametrize(
    "damaged", [lambda _: CONTENT, lambda good: good + b"tail" * 9, lambda good: good + b"XX" + good[2:]]
)
def test_a_corrupt_file_is_bad_also_behind_its_first_stream(tmp_path: Path, suffix: str, damaged: Any) -> None:
    path = tmp_path / f"user_events.csv{suffix}"
    path.write_bytes(damaged(COMPRESSED[suffix](CONTENT)))
    assert "data is corrupt: " in str(reason(path))


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_streams_behind_each_other_in_one_file_are_read_as_one(tmp_path: Path, suffix: str) -> None:
    rows = f"{EVENT}\n".encode() * 30_000
    compress = COMPRESSED[suffix]
    path = tmp_path / f"user_events.csv{suffix}"
    path.write_bytes(compress(CONTENT) + compress(rows) + compress(b"") + compress(rows))
    assert reason(path) is None
    assert read_landed(path, USER_EVENTS).read_all().num_rows == 60_001


def test_a_name_that_cannot_be_shown_is_bad_and_shown_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"user_events_\xff.csv")
    write(path, EVENTS_HEADER)
    bad = inspect(path, tmp_path, USER_EVENTS)
    assert bad is not None
    assert bad.file == "user_events_\\xff.csv"
    assert "rename it" in bad.reason


def test_awkward_names_and_files_without_rows_are_read_as_they_are(tmp_path: Path) -> None:
    files = [write(tmp_path / name, f"{EVENTS_HEADER}\n{EVENT}\n") for name in AWKWARD_NAMES]
    files.append(write(tmp_path / "user_events_none.csv", EVENTS_HEADER))
    rows = [row for file in files for row in read_landed(file, USER_EVENTS).read_all().to_pylist()]
    assert [row["file"] for row in rows] == AWKWARD_NAMES
    assert {(row["line"], row["user_id"], row["device"]) for row in rows} == {(2, "u1", "mobile")}


def test_a_digest_is_of_the_content_or_of_why_it_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    secret = write(tmp_path / "secret", "not ours")
    file = write(tmp_path / "landing" / "user_events.csv", "abc")
    assert digest(file) == hashlib.sha256(b"abc").hexdigest()
    link = tmp_path / "landing" / "user_events_link.csv"
    link.symlink_to(secret)
    before = digest(link)
    secret.write_text("changed")
    assert digest(link) == before, "what a link out of the folder leads to is not read"
    os.mkfifo(tmp_path / "landing" / "user_events_pipe.csv")
    assert digest(tmp_path / "landing" / "user_events_pipe.csv") != before
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "landing" / "user_events_gone.csv")


def test_a_file_without_rows_has_the_columns_all_the_same(tmp_path: Path) -> None:
    raw = read_landed(write(tmp_path / "tracks.csv", f"{','.join(TRACKS.columns)}\n"), TRACKS).read_all()
    assert len(raw) == 0
    assert raw.column_names == ["file", "line", "malformed", "bad_encoding", "raw", *TRACKS.all_columns]


def test_columns_that_are_not_known_are_left_aside_and_a_rows_text_keeps_them(tmp_path: Path) -> None:
    rows = ["x,u1,t1,play,2024-01-01 00:00:00,s1,mobile,\u00e9,", f"{EVENT},1", ' ,"u2",t1,play,,,,"a, b", ']
    header = "ip,USER_ID,track_id,event_type,event_ts,session_id,Device,note,ip"
    file = write(tmp_path / "user_events.csv", "\n".join([header, *rows]))
    assert reason(file) is None
    assert list(unknown_columns(file, USER_EVENTS)) == ["ip", "note", "ip"]
    raw = read_landed(file, USER_EVENTS).read_all()
    found = (*(raw[name] for name in ("malformed", "user_id", "device")), raw_text(raw, USER_EVENTS))
    assert list(zip(*(column.to_pylist() for column in found), strict=True)) == [
        (False, "u1", "mobile", rows[0]),
        (True, None, None, rows[1]),
        (False, "u2", "", rows[2]),
    ]


def test_columns_are_taken_by_name_and_the_raw_text_is_exact(tmp_path: Path) -> None:
    write(tmp_path / "tracks_1.csv", 'track_id,artist,album,duration_ms,genre\r\nt1, A ,,1,"g"\r\n\r\nt2,A\r\n')
    write(tmp_path / "tracks_2.csv", "\ufeffgenre,title,track_id,duration_ms,album,artist\ng,,t3,,al,ar\n")
    write(tmp_path / "tracks_3.csv", b'track_id,artist,album,duration_ms,genre,title\nt4,\xe9,al,5,g,"two\nlines"')
    raw = pa.concat_tables(read_landed(file, TRACKS).read_all() for file in sorted(tmp_path.iterdir()))
    rows = raw.append_column("text", raw_text(raw, TRACKS)).to_pylist()
    assert [tuple(row[name] for name in ("file", "line", "malformed", "bad_encoding", "text")) for row in rows] == [
        ("tracks_1.csv", 2, False, False, 't1, A ,,1,"g"'),
        ("tracks_1.csv", 4, True, False, "t2,A"),
        ("tracks_2.csv", 2, False, False, "g,,t3,,al,ar"),
        ("tracks_3.csv", 2, False, True, 't4,\\xe9,al,5,g,"two\nlines"'),
    ]
    assert [tuple(row[name] for name in TRACKS.all_columns) for row in rows] == [
        ("t1", " A ", "", "1", "g", None),
        (None,) * 6,
        ("t3", "ar", "al", "", "g", ""),
        ("t4", "\\xe9", "al", "5", "g", "two\nlines"),
    ]
