"""Random files, hostile and dirty ones: what becomes of them is what a plain reading of DESIGN.md promises."""

import bz2
import csv
import gzip
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.settings import PLACEHOLDERS
from spotify_graph.transforms import cleaning, graph_tables, popularity
from spotify_graph.transforms.interactions import DEVICE_KEYS, distinct, interactions
from spotify_graph.transforms.interactions import counted as counted_by
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable
from spotify_graph.transforms.landing import inspect, raw_schema, raw_text, read_landed
from spotify_graph_tests import oracle

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)

same = settings(derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate])
"""The same examples every time, and none that is made smaller for minutes: what fails here must fail everywhere."""

# What parsers and kernels stumble over, beside any bytes at all.
FRAGMENTS = [
    b",", b'"', b'""', b"\n", b"\r\n", b"\r", b"\x00", b"\x1a", b"\xef\xbb\xbf", b"\xff", b"\xe9", b"\xed\xa0\x80",
    b"u1", b"t1", b"play", b"2024-01-01 00:00:00", b"9999-12-31T23:59:59-18:00", b"NULL", b"9" * 30, b"\xc2\x85",
    b"u1,t1,play,2024-01-01 00:00:00,s1,web\n", b'"u\n1",t1,like,2024-01-01T00:00:00Z,,\r\n', b"t1,Ann,First,1,jazz\n",
]  # fmt: skip
CONTENT = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join))
HEADERS = [b"".join((",".join(it).encode(), b"\n")) for it in (TRACKS.columns, TRACKS.all_columns, USER_EVENTS.columns)]


def cut(compressed: bytes, at: int | None) -> bytes:
    return compressed if at is None else compressed[:at]


FILES = st.tuples(
    st.sampled_from([TRACKS, USER_EVENTS]),
    st.sampled_from(["", ".gz", ".bz2", ".zst"]),
    st.builds(bytes.__add__, st.sampled_from([b"", b"", b"\xef\xbb\xbf", *HEADERS, *HEADERS]), CONTENT),
    st.booleans(),
    st.one_of(st.none(), st.none(), st.integers(-12, 40)),
)
"""Its kind, its name's end, its content, whether it is compressed as it says, and where it is cut off, if it is."""


def judged(raw: pa.Table, table: LandedTable) -> pa.Table:
    if table is TRACKS:
        return cleaning.judge_tracks(raw, PLACEHOLDERS)
    return cleaning.judge_events(raw, NOW, PLACEHOLDERS)


def cleaned(rows: pa.Table, table: LandedTable) -> pa.Table:
    return cleaning.clean_tracks(rows) if table is TRACKS else cleaning.clean_events(cleaning.good_events(rows))


@settings(same, max_examples=200)
@given(file=FILES)
def test_any_bytes_are_a_file_that_is_refused_with_a_reason_or_rows_that_are_all_accounted_for(
    file: tuple[LandedTable, str, bytes, bool, int | None],
) -> None:
    table, suffix, content, compressed, end = file
    compress: Mapping[str, Any] = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": pa.Codec("zstd").compress}
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{table.name}.csv{suffix}"
        path.write_bytes(cut(compress[suffix](content) if suffix and compressed else content, end))
        if bad := inspect(path, path.parent, table):
            assert bad.reason
            assert "\n" not in bad.reason
            return
        raw = read_landed(path, table).read_all()
        text = raw_text(raw, table).to_pylist()
    rows = judged(raw, table)
    counts = cleaning.counts(rows, cleaning.TRACK_REASONS if table is TRACKS else cleaning.EVENT_REASONS)
    kept = cleaning.kept_counts(cleaned(rows, table))
    assert raw.num_rows == kept["kept"] + kept["duplicates"] + counts["rejected"] == counts["rows_read"]
    assert all(row["raw"] and row["reasons"] for row in cleaning.rejected(rows).to_pylist())
    # Every line but blank ones is in the text of one row, and of one alone.
    if end is None and not raw["bad_encoding"].to_pylist().count(True):
        lines = content.decode("utf-8-sig").split("\n")[1:]
        in_rows = Counter(line.removesuffix("\r") for row in text for line in row.split("\n"))
        blank = {"", "\r"}
        assert +in_rows - Counter({"": in_rows[""]}) == Counter(
            line.removesuffix("\r") for line in lines if line not in blank
        )


# So few that rows meet in users, tracks and times, and each odd in a way of its own.
USERS = ["u1", " u1\u3000", "U1", "u2", "", "NULL", "é", "e\u0301", "u\x00", "x" * 513, "'}) DETACH DELETE n //"]
TRACK_IDS = ["t1", "t1\t", "t2", "T2", "\u2028", "\\N", "t\n1", "é" * 256, "lost"]
KINDS = ["play", " PLAY", "like", "Skip", "pause", "seek", "share", "", "LI\u212aE"]
TIMES = [
    "2024-01-01 00:00:00", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000000Z", "2024-03-31T02:30:00+02:00",
    "2024-10-27 02:30:00+01:00", "2024-10-27 02:30:00+02:00", "2024-02-30 00:00:00", "1704067200", "", "yesterday",
    "0001-01-01 00:00:00", "9999-12-31 23:59:59", "1999-12-31T23:59:59Z", "2024-06-02T12:00:00Z", "2024-06-02 12:00:01",
]  # fmt: skip
DEVICES = ["web", "tv ", "", "null", "<b>tv</b>", "tv;radio", "d\x07"]
NAMES = ["Ann", " Ann ", "Beyonc\u00e9", "Beyonce\u0301", "A\u200bnn", "a\tb", "None", "", "x\x1b", "n" * 4097, "[b]"]
LENGTHS = ["", "1", "007", "0", "-1", "1.5", str(2**63 - 1), str(2**63), "nan"]

