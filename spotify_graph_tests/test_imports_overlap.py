"""Exports that tell of the same listening, in any order: it is told once, by the best of them."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_graph.imports import door
from spotify_graph.imports.meaning import name_id
from spotify_graph.settings import Settings
from spotify_graph_tests.histories import endsong, library, lines, listen, mbid, minute, stream, uri, write

Files = Mapping[str, object]

DAY = "2024-03-0"
LISTENED = 1_709_294_200  # 2024-03-01 11:56:40 UTC, when the stream below began


def merged(home: Path, exports: Iterable[Files], user: str = "ann") -> list[tuple[str, ...]]:
    """The events that are there after imports of these exports, one after the other."""
    settings = Settings(SPOTIFY_GRAPH_HOME=str(home))
    for number, files in enumerate(exports):
        with TemporaryDirectory() as folder:
            door.take(settings, write(Path(folder) / str(number), files), user=user)
    with (home / "landing" / f"user_events-imported-{user}.csv").open(encoding="utf-8") as file:
        return [tuple(row)[1:4] for row in csv.reader(file)][1:]


BASIC: Files = {
    "MyData/StreamingHistory0.json": [
        minute(f"{DAY}1 12:00"),
        minute(f"{DAY}2 12:00", track=2),  # in a private session
        minute(f"{DAY}3 12:00", track=3),
        minute(f"{DAY}3 12:00", 31_000, track=4),  # in the extended one's last minute, and not in it
        minute(f"{DAY}4 12:00", track=5),
    ]
}
EXTENDED: Files = {
    "Streaming_History_Audio_2024_0.json": [
        stream(f"{DAY}1T12:00:10Z"),
        stream(f"{DAY}2T12:00:10Z", track=2, incognito_mode=True),
        stream(f"{DAY}3T12:00:10Z", track=3),
    ]
}


@pytest.mark.parametrize("exports", [(BASIC, EXTENDED), (EXTENDED, BASIC), (EXTENDED, BASIC, EXTENDED)])
def test_a_basic_and_an_extended_export_of_the_same_time_are_one_history_and_the_extended_one_tells_it(
    tmp_path: Path, exports: Sequence[Files]
) -> None:
    assert merged(tmp_path, exports) == [
        (uri(1), "play", "2024-03-01T11:56:50.000Z"),
        (uri(3), "play", "2024-03-03T11:56:50.000Z"),
        (name_id("Band 4", "Song 4"), "play", "2024-03-03T11:59:29.000Z"),
        (name_id("Band 5", "Song 5"), "play", "2024-03-04T11:56:40.000Z"),
    ]


def test_both_in_one_folder_are_the_same_as_one_after_the_other(tmp_path: Path) -> None:
    apart = merged(tmp_path / "apart", [BASIC, EXTENDED])
    assert merged(tmp_path / "together", [{**BASIC, **EXTENDED}]) == apart


def test_a_longer_export_of_the_same_account_doubles_nothing_and_a_shorter_one_takes_nothing_away(
    tmp_path: Path,
) -> None:
    rows = [stream(f"{DAY}{day}T12:00:00Z", track=day) for day in range(1, 6)]
    short, long = ({"Streaming_History_Audio_2024_0.json": rows[:count]} for count in (3, 5))
    expected = merged(tmp_path / "long", [long])
    assert len(expected) == 5
    assert merged(tmp_path / "longer later", [short, long]) == expected
    assert merged(tmp_path / "shorter later", [long, short]) == expected


def test_the_same_streams_in_both_generations_of_the_extended_export_are_one_history(tmp_path: Path) -> None:
    times = [f"{DAY}{day}T12:00:00Z" for day in range(1, 6)]
    old = {"MyData/endsong_0.json": [endsong(ts) for ts in times]}
    new = {"Streaming_History_Audio_2024_0.json": [stream(ts) for ts in times]}
    assert len(merged(tmp_path, [old, new])) == 5


def test_two_streams_of_a_track_in_one_basic_minute_stay_two(tmp_path: Path) -> None:
    basic = {"StreamingHistory0.json": [minute(f"{DAY}1 12:00", 31_000), minute(f"{DAY}1 12:00", 5_000)]}
    assert len(merged(tmp_path, [basic])) == 2


@pytest.mark.parametrize("late", [0, 5, 200])
def test_a_scrobble_of_what_a_stream_tells_is_the_same_play(tmp_path: Path, late: int) -> None:
    scrobbled = {
        "listens/2024/3.jsonl": lines([listen(LISTENED + late, 1, mapped=1), listen(LISTENED + 900, 1, mapped=1)])
    }
    extended = {"a.json": [stream(f"{DAY}1T12:00:00Z")]}
    expected = [
        (uri(1), "play", "2024-03-01T11:56:40.000Z"),
        (mbid(1), "play", "2024-03-01T12:11:40.000Z"),
    ]
    assert merged(tmp_path / "a", [scrobbled, extended]) == merged(tmp_path / "b", [extended, scrobbled]) == expected


def test_a_track_that_is_saved_in_two_downloads_is_one_like_dated_by_the_earlier(tmp_path: Path) -> None:
    def download(day: int, saved: Sequence[int]) -> Files:
        rows = [minute(f"{DAY}{it} 12:00") for it in range(1, day + 1)]
        return {"MyData/StreamingHistory0.json": rows, "MyData/YourLibrary.json": library(*saved)}

    early, late = download(2, [1]), download(4, [1, 2])
    likes = [event for event in merged(tmp_path / "a", [early, late]) if event[1] == "like"]
    assert likes == [(uri(1), "like", "2024-03-02T12:00:00.000Z"), (uri(2), "like", "2024-03-04T12:00:00.000Z")]
    assert [event for event in merged(tmp_path / "b", [late, early]) if event[1] == "like"] == likes


def test_the_same_saved_tracks_in_two_downloads_are_dated_by_the_earlier(tmp_path: Path) -> None:
    downloads = [
        {"MyData/StreamingHistory0.json": [minute(f"{DAY}{day} 12:00")], "MyData/YourLibrary.json": library(1)}
        for day in (2, 4)
    ]
    for name, exports in (("a", downloads), ("b", downloads[::-1])):
        likes = [event for event in merged(tmp_path / name, exports) if event[1] == "like"]
        assert likes == [(uri(1), "like", "2024-03-02T12:00:00.000Z")]


tracks = st.integers(1, 3)
stamps = st.builds("2024-03-{:02d}T1{}:{:02d}:{:02d}Z".format, st.integers(1, 3), *[st.integers(0, 3)] * 3)
lengths = st.sampled_from((5_000, 31_000, 200_000))
more = st.fixed_dictionaries(
    {}, optional={"platform": st.sampled_from(("web_player", "ios")), "incognito_mode": st.booleans()}
)


def listened(ts: str, ms: int, track: int, changes: Mapping[str, object]) -> tuple[dict[str, object], ...]:
    """A stream as the sources have it."""
    second = int(Path(ts).name[-3:-1])
    at = (
        LISTENED
        - LISTENED % 86_400
        + (int(ts[8:10]) - 1) * 86_400
        + int(ts[11:13]) * 3_600
        + int(ts[14:16]) * 60
        + second
    )
    return (
        stream(ts, ms, track, **changes),
        endsong(ts, ms, track, **changes),
        minute(ts[:16].replace("T", " "), ms, track),
        listen(at, track, mapped=track if ms > 5_000 else None),
    )


@st.composite
def downloads(draw: st.DrawFn) -> list[Files]:
    """Several exports of parts of one history."""
    rows = draw(st.lists(st.builds(listened, stamps, lengths, tracks, more), min_size=1, max_size=8))
    found: list[Files] = []
    for _ in range(draw(st.integers(1, 4))):
        part = draw(st.lists(st.sampled_from(rows), min_size=1, max_size=6))
        files: dict[str, object] = {}
        for kind in draw(st.sets(st.integers(0, 3), min_size=1, max_size=3)):
            name = ("Streaming_History_Audio_0.json", "endsong_0.json", "StreamingHistory0.json", "listens/3.jsonl")[
                kind
            ]
            files[name] = lines(row[3] for row in part) if name.endswith("l") else [row[kind] for row in part]
        if draw(st.booleans()):
            files["YourLibrary.json"] = library(*draw(st.sampled_from(((1,), (1, 2)))))
        found.append(files)
    return found


@settings(max_examples=15, deadline=None)
@given(exports=downloads(), data=st.data())
def test_any_order_and_any_repetition_of_exports_give_the_same_files(exports: list[Files], data: st.DataObject) -> None:
    again = data.draw(st.permutations([*exports, *data.draw(st.lists(st.sampled_from(exports), max_size=2))]))

    def landed(of: Sequence[Files]) -> dict[str, bytes]:
        with TemporaryDirectory() as home:
            merged(Path(home), of)
            return {path.name: path.read_bytes() for path in (Path(home) / "landing").iterdir()}

    assert landed(exports) == landed(again)
