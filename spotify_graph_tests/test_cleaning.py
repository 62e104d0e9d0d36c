"""The input contract, value by value: each value below is one row of a single wide scenario, judged once."""

import gzip
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spotify_graph.settings import PLACEHOLDERS
from spotify_graph.transforms.cleaning import (
    COPIES,
    EVENT_REASONS,
    TRACK_REASONS,
    clean_events,
    clean_tracks,
    counts,
    example,
    good_events,
    judge_events,
    judge_tracks,
    kept_counts,
    rejected,
    with_placeholders,
)
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable
from spotify_graph.transforms.landing import raw_schema, read_landed
from spotify_graph.transforms.names import SEVERAL

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
    (event(kind="L\u0130KE"), ["unknown_event_type"]),  # a Turkish I with its dot, which stays a letter of its own
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
    (event(kind="LI\u212aE"), ("u", "t", "like", datetime(2024, 1, 1), "s", "mobile")),  # the sign of kelvins is a K
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


def raw_of(folder: Path, table: LandedTable, files: dict[str, bytes]) -> pa.Table:
    for name, text in files.items():
        (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return pa.concat_tables([read_landed(file, table).read_all() for file in sorted(folder.glob(f"{table.name}*"))])


def times(column: pa.ChunkedArray) -> list[datetime | None]:
    """Times as the scenario writes them: in UTC, without saying so."""
    return column.cast(pa.timestamp("us")).to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def raw_events(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The whole scenario in one file, and its good half twice in another."""
    header = ",".join(USER_EVENTS.columns).encode()
    good = [quoted(fields).encode() for fields, _ in CLEANED]
    bad = [quoted(fields).encode() for fields, _ in REJECTED]
    files = {
        "user_events_1.csv": b"\n".join([header, *good, *bad, *(line for line, _, _ in BAD_LINES), b""]),
        "user_events_2.csv.gz": b"\r\n".join([header, *good, *good]),
    }
    return raw_of(tmp_path_factory.mktemp("landing"), USER_EVENTS, files)


@pytest.fixture(scope="module")
def events(raw_events: pa.Table) -> pa.Table:
    """The scenario, judged."""
    return judge_events(raw_events, NOW)


def test_each_bad_event_is_rejected_with_its_text_and_every_reason(events: pa.Table) -> None:
    found = {row["raw"]: row["reasons"] for row in rejected(events).to_pylist()}
    assert found == {quoted(fields): reasons for fields, reasons in REJECTED} | {
        text: reasons for _, text, reasons in BAD_LINES
    }


def test_a_rejected_row_is_found_in_its_file_by_its_line(events: pa.Table) -> None:
    first = next(row for row in rejected(events).to_pylist() if row["reasons"][0] == "malformed_row")
    lines_before = 1 + len(CLEANED) + sum(1 + quoted(fields).count("\n") for fields, _ in REJECTED)
    assert (first["file"], first["line"]) == ("user_events_1.csv", lines_before + 1)


def test_a_good_row_keeps_no_text(events: pa.Table) -> None:
    assert all((row["raw"] is None) == (row["reasons"] == []) for row in events.to_pylist())


def test_good_events_are_cleaned_and_kept_once_for_each_file_sorted_by_time(events: pa.Table) -> None:
    cleaned = clean_events(good_events(events))
    assert cleaned["event_ts"].equals(cleaned.sort_by("event_ts")["event_ts"])
    rows = cleaned.set_column(4, "event_ts", cleaned["event_ts"].cast(pa.timestamp("us"))).drop([COPIES]).to_pylist()
    expected = {values for _, values in CLEANED}
    for file in ("user_events_1.csv", "user_events_2.csv.gz"):
        assert sorted(map(str, (tuple(row.values())[1:] for row in rows if row["file"] == file))) == sorted(
            map(str, expected)
        )


def test_what_is_read_is_cleaned_a_duplicate_or_rejected(events: pa.Table) -> None:
    seen, kept = counts(events, EVENT_REASONS), kept_counts(clean_events(good_events(events)))
    distinct = len({values for _, values in CLEANED})
    assert kept == {"kept": 2 * distinct, "duplicates": 3 * len(CLEANED) - 2 * distinct}
    assert seen["good"] == 3 * len(CLEANED)
    assert seen["rows_read"] == 3 * len(CLEANED) + len(REJECTED) + len(BAD_LINES)
    assert seen["rejected"] == len(REJECTED) + len(BAD_LINES)
    assert seen["rows_read"] == kept["kept"] + kept["duplicates"] + seen["rejected"]
    every = [reason for reasons in [r for _, r in REJECTED] + [r for _, _, r in BAD_LINES] for reason in reasons]
    assert {reason: seen[reason] for reason in EVENT_REASONS} == {
        reason: every.count(reason) for reason in EVENT_REASONS
    }


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_a_file_in_parts_says_what_it_says_as_a_whole(raw_events: pa.Table, events: pa.Table, rows: int) -> None:
    parts = [judge_events(raw_events.slice(at, rows), NOW) for at in range(0, len(raw_events), rows)]
    assert pa.concat_tables(parts).equals(events)
    good = [part.filter(pc.equal(pc.list_value_length(part["reasons"]), 0)) for part in parts]
    assert clean_events(good_events(pa.concat_tables(good))).equals(clean_events(good_events(events)))
    whole = counts(events, EVENT_REASONS)
    assert {name: sum(counts(part, EVENT_REASONS)[name] for part in parts) for name in whole} == whole


def test_equal_events_are_one_and_nothing_is_equal_to_nothing(tmp_path: Path) -> None:
    rows = [
        event(session="", device=""),
        event(ts="2024-01-02 00:00:00"),
        event(session="", device=""),
        event(session="", device="web"),
        event(ts="2024-01-02 00:00:00"),
        event(session=" ", device="\u3000"),
        event(ts="2023-01-01 00:00:00"),
    ]
    lines = [",".join(USER_EVENTS.columns), *map(quoted, rows)]
    raw = raw_of(tmp_path, USER_EVENTS, {"user_events.csv": "\n".join(lines).encode()})
    found = clean_events(good_events(judge_events(raw, NOW)))
    assert list(
        zip(times(found["event_ts"]), *(found[name].to_pylist() for name in ("device", COPIES)), strict=True)
    ) == [
        (datetime(2023, 1, 1), "mobile", 1),
        (datetime(2024, 1, 1), None, 3),
        (datetime(2024, 1, 1), "web", 1),
        (datetime(2024, 1, 2), "mobile", 2),
    ]


def test_nothing_to_judge_has_the_columns_all_the_same(events: pa.Table) -> None:
    nothing = judge_events(raw_schema(USER_EVENTS).empty_table(), NOW, PLACEHOLDERS)
    assert nothing.schema.equals(events.schema)
    assert clean_events(good_events(nothing)).schema.equals(clean_events(good_events(events)).schema)
    assert kept_counts(clean_events(good_events(nothing))) == {"kept": 0, "duplicates": 0}
    assert set(counts(nothing, EVENT_REASONS).values()) == {0}
    tracks = judge_tracks(raw_schema(TRACKS).empty_table(), PLACEHOLDERS, ",")
    assert clean_tracks(tracks).num_rows == 0
    assert set(counts(tracks, TRACK_REASONS).values()) == {0}


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("unknown_event_type", ""), ("bad_event_ts", BAD_TIMES[0]), ("event_ts_out_of_range", TIMES_OUT_OF_RANGE[0]),
     ("malformed_row", "u,t,play"), ("missing_user_id", quoted(event(user="")))],
)  # fmt: skip
def test_an_example_is_what_the_column_holds_or_the_rows_text(
    raw_events: pa.Table, events: pa.Table, reason: str, shown: str
) -> None:
    in_first = pc.equal(raw_events["file"], "user_events_1.csv")
    assert example(raw_events.filter(in_first), events.filter(in_first), reason) == shown


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
def tracks(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The catalogue's scenario, judged."""
    files = {name: text.encode() for name, text in TRACK_FILES.items()}
    return judge_tracks(raw_of(tmp_path_factory.mktemp("landing"), TRACKS, files))


def catalogue(judged: pa.Table) -> dict[str, tuple[Any, ...]]:
    """The values of each track."""
    columns = ["title", "artist", "album", "duration_ms", "genre"]
    return {row["track_id"]: tuple(row[name] for name in columns) for row in clean_tracks(judged).to_pylist()}


def test_the_catalogue_holds_the_newest_good_row_of_each_track(tracks: pa.Table) -> None:
    assert catalogue(tracks) == CATALOGUE
    assert catalogue(tracks.take(list(reversed(range(len(tracks)))))) == CATALOGUE, "in whatever order they come"
    assert kept_counts(clean_tracks(tracks)) == {"kept": len(CATALOGUE), "duplicates": 2}
    [row] = [row for row in clean_tracks(tracks).to_pylist() if row["track_id"] == "file"]
    assert (row["file"], row["line"], row[COPIES]) == ("tracks_2.csv", 2, 2)


def test_each_bad_track_is_rejected_with_every_reason(tracks: pa.Table) -> None:
    rows = rejected(tracks).to_pylist()
    assert len(rows) == len(REJECTED_TRACKS)
    for start, reasons in REJECTED_TRACKS.items():
        assert [row["reasons"] for row in rows if row["raw"].startswith(start)] == [reasons], start


def test_counts_of_tracks_come_by_reason(tracks: pa.Table) -> None:
    found = counts(tracks, TRACK_REASONS)
    superseded = ["wins,old", "file,in file 1"]
    assert found["rows_read"] == len(CATALOGUE) + len(superseded) + len(REJECTED_TRACKS)
    assert found["rejected"] == len(REJECTED_TRACKS)
    assert found["bad_duration_ms"] == sum("bad_duration_ms" in reasons for reasons in REJECTED_TRACKS.values())


def test_a_placeholder_is_a_missing_value_and_is_counted(tmp_path: Path) -> None:
    words = ["nan", "NaN", "NULL", "null", "None", "\\N", "N/A", "[]"]
    assert list(PLACEHOLDERS) == words
    tracks = [f"t{i},{word},{word}, {word} ,{word},{word}" for i, word in enumerate(words)]
    events = [quoted(event(session=word, device=f"{word}\t")) for word in words]
    events += [quoted(fields) for word in words for fields in (event(user=f" {word}"), event(track=word))]
    files = {
        "tracks.csv": "\n".join(["track_id,title,artist,album,duration_ms,genre", *tracks, "NULL,,,,,", "x,Nan,,,,"]),
        "user_events.csv": "\n".join([",".join(USER_EVENTS.columns), *events, quoted(event())]),
    }
    raw = {table: raw_of(tmp_path, table, {f"{table.name}.csv": files[f"{table.name}.csv"].encode()})
           for table in (TRACKS, USER_EVENTS)}  # fmt: skip
    judged = judge_tracks(raw[TRACKS], PLACEHOLDERS)
    assert catalogue(judged) == {
        **{f"t{i}": (None,) * 5 for i in range(len(words))},
        "x": ("Nan", None, None, None, None),
    }
    assert rejected(judged)["reasons"].to_pylist() == [["missing_track_id"]]
    log = judge_events(raw[USER_EVENTS], NOW, PLACEHOLDERS)
    assert [
        tuple(row.values())
        for row in clean_events(good_events(log)).select(["session_id", "device", COPIES]).to_pylist()
    ] == [
        (None, None, len(words)),
        ("s", "mobile", 1),
    ]
    assert rejected(log)["reasons"].to_pylist() == [["missing_user_id"], ["missing_track_id"]] * len(words)
    assert [counts(rows, ())["placeholders"] for rows in (judged, log)] == [9, 24]
    assert with_placeholders(log).slice(0, 2).to_pylist() == [
        {"line": 2, "placeholders": "session_id, device"},
        {"line": 3, "placeholders": "session_id, device"},
    ]
    assert with_placeholders(log).num_rows == 24


def test_a_word_that_the_setting_leaves_out_is_a_name_like_any_other(tmp_path: Path) -> None:
    files = {"tracks.csv": b"track_id,artist,album,duration_ms,genre\nNULL,None,nan,,NaN\nt2,None,-,,-"}
    judged = judge_tracks(raw_of(tmp_path, TRACKS, files), ("nan", "-"))
    assert catalogue(judged) == {
        "NULL": (None, "None", None, None, "NaN"),
        "t2": (None, "None", None, None, None),
    }


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


def test_a_genre_field_is_one_genre_or_several_by_the_separator(tmp_path: Path) -> None:
    lines = [quoted((f"t{i}", "", "", "", field)) for i, field in enumerate(GENRES)]
    longest = ";".join("g" * size for size in (4096, 4095))
    lines += [quoted(("fits", "", "", "", longest)), quoted(("too long", "", "", "", f"g{longest}"))]
    files = {"tracks.csv": "\n".join(["track_id,artist,album,duration_ms,genre", *lines]).encode()}
    raw = raw_of(tmp_path, TRACKS, files)
    for at, separator in enumerate((None, ",", ";")):
        judged = judge_tracks(raw, ("nan", "[]"), separator)
        found = {track: (values[4] or "").split(SEVERAL) for track, values in catalogue(judged).items()}
        for i, (field, genres) in enumerate(GENRES.items()):
            assert found[f"t{i}"] == (genres[at] or [""]), field
        bad = {row["raw"].split(",")[0].strip('"') for row in rejected(judged).to_pylist()}
        assert bad == ({"too long"} if separator == ";" else {"fits", "too long"})
