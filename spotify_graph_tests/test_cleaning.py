"""The input contract, value by value: each value below is one row of a single wide scenario, judged once by Spark."""

import gzip
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, Observation, Row, SparkSession

from spotify_graph.settings import PLACEHOLDERS
from spotify_graph.transforms.cleaning import (
    COPIES,
    EVENT_REASONS,
    TRACK_REASONS,
    clean_events,
    clean_tracks,
    counts,
    judge_events,
    judge_tracks,
    kept_counts,
    rejected,
    with_placeholders,
)
from spotify_graph.transforms.graph_tables import in_genre_edges
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable, landed_files, raw_schema, read_landed

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
LONG = "x" * 512
LONGEST_NAME = "n" * 4096
LONG_IN_BYTES = "é" * 256  # 512 bytes, 256 characters

Event = tuple[str, str, str, str, str, str]


def event(
    user: str = "u",
    track: str = "t",
    kind: str = "play",
    ts: str = "2024-01-01 00:00:00",
    session: str = "s",
    device: str = "mobile",
) -> Event:
    return user, track, kind, ts, session, device


def quoted(fields: Iterable[str]) -> str:
    return ",".join('"' + field.replace('"', '""') + '"' for field in fields)


GOOD_TIMES = {
    "2024-01-01 00:00:00": datetime(2024, 1, 1),
    "2024-01-01T00:00:00Z": datetime(2024, 1, 1),
    "2024-01-01T00:00:00z": datetime(2024, 1, 1),
    "2024-01-01T10:20": datetime(2024, 1, 1, 10, 20),
    "2024-01-01 10:20Z": datetime(2024, 1, 1, 10, 20),
    "2024-01-01 10:20+02": datetime(2024, 1, 1, 8, 20),
    "2024-01-01T10:20:30.5": datetime(2024, 1, 1, 10, 20, 30, 500_000),
    "2024-01-01T10:20:30,123456": datetime(2024, 1, 1, 10, 20, 30, 123_456),
    "2024-01-01T10:20:30.123456789Z": datetime(2024, 1, 1, 10, 20, 30, 123_456),
    "2024-01-01T00:30:00+01:00": datetime(2023, 12, 31, 23, 30),
    "2024-01-01T00:30:00-0330": datetime(2024, 1, 1, 4),
    "2024-01-01T00:30:00,25+0530": datetime(2023, 12, 31, 19, 0, 0, 250_000),
    "2024-02-29 23:59:59": datetime(2024, 2, 29, 23, 59, 59),
    "2000-01-01 00:00:00": datetime(2000, 1, 1),  # the earliest
    "2024-06-02T12:00:00Z": datetime(2024, 6, 2, 12),  # the latest: a day ahead of NOW
    " 2024-01-01 00:00:00\t": datetime(2024, 1, 1),
}
"""Spellings of ISO 8601 that the contract takes, and their time in UTC."""

BAD_TIMES = [
    "",
    "2024",  # Spark's cast would take it for 1 January
    "2024-01-01",
    "2024-01-01 10",
    "2024-1-1 00:00:00",
    "24-01-01 00:00:00",
    "2024-02-30 00:00:00",
    "2023-02-29 00:00:00",
    "2024-13-01 00:00:00",
    "2024-01-01 24:00:00",
    "2024-01-01 10:60:00",
    "2024-01-01 10:20:60",
    "2024-01-01  10:20:30",
    "2024-01-01 10:20:30.",
    "2024-01-01 10:20:30.1234567890",
    "2024-01-01 10:20:30 Europe/Berlin",
    "2024-01-01 10:20:30 UTC",
    "2024-01-01 10:20:30+5",
    "2024-01-01 10:20:30+19:00",
    "12024-01-01 10:20:30",
    "+2024-01-01 10:20:30",
    "1704067200",
    "01/02/2024 10:20",
    "yesterday",
    "٢٠٢٤-01-01 00:00:00",  # digits, but not ASCII's
    "2024-01-01t10:20:30",
]
TIMES_OUT_OF_RANGE = [
    "1999-12-31 23:59:59.999999",
    "2000-01-01T00:30:00+01:00",
    "1970-01-01 00:00:00",
    "0000-01-01 00:00:00",
    "2024-06-02 12:00:00.000001",
    "2024-06-02T11:30:00-01:00",
    "9999-12-31 23:59:59",
    "9999-12-31T23:59:59-18:00",  # the year 10000, which Python cannot hold
]

