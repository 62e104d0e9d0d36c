"""The landing folder: which files are taken in, which are not and why, and the raw records of those that are.

Awkward names, each of which Spark's own reader would ignore, take for a pattern or escape:
brackets (a glob), a percent sign and a space (URI escapes), an accent and an emoji.
"""

import gzip
import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spotify_graph.errors import UserError
from spotify_graph.transforms.landing import (
    TRACKS,
    USER_EVENTS,
    LandedTable,
    digest,
    inspect,
    landed_files,
    raw_schema,
    raw_text,
    read_landed,
)

AWKWARD_NAMES = [
    "user_events[1].csv",
    "user_events%20.csv",
    "user_events 2024-01-01.csv",
    "user_events_é.csv.gz",
    "user_events_🎵.csv",
]
EVENTS_HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
EVENT = "u1,t1,play,2024-01-01 00:00:00,s1,mobile"


def write(path: Path, text: str | bytes) -> Path:
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def reason(path: Path, table: LandedTable = USER_EVENTS) -> str | None:
    bad = inspect(path, path.parent, table)
    return bad.reason if bad else None


def test_files_are_found_by_name_and_sorted(tmp_path: Path) -> None:
    others = ["tracks.csv.tmp", "tracks.csv.part", ".tracks.csv", "TRACKS.csv", "tracks.csv.bz2", "my_tracks.csv"]
    for name in ["tracks_b.csv", "tracks.csv", "tracks_a.csv.gz", "user_events.csv", *others]:
        write(tmp_path / name, "")
    assert [path.name for path in landed_files(tmp_path, TRACKS)] == ["tracks.csv", "tracks_a.csv.gz", "tracks_b.csv"]
    assert [path.name for path in landed_files(tmp_path, USER_EVENTS)] == ["user_events.csv"]


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert landed_files(tmp_path, TRACKS) == []


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_folder_that_is_none_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    write(tmp_path / "file", "")
    with pytest.raises(UserError) as caught:
        landed_files(tmp_path / name, TRACKS)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in [str(tmp_path / name), "SPOTIFY_GRAPH_LANDING", "spotify-graph generate"])


@pytest.mark.parametrize(
    "header",
    [
        EVENTS_HEADER,
        f"{EVENTS_HEADER}\n",
        f"{EVENTS_HEADER}\r\n",
        f"\ufeff{EVENTS_HEADER}\n",
        "device, session_id ,event_ts,event_type,track_id,user_id\n",
        '"user_id","track_id","event_type","event_ts","session_id","device"\n',
    ],
)
@pytest.mark.parametrize("name", ["user_events.csv", "user_events.csv.gz"])
def test_a_header_is_recognised_by_its_names(tmp_path: Path, name: str, header: str) -> None:
    assert reason(write(tmp_path / name, header)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", ["header is missing"]),
        (b"\n", ["header is missing"]),
        (f"\n{EVENTS_HEADER}\n".encode(), ["header is missing"]),
        (b'"user_id,track_id\n', ["header is missing"]),
        (f"{EVENT}\n".encode(), ["missing: user_id, track_id", "unknown: 'u1', 't1'"]),
        (EVENTS_HEADER.replace("device", "Device").encode(), ["missing: device;", "unknown: 'Device'"]),
        (f"{EVENTS_HEADER},ip\n".encode(), ["(unknown: 'ip')"]),
        (f"{EVENTS_HEADER},\n".encode(), ["(unknown: '')"]),
        (f"{EVENTS_HEADER},device\n".encode(), ["(twice: device)"]),
        (EVENTS_HEADER.replace(",", ";").encode(), ["missing: user_id"]),
        (EVENTS_HEADER.encode("utf-16"), ["not UTF-8"]),
        (b"user_\xe9,track_id", ["not UTF-8"]),
        (b"x" * 200_000, ["missing: user_id"]),
    ],
)
@pytest.mark.parametrize("name", ["user_events.csv", "user_events.csv.gz"])
def test_a_file_without_its_header_is_bad(tmp_path: Path, name: str, text: bytes, words: list[str]) -> None:
    found = reason(write(tmp_path / name, text))
    assert found is not None
    assert all(word in found for word in words), found
    assert len(found) < 1000
    assert "\n" not in found


def test_the_title_is_an_optional_column_of_tracks(tmp_path: Path) -> None:
    assert reason(write(tmp_path / "tracks.csv", "track_id,artist,album,duration_ms,genre\n"), TRACKS) is None
    assert reason(write(tmp_path / "tracks2.csv", "track_id,title,artist,album,duration_ms,genre\n"), TRACKS) is None


@pytest.mark.parametrize("cut", [5, 60, -4])
def test_a_truncated_gz_is_bad_wherever_it_is_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "user_events.csv.gz"
    path.write_bytes(gzip.compress(f"{EVENTS_HEADER}\n{EVENT}\n".encode())[:cut])
    assert reason(path) == "its gzip data is truncated"


def test_a_corrupt_gz_is_bad(tmp_path: Path) -> None:
    good = gzip.compress(f"{EVENTS_HEADER}\n{EVENT}\n".encode())
    for number, content in enumerate([EVENTS_HEADER.encode(), good[:-8] + bytes(8), good + b"tail"]):
        path = tmp_path / f"user_events{number}.csv.gz"
        path.write_bytes(content)
        found = reason(path)
        assert found is not None
        assert found.startswith("its gzip data is corrupt")


def test_a_link_that_leaves_the_folder_is_bad_and_one_that_stays_is_good(tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    folder.mkdir()
    outside = write(tmp_path / "outside.csv", EVENTS_HEADER)
    inside = write(folder / "user_events.csv", EVENTS_HEADER)
    links = {"leaves": outside, "stays": inside, "breaks": tmp_path / "nothing", "circles": folder / "circles"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    assert reason(folder / "leaves") == "it is a link that leaves the landing folder"
    assert reason(folder / "stays") is None
    assert str(reason(folder / "breaks")).startswith("it cannot be read")
    assert str(reason(folder / "circles")).startswith("it cannot be read")


def test_what_is_no_regular_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "user_events_1.csv").mkdir()
    os.mkfifo(tmp_path / "user_events_2.csv")
    assert {reason(path) for path in landed_files(tmp_path, USER_EVENTS)} == {"it is not a regular file"}


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


@pytest.mark.parametrize("name", [*AWKWARD_NAMES, "user_events_" + "x" * 120 + ".csv"])
def test_a_name_that_is_no_partition_key_is_refused_with_what_fits(tmp_path: Path, name: str) -> None:
    assert "rename it: a name has letters, digits" in str(reason(write(tmp_path / name, f"{EVENTS_HEADER}\n{EVENT}\n")))


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


def test_columns_are_taken_by_name_and_the_raw_text_is_exact(tmp_path: Path, spark: SparkSession) -> None:
    write(tmp_path / "tracks_1.csv", 'track_id,artist,album,duration_ms,genre\r\nt1, A ,,1,"g"\r\n\r\nt2,A\r\n')
    write(tmp_path / "tracks_2.csv", "\ufeffgenre,title,track_id,duration_ms,album,artist\ng,,t3,,al,ar\n")
    write(tmp_path / "tracks_3.csv", b'track_id,artist,album,duration_ms,genre,title\nt4,\xe9,al,5,g,"two\nlines"')
    tables = [read_landed(file, TRACKS).read_all() for file in landed_files(tmp_path, TRACKS)]
    raw = spark.createDataFrame(pa.concat_tables(tables), raw_schema(TRACKS))
    rows = raw.select("*", raw_text(TRACKS).alias("text")).orderBy("file", "line").collect()
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