sampled = st.sampled_from
SAME_TIMES = [TIMES[0], TIMES[1], "2024-01-01T01:00+01", TIMES[3]]
ALIKE = st.tuples(
    sampled(USERS[:2]),
    sampled(TRACK_IDS[:2]),
    sampled(KINDS[:3]),
    sampled(SAME_TIMES),
    st.just("s1"),
    sampled(DEVICES[:2]),
)
ANY_EVENT = st.tuples(
    sampled(USERS), sampled(TRACK_IDS), sampled(KINDS), sampled(TIMES), sampled(["s1", "", "s\x1f"]), sampled(DEVICES)
)
EVENTS = st.one_of(ALIKE, ANY_EVENT)
CATALOGUE = st.tuples(
    sampled(TRACK_IDS), sampled(NAMES), sampled(NAMES), sampled(LENGTHS), sampled(NAMES), sampled(NAMES)
)
OF_ANY_WIDTH = st.lists(sampled([*USERS, *TIMES]), min_size=1, max_size=8).filter(
    lambda row: len(row) != 6 and any(row)
)
FORMS = [(csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_MINIMAL, "\r\n")]


def log(columns: Sequence[str], rows: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """A file in any of RFC 4180's forms and any order of columns, with some rows of another width and some Latin-1."""
    content = st.lists(st.one_of(rows, rows, rows, rows, OF_ANY_WIDTH), max_size=12)
    order = st.permutations(range(len(columns)))
    return st.builds(written, st.just(columns), order, content, sampled(FORMS), st.booleans(), st.booleans())


def written(
    columns: Sequence[str],
    order: Sequence[int],
    rows: Sequence[Sequence[str]],
    form: tuple[Any, str],
    mark: bool,
    latin: bool,
) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=form[0], lineterminator=form[1])
    for row in (columns, *rows):
        writer.writerow([row[at] for at in order] if len(row) == len(order) else row)
    content = text.getvalue().encode()
    return (b"\xef\xbb\xbf" if mark else b"") + (content.replace("é".encode(), b"\xe9", 1) if latin else content)


LANDED = st.fixed_dictionaries(
    {
        "tracks_1.csv": log([*TRACKS.columns, "title"], CATALOGUE),
        "tracks_2.csv": log([*TRACKS.columns, "title"], CATALOGUE),
        "user_events_1.csv": log(USER_EVENTS.columns, EVENTS),
        "user_events_2.csv": log(USER_EVENTS.columns, EVENTS),
    }
)


@settings(same, max_examples=50)
@given(files=LANDED)
def test_the_tables_of_random_dirty_files_are_those_that_the_design_promises(files: dict[str, bytes]) -> None:
    promised = oracle.expected(files, NOW)
    events: list[pa.Table] = []
    tracks: list[pa.Table] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        for table, good in ((TRACKS, tracks), (USER_EVENTS, events)):
            for path in sorted(folder.glob(f"{table.name}*")):
                assert inspect(path, folder, table) is None
                rows = judged(read_landed(path, table).read_all(), table)
                assert rows.num_rows == promised.rows[path.name]
                reasons = [set(row["reasons"]) for row in cleaning.rejected(rows).to_pylist()]
                assert reasons == promised.rejected[path.name]
                if table is USER_EVENTS:
                    of_file = cleaned(rows, table)
                    assert cleaning.kept_counts(of_file)["duplicates"] == promised.duplicates[path.name]
                    good.append(of_file)
                else:
                    good.append(rows)
    log, catalogue = pa.concat_tables(events), cleaned(pa.concat_tables(tracks), TRACKS)
    counted = interactions(log)
    assert by(graph_tables.user_nodes(counted_by(distinct(log), DEVICE_KEYS)), "user_id") == promised.users
    nodes = by(graph_tables.track_nodes(catalogue, popularity.sums(counted)), "track_id")
    # A popularity is this project's own notion, and no promise of the design.
    assert {key: {k: v for k, v in it.items() if k != "popularity"} for key, it in nodes.items()} == (promised.tracks)
    assert set(by(graph_tables.artist_nodes(catalogue), "name")) == promised.artists
    assert set(by(graph_tables.genre_nodes(catalogue), "name")) == promised.genres
    assert set(by(graph_tables.by_edges(catalogue), "track_id", "artist")) == promised.by
    assert set(by(graph_tables.in_genre_edges(catalogue), "track_id", "genre")) == promised.in_genre
    edges = {
        (user, event.relationship.type, track): {name: row[name] for name in ("count", "first_ts", "last_ts")}
        for event in EVENT_TYPES
        for (user, track), row in by(graph_tables.interaction_edges(counted, event), "user_id", "track_id").items()
    }
    assert edges == promised.events


def by(rows: pa.Table, *keys: str) -> dict[Any, dict[str, Any]]:
    """The values of each row but for those that are missing; every key is there once."""
    found = [{name: value for name, value in row.items() if value is not None} for row in rows.to_pylist()]
    at = [row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys) for row in found]
    assert len(set(at)) == len(at)
    return dict(zip(at, found, strict=True))


def test_no_rows_at_all_are_the_graph_of_nothing() -> None:
    nothing = {"tracks.csv": b"track_id,artist,album,duration_ms,genre\n"}
    assert oracle.expected(nothing, NOW) == oracle.Expected()
    assert judged(raw_schema(TRACKS).empty_table(), TRACKS).num_rows == 0