REJECTED: list[tuple[Event, list[str]]] = [
    *((event(ts=ts), ["bad_event_ts"]) for ts in BAD_TIMES),
    *((event(ts=ts), ["event_ts_out_of_range"]) for ts in TIMES_OUT_OF_RANGE),
    (event(user=""), ["missing_user_id"]),
    (event(user=" \t\u3000\u2028"), ["missing_user_id"]),
    (event(track="\u00a0"), ["missing_track_id"]),
    (event(kind=""), ["unknown_event_type"]),
    (event(kind="share"), ["unknown_event_type"]),
    (event(kind="play!"), ["unknown_event_type"]),
    (event(user="a\x00b"), ["control_character"]),
    (event(user="\x1fa"), ["control_character"]),  # Python strips it, but it is no white space
    (event(track="a\nb"), ["control_character"]),
    (event(session="a\tb"), ["control_character"]),
    (event(device="a\x9fb"), ["control_character"]),
    (event(kind="pl\x00ay"), ["unknown_event_type", "control_character"]),
    (event(ts="2024-01-01 00:00:00\x00"), ["bad_event_ts", "control_character"]),
    (event(user=LONG + "x"), ["id_too_long"]),
    (event(track=LONG_IN_BYTES + "x"), ["id_too_long"]),
    (event(session=LONG + "é"), ["id_too_long"]),
    (
        ("", " ", "?", "?", "s\x00" + LONG, ""),
        [
            "missing_user_id",
            "missing_track_id",
            "unknown_event_type",
            "bad_event_ts",
            "control_character",
            "id_too_long",
        ],
    ),
]
CLEANED: list[tuple[Event, tuple[Any, ...]]] = [
    *((event(ts=ts), ("u", "t", "play", time, "s", "mobile")) for ts, time in GOOD_TIMES.items()),
    (event(user="\u2003 U \u0085"), ("U", "t", "play", datetime(2024, 1, 1), "s", "mobile")),
    (event(user="U"), ("U", "t", "play", datetime(2024, 1, 1), "s", "mobile")),  # the same, trimmed
    (event(user="\ufeffu"), ("\ufeffu", "t", "play", datetime(2024, 1, 1), "s", "mobile")),  # no white space
    (event(kind=" LiKe "), ("u", "t", "like", datetime(2024, 1, 1), "s", "mobile")),
    (event(session=" ", device=""), ("u", "t", "play", datetime(2024, 1, 1), None, None)),
    (
        event(device='smart speaker, "kitchen"'),
        ("u", "t", "play", datetime(2024, 1, 1), "s", 'smart speaker, "kitchen"'),
    ),
    (event(user=LONG, track=LONG_IN_BYTES), (LONG, LONG_IN_BYTES, "play", datetime(2024, 1, 1), "s", "mobile")),
    (event(device=LONG + "x"), ("u", "t", "play", datetime(2024, 1, 1), "s", LONG + "x")),  # no key
]
BAD_LINES: list[tuple[bytes, str, list[str]]] = [
    (b"u,t,play", "u,t,play", ["malformed_row"]),
    (b'u,t,play,2024-01-01 00:00:00,s,"mobile', 'u,t,play,2024-01-01 00:00:00,s,"mobile', ["malformed_row"]),
    (b"\xff", "\\xff", ["malformed_row", "bad_encoding"]),
    (b"u,t,play,2024-01-01 00:00:00,s,caf\xe9", "u,t,play,2024-01-01 00:00:00,s,caf\\xe9", ["bad_encoding"]),
    (b",t,stop,2024,s,\xe9\x01", ",t,stop,2024,s,\\xe9\x01", [
        "missing_user_id", "unknown_event_type", "bad_event_ts", "bad_encoding", "control_character",
    ]),
]  # fmt: skip


def raw_of(spark: SparkSession, folder: Path, table: LandedTable, files: dict[str, bytes]) -> DataFrame:
    for name, text in files.items():
        (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    records = [read_landed(file, table).read_all() for file in landed_files(folder, table)]
    return spark.createDataFrame(pa.concat_tables(records), raw_schema(table))


def judged(spark: SparkSession, folder: Path, table: LandedTable, files: dict[str, bytes]) -> DataFrame:
    raw = raw_of(spark, folder, table, files)
    return judge_events(raw, NOW) if table is USER_EVENTS else judge_tracks(raw)


@pytest.fixture(scope="module")
def events(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """The whole scenario in one file, and its good half again in another; kept, for each test looks at it."""
    header = ",".join(USER_EVENTS.columns).encode()
    good = [quoted(fields).encode() for fields, _ in CLEANED]
    bad = [quoted(fields).encode() for fields, _ in REJECTED]
    files = {
        "user_events_1.csv": b"\n".join([header, *good, *bad, *(line for line, _, _ in BAD_LINES), b""]),
        "user_events_2.csv.gz": b"\r\n".join([header, *good, *good]),
    }
    return judged(spark, tmp_path_factory.mktemp("landing"), USER_EVENTS, files).localCheckpoint()


def test_each_bad_event_is_rejected_with_its_text_and_every_reason(events: DataFrame) -> None:
    found = {row.raw: row.reasons for row in rejected(events).collect()}
    assert found == {quoted(fields): reasons for fields, reasons in REJECTED} | {
        text: reasons for _, text, reasons in BAD_LINES
    }


def test_a_rejected_row_is_found_in_its_file_by_its_line(events: DataFrame) -> None:
    first = rejected(events).where("reasons[0] = 'malformed_row'").orderBy("line").first()
    assert first is not None
    lines_before = 1 + len(CLEANED) + sum(1 + quoted(fields).count("\n") for fields, _ in REJECTED)
    assert (first.file, first.line) == ("user_events_1.csv", lines_before + 1)


def test_good_events_are_cleaned_and_kept_once_for_each_file(events: DataFrame) -> None:
    rows = clean_events(events).drop(COPIES).collect()
    expected = {values for _, values in CLEANED}
    for file in ("user_events_1.csv", "user_events_2.csv.gz"):
        assert sorted(map(str, (tuple(row)[1:] for row in rows if row.file == file))) == sorted(map(str, expected))


def test_what_is_read_is_cleaned_a_duplicate_or_rejected(events: DataFrame) -> None:
    seen, kept = Observation(), Observation()
    clean_events(events.observe(seen, *counts(EVENT_REASONS))).observe(kept, *kept_counts()).collect()
    distinct = len({values for _, values in CLEANED})
    assert kept.get == {"kept": 2 * distinct, "duplicates": 3 * len(CLEANED) - 2 * distinct}
    assert seen.get["good"] == 3 * len(CLEANED)
    assert seen.get["rows_read"] == 3 * len(CLEANED) + len(REJECTED) + len(BAD_LINES)
    assert seen.get["rejected"] == len(REJECTED) + len(BAD_LINES)
    assert seen.get["rows_read"] == kept.get["kept"] + kept.get["duplicates"] + seen.get["rejected"]
    every = [reason for reasons in [r for _, r in REJECTED] + [r for _, _, r in BAD_LINES] for reason in reasons]
    assert {reason: seen.get[reason] for reason in EVENT_REASONS} == {
        reason: every.count(reason) for reason in EVENT_REASONS
    }


TRACK_FILES = {
    "tracks_1.csv": "\n".join(
        [
            "track_id,title,artist,album,duration_ms,genre",
            "plain,Title,Artist,Album,1000,Genre",
            " id , a  b , A\u3000 \tB ,  C  D, 007 , g ",
            '"lines","two\nlines","two\r\nlines","x\ny",1,"g\n"',
            "composed,,Beyonc\u00e9,,,",
            "decomposed,,Beyonce\u0301,,,",
            "case,,BEYONC\u00c9,,,",
            "empty,,,,,",
            "biggest,,,,9223372036854775807,",
            "wins,old,old,old,1,old",
            "wins,new,,,2,",
            "wins,rejected,x,x,0,x",
            "file,in file 1,,,,",
            ",no id,,,,",
            "zero,,,,0,",
            "negative,,,,-1,",
            "decimal,,,,1000.0,",
            "words,,,,3 minutes,",
            "too big,,,,9223372036854775808,",
            "other digits,,,,\u0661,",
            f"{LONG}x,,,,,",
            f"long artist,,{LONGEST_NAME}x,,,",
            f"long genre,,,,,{'é' * 2048}x",
            f"long title,{LONGEST_NAME}x,,,,",
            f"long album,,,{LONGEST_NAME}x,,",
            f"longest,{LONGEST_NAME},{LONGEST_NAME},{LONGEST_NAME},,{LONGEST_NAME}",
            f"shrinks,,{'e' + chr(0x301)}{'x' * 4094},,,",  # 4,097 bytes as landed, 4,096 once composed
            "unseen,,Ab\u200bba\ufeff,x\u200by,,\u200e \u2060",
            "decomposed unseen,,Beyonce\u00ad\u0301,,,",
            "persian,,\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645,,,\U0001f468\u200d\U0001f3a4",
            "control,\x07,,,,",
            "control artist,,a\x00b,,,",
            "control\tid,,,,,",
            "a,b",
            "every,\x00,,,x\x01," + "g" * 4097,
        ]
    ),
    "tracks_2.csv": "track_id,artist,album,duration_ms,genre\nfile,in file 2,,,\n",
}
CATALOGUE: dict[str, tuple[Any, ...]] = {
    "plain": ("Title", "Artist", "Album", 1000, "Genre"),
    "id": ("a  b", "A B", "C  D", 7, "g"),
    "lines": ("two\nlines", "two lines", "x\ny", 1, "g"),
    "composed": (None, "Beyonc\u00e9", None, None, None),
    "decomposed": (None, "Beyonc\u00e9", None, None, None),
    "case": (None, "BEYONC\u00c9", None, None, None),
    "empty": (None,) * 5,
    "biggest": (None, None, None, 2**63 - 1, None),
    "wins": ("new", None, None, 2, None),
    "file": (None, "in file 2", None, None, None),
    "longest": (LONGEST_NAME, LONGEST_NAME, LONGEST_NAME, None, LONGEST_NAME),
    "shrinks": (None, "é" + "x" * 4094, None, None, None),
    "unseen": (None, "Abba", "x\u200by", None, None),
    "decomposed unseen": (None, "Beyonc\u00e9", None, None, None),
    "persian": (None, "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None, None, "\U0001f468\u200d\U0001f3a4"),
}
REJECTED_TRACKS = {
    "wins,rejected": ["bad_duration_ms"],
    ",no id": ["missing_track_id"],
    "zero": ["bad_duration_ms"],
    "negative": ["bad_duration_ms"],
    "decimal": ["bad_duration_ms"],
    "words": ["bad_duration_ms"],
    "too big": ["bad_duration_ms"],
    "other digits": ["bad_duration_ms"],
    LONG: ["id_too_long"],
    "long artist": ["id_too_long"],
    "long genre": ["id_too_long"],
    "long title": ["id_too_long"],
    "long album": ["id_too_long"],
    "control,": ["control_character"],
    "control artist": ["control_character"],
    "control\tid": ["control_character"],
    "a,b": ["malformed_row"],
    "every": ["control_character", "id_too_long", "bad_duration_ms"],
}
"""The reasons for each bad row of the catalogue, by how its text begins."""


@pytest.fixture(scope="module")
def tracks(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """The catalogue's scenario, judged."""
    files = {name: text.encode() for name, text in TRACK_FILES.items()}
    return judged(spark, tmp_path_factory.mktemp("landing"), TRACKS, files).localCheckpoint()


def test_the_catalogue_holds_the_newest_good_row_of_each_track(tracks: DataFrame) -> None:
    def values(row: Row) -> tuple[Any, ...]:
        return row.title, row.artist, row.album, row.duration_ms, row.genre

    assert {row.track_id: values(row) for row in clean_tracks(tracks).collect()} == CATALOGUE


def test_each_bad_track_is_rejected_with_every_reason(tracks: DataFrame) -> None:
    rows = rejected(tracks).collect()
    assert len(rows) == len(REJECTED_TRACKS)
    for start, reasons in REJECTED_TRACKS.items():
        assert [row.reasons for row in rows if row.raw.startswith(start)] == [reasons], start


def test_counts_of_tracks_come_by_reason(tracks: DataFrame) -> None:
    row = tracks.agg(*counts(TRACK_REASONS)).first()
    assert row is not None
    superseded = ["wins,old", "file,in file 1"]
    assert row.rows_read == len(CATALOGUE) + len(superseded) + len(REJECTED_TRACKS)
    assert row.rejected == len(REJECTED_TRACKS)
    assert row.bad_duration_ms == sum("bad_duration_ms" in reasons for reasons in REJECTED_TRACKS.values())


def test_a_placeholder_is_a_missing_value_and_is_counted(spark: SparkSession, tmp_path: Path) -> None:
    words = ["nan", "NaN", "NULL", "null", "None", "\\N", "N/A", "[]"]
    assert list(PLACEHOLDERS) == words
    tracks = [f"t{i},{word},{word}, {word} ,{word},{word}" for i, word in enumerate(words)]
    events = [quoted(event(session=word, device=f"{word}\t")) for word in words]
    events += [quoted(fields) for word in words for fields in (event(user=f" {word}"), event(track=word))]
    files = {
        "tracks.csv": "\n".join(["track_id,title,artist,album,duration_ms,genre", *tracks, "NULL,,,,,", "x,Nan,,,,"]),
        "user_events.csv": "\n".join([",".join(USER_EVENTS.columns), *events, quoted(event())]),
    }
    raw = {table: raw_of(spark, tmp_path, table, {f"{table.name}.csv": files[f"{table.name}.csv"].encode()})
           for table in (TRACKS, USER_EVENTS)}  # fmt: skip
    catalogue = judge_tracks(raw[TRACKS], PLACEHOLDERS)
    assert {row.track_id: tuple(row)[1:6] for row in clean_tracks(catalogue).collect()} == {
        **{f"t{i}": (None,) * 5 for i in range(len(words))},
        "x": ("Nan", None, None, None, None),
    }
    assert [row.reasons for row in rejected(catalogue).collect()] == [["missing_track_id"]]
    log = judge_events(raw[USER_EVENTS], NOW, PLACEHOLDERS)
    assert [(row.session_id, row.device, row[COPIES]) for row in clean_events(log).orderBy("device").collect()] == [
        (None, None, len(words)),
        ("s", "mobile", 1),
    ]
    reasons = [row.reasons for row in rejected(log).orderBy("line").collect()]
    assert reasons == [["missing_user_id"], ["missing_track_id"]] * len(words)
    assert [rows.agg(*counts(())).first()["placeholders"] for rows in (catalogue, log)] == [9, 24]  # type: ignore[index]
    assert {tuple(row) for row in with_placeholders(log).where("line < 4").collect()} == {
        (2, "session_id, device"),
        (3, "session_id, device"),
    }


def test_a_word_that_the_setting_leaves_out_is_a_name_like_any_other(spark: SparkSession, tmp_path: Path) -> None:
    files = {"tracks.csv": b"track_id,artist,album,duration_ms,genre\nNULL,None,nan,,NaN\nt2,None,-,,-"}
    rows = judge_tracks(raw_of(spark, tmp_path, TRACKS, files), ("nan", "-")).orderBy("line").collect()
    assert [(row.track_id, row.artist, row.album, row.genre) for row in rows] == [
        ("NULL", "None", None, "NaN"),
        ("t2", "None", None, None),
    ]


GENRES = {  # a field, and the genres in it at no separator, at a comma, at a semicolon
    "rock, pop": (["rock, pop"], ["rock", "pop"], ["rock, pop"]),
    "rock;pop": (["rock;pop"], ["rock;pop"], ["rock", "pop"]),
    "['rock', 'pop']": (["['rock', 'pop']"], ["rock", "pop"], ["['rock', 'pop']"]),
    '["hip hop","pop"]': (['["hip hop","pop"]'], ["hip hop", "pop"], ['["hip hop","pop"]']),
    "[rock]": (["[rock]"], ["rock"], ["[rock]"]),
    " rock ,, pop,rock, nan ,": (["rock ,, pop,rock, nan ,"], ["rock", "pop"], ["rock ,, pop,rock, nan ,"]),
    "rock 'n' roll": (["rock 'n' roll"],) * 3,
    "hip \n hop; r&b": (["hip hop; r&b"], ["hip hop; r&b"], ["hip hop", "r&b"]),
    "[]": ([], [], []),
    ",": ([","], [], [","]),
}


def test_a_genre_field_is_one_genre_or_several_by_the_separator(spark: SparkSession, tmp_path: Path) -> None:
    lines = [quoted((f"t{i}", "", "", "", field)) for i, field in enumerate(GENRES)]
    longest = ";".join("g" * size for size in (4096, 4095))
    lines += [quoted(("fits", "", "", "", longest)), quoted(("too long", "", "", "", f"g{longest}"))]
    files = {"tracks.csv": "\n".join(["track_id,artist,album,duration_ms,genre", *lines]).encode()}
    raw = raw_of(spark, tmp_path, TRACKS, files)
    for at, separator in enumerate((None, ",", ";")):
        catalogue = judge_tracks(raw, ("nan", "[]"), separator)
        edges = in_genre_edges(clean_tracks(catalogue)).collect()
        for i, (field, genres) in enumerate(GENRES.items()):
            assert sorted(row.genre for row in edges if row.track_id == f"t{i}") == sorted(genres[at]), field
        bad = {row.raw.split(",")[0].strip('"') for row in rejected(catalogue).collect()}
        assert bad == ({"too long"} if separator == ";" else {"fits", "too long"})
