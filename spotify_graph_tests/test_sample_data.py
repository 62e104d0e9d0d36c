import csv
import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from spotify_graph import sample_data
from spotify_graph.errors import UserError
from spotify_graph.sample_data import SampleData, generate

TRACKS, USERS, EVENTS = 600, 300, 60_000
END = date(2026, 1, 1)
WEIGHTS = {"play": 0.6, "skip": 0.2, "like": 0.1, "pause": 0.05, "seek": 0.05}

SCRIPT = """
import sys
from datetime import date
from pathlib import Path
from spotify_graph.sample_data import generate
home = Path(sys.argv[1])
generate(home / "landing", truth=home / "truth", tracks=100, users=50, events=int(sys.argv[2]), seed=7,
         end=date(2026, 1, 1), progress=lambda done, total: print(done, total, flush=True))
"""


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def digests(data: SampleData) -> list[str]:
    paths = (data.tracks, data.user_events, data.track_popularity, data.user_tastes)
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def small(home: Path, seed: int = 7, end: date | None = END) -> SampleData:
    return generate(home / "landing", truth=home / "truth", tracks=100, users=50, events=5_000, seed=seed, end=end)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleData:
    home = tmp_path_factory.mktemp("sample")
    return generate(home / "landing", truth=home / "truth", tracks=TRACKS, users=USERS, events=EVENTS, seed=11, end=END)


@pytest.fixture(scope="module")
def catalogue(sample: SampleData) -> list[dict[str, str]]:
    return rows(sample.tracks)


@pytest.fixture(scope="module")
def log(sample: SampleData) -> list[dict[str, str]]:
    return rows(sample.user_events)


@pytest.fixture(scope="module")
def popularity(sample: SampleData) -> dict[str, float]:
    table = pq.read_table(sample.track_popularity)
    return dict(zip(table["track_id"].to_pylist(), table["popularity"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def true_genre(sample: SampleData) -> dict[str, str]:
    table = pq.read_table(sample.track_popularity)
    return dict(zip(table["track_id"].to_pylist(), table["genre"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def taste(sample: SampleData) -> dict[tuple[str, str], float]:
    table = pq.read_table(sample.user_tastes)
    pairs = zip(table["user_id"].to_pylist(), table["genre"].to_pylist(), strict=True)
    return dict(zip(pairs, table["taste"].to_pylist(), strict=True))


def test_equal_arguments_give_equal_bytes_in_interpreters_with_different_hash_seeds(tmp_path: Path) -> None:
    contents = []
    for hash_seed in ("1", "2"):
        home = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(home), "5000"], env=environment, check=True, stdout=subprocess.DEVNULL
        )
        contents.append({str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()})
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def test_another_seed_gives_other_files(tmp_path: Path) -> None:
    first, second = digests(small(tmp_path / "first", seed=1)), digests(small(tmp_path / "second", seed=2))
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_the_catalogue_meets_the_input_contract(catalogue: list[dict[str, str]]) -> None:
    assert set(catalogue[0]) == {"track_id", "artist", "album", "duration_ms", "genre", "title"}
    assert len({row["track_id"] for row in catalogue}) == len(catalogue) == TRACKS
    for row in catalogue:
        assert len(row["track_id"]) == 22
        assert row["track_id"].isascii()
        assert row["track_id"].isalnum()
        assert int(row["duration_ms"]) > 0
        assert row["artist"]
        assert row["album"]
        assert row["title"]
        for value in row.values():
            assert value == unicodedata.normalize("NFC", " ".join(value.split()))
            assert value.isprintable()


def test_the_log_meets_the_input_contract(log: list[dict[str, str]], catalogue: list[dict[str, str]]) -> None:
    assert list(log[0]) == ["user_id", "track_id", "event_type", "event_ts", "session_id", "device"]
    assert len(log) == EVENTS
    track_ids = {row["track_id"] for row in catalogue}
    for row in log:
        assert all(value and value == value.strip() for value in row.values())
        assert row["track_id"] in track_ids
        assert row["event_type"] in WEIGHTS
        assert len(row["event_ts"]) == len("2026-05-01T12:34:56.789Z")
        assert timedelta() < datetime(*END.timetuple()[:3], tzinfo=UTC) - datetime.fromisoformat(row["event_ts"])


def test_the_log_ends_today_or_as_the_day_begins_that_is_given_and_is_the_same_but_for_that(tmp_path: Path) -> None:
    before = datetime.now(UTC).date()
    given, today = rows(small(tmp_path / "given").user_events), rows(small(tmp_path / "today", end=None).user_events)
    [later] = {
        datetime.fromisoformat(row["event_ts"]) - datetime.fromisoformat(as_given["event_ts"])
        for as_given, row in zip(given, today, strict=True)
    }
    assert END + later in {before, datetime.now(UTC).date()}
    assert END - datetime.fromisoformat(given[-1]["event_ts"]).date() == timedelta(days=1)


@pytest.mark.parametrize("events", [1, 3, 5_000])
def test_the_newest_event_is_the_last_moment_before_the_end_however_few_there_are(tmp_path: Path, events: int) -> None:
    data = generate(tmp_path / "landing", truth=tmp_path / "truth", tracks=9, users=3, events=events, seed=5, end=END)
    assert rows(data.user_events)[-1]["event_ts"] == "2025-12-31T23:59:59.999Z"


def test_no_event_is_logged_twice(log: list[dict[str, str]]) -> None:
    assert len({tuple(row.values()) for row in log}) == EVENTS


def test_the_log_is_in_the_order_of_time_across_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_data, "_CHUNK_EVENTS", 300)
    times = [row["event_ts"] for row in rows(small(tmp_path).user_events)]
    assert len(times) == 5_000
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_event_types_keep_their_shares(log: list[dict[str, str]]) -> None:
    counts = Counter(row["event_type"] for row in log)
    for event_type, weight in WEIGHTS.items():
        standard_error = (weight * (1 - weight) / EVENTS) ** 0.5
        assert counts[event_type] / EVENTS == pytest.approx(weight, abs=5 * standard_error)


def test_a_session_holds_several_events_of_one_user_on_one_device(log: list[dict[str, str]]) -> None:
    holders = defaultdict(set)
    devices = defaultdict(set)
    for row in log:
        holders[row["session_id"]].add((row["user_id"], row["device"]))
        devices[row["user_id"]].add(row["device"])
    assert all(len(holder) == 1 for holder in holders.values())
    assert 4 < EVENTS / len(holders) < 16
    assert {len(owned) for owned in devices.values()} == {1, 2, 3}


def test_six_in_ten_events_return_to_a_track_that_the_user_has_met(log: list[dict[str, str]]) -> None:
    pairs = {(row["user_id"], row["track_id"]) for row in log}
    assert 1 - len(pairs) / EVENTS == pytest.approx(0.6, abs=0.08)


def test_an_artist_keeps_mostly_to_one_genre_and_has_about_ten_tracks(catalogue: list[dict[str, str]]) -> None:
    genres: dict[str, Counter[str]] = defaultdict(Counter)
    for row in catalogue:
        if row["genre"]:
            genres[row["artist"]][row["genre"]] += 1
    in_main_genre = sum(max(counts.values()) for counts in genres.values())
    assert in_main_genre / TRACKS > 0.85
    assert 6 < TRACKS / len(genres) < 15


def test_some_tracks_lack_a_genre_and_some_are_never_heard(
    log: list[dict[str, str]], catalogue: list[dict[str, str]], popularity: dict[str, float]
) -> None:
    assert 0 < sum(not row["genre"] for row in catalogue) < TRACKS / 20
    unheard = {track_id for track_id, value in popularity.items() if not value}
    assert len(unheard) == TRACKS * 3 // 100
    assert not unheard & {row["track_id"] for row in log}


def test_popularity_and_each_user_s_tastes_sum_to_one(
    popularity: dict[str, float], taste: dict[tuple[str, str], float]
) -> None:
    assert sum(popularity.values()) == pytest.approx(1)
    of_user: dict[str, float] = defaultdict(float)
    for (user_id, _), value in taste.items():
        assert value > 0
        of_user[user_id] += value
    assert len(of_user) == USERS
    assert list(of_user.values()) == pytest.approx([1] * USERS)


def test_a_few_users_have_a_narrow_taste(taste: dict[tuple[str, str], float]) -> None:
    narrow = sum(value > 0.85 for value in taste.values())
    assert 0 < narrow < USERS / 5


def test_skips_fall_and_likes_rise_with_true_taste(
    log: list[dict[str, str]], true_genre: dict[str, str], taste: dict[tuple[str, str], float]
) -> None:
    ranked = sorted(log, key=lambda row: taste[row["user_id"], true_genre[row["track_id"]]])
    thirds = [Counter(row["event_type"] for row in ranked[i * EVENTS // 3 : (i + 1) * EVENTS // 3]) for i in range(3)]
    assert thirds[0]["skip"] > 1.3 * thirds[1]["skip"] > 1.3 * 1.3 * thirds[2]["skip"]
    assert 1.3 * 1.3 * thirds[0]["like"] < 1.3 * thirds[1]["like"] < thirds[2]["like"]


def test_true_taste_finds_a_user_s_next_tracks_better_than_popularity_and_that_better_than_chance(
    log: list[dict[str, str]],
    popularity: dict[str, float],
    true_genre: dict[str, str],
    taste: dict[tuple[str, str], float],
) -> None:
    k = 30
    track_ids = list(popularity)
    past, future = log[: EVENTS * 8 // 10], log[EVENTS * 8 // 10 :]
    heard, relevant = defaultdict(set), defaultdict(set)
    for row in past:
        heard[row["user_id"]].add(row["track_id"])
    for row in future:
        if row["event_type"] != "skip" and row["track_id"] not in heard[row["user_id"]]:
            relevant[row["user_id"]].add(row["track_id"])
    plays = Counter(row["track_id"] for row in past if row["event_type"] != "skip")

    recalls = defaultdict(list)
    for user_id, wanted in relevant.items():
        new = [track_id for track_id in track_ids if track_id not in heard[user_id]]
        top = {
            "popularity": sorted(new, key=lambda track_id: -plays[track_id])[:k],
            "oracle": sorted(new, key=lambda track_id: -taste[user_id, true_genre[track_id]] * popularity[track_id])[
                :k
            ],
        }
        recalls["chance"].append(k / len(new))
        for model, tracks in top.items():
            recalls[model].append(len(wanted.intersection(tracks)) / len(wanted))
    recall = {model: np.mean(values) for model, values in recalls.items()}
    assert recall["popularity"] > 1.5 * recall["chance"]
    assert recall["oracle"] > 1.4 * recall["popularity"]


@pytest.mark.parametrize(
    ("tracks", "users", "events"),
    [(1, 1, 1), (1, 1, 1_000), (1, 40, 3), (40, 1, 500), (2, 3, 0), (0, 0, 0), (5, 0, 0), (0, 5, 0)],
)
def test_tiny_sizes_give_exactly_the_rows_asked_for(tmp_path: Path, tracks: int, users: int, events: int) -> None:
    data = generate(tmp_path / "landing", truth=tmp_path / "truth", tracks=tracks, users=users, events=events, seed=3)
    assert data.user_events.read_bytes().startswith(b"user_id,track_id,event_type,event_ts,session_id,device\n")
    logged = rows(data.user_events)
    assert len(logged) == events
    assert len({tuple(row.values()) for row in logged}) == events
    assert len(rows(data.tracks)) == tracks
    assert pq.read_table(data.track_popularity).num_rows == tracks
    assert len(set(pq.read_table(data.user_tastes)["user_id"].to_pylist())) == users


def test_progress_rises_to_the_number_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_data, "_CHUNK_EVENTS", 1_000)
    calls: list[tuple[int, int]] = []
    generate(
        tmp_path / "landing",
        truth=tmp_path / "truth",
        tracks=100,
        users=50,
        events=5_000,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert len(calls) >= 10
    assert calls == sorted(calls)
    assert calls[-1] == (5_000, 5_000)


def test_an_interrupted_run_leaves_the_files_of_the_run_before_it(tmp_path: Path) -> None:
    before = small(tmp_path)
    digests_before, names_before = digests(before), written(tmp_path)

    def interrupt(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(
            tmp_path / "landing", truth=tmp_path / "truth", tracks=9, users=9, events=99, seed=8, progress=interrupt
        )
    assert digests(before) == digests_before
    assert written(tmp_path) == names_before


def test_a_killed_run_leaves_nothing_under_the_names_that_are_taken_in(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "1000000"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not [path for path in (tmp_path / "landing").iterdir() if not path.name.startswith(".")]
    assert not [path for path in (tmp_path / "truth").iterdir() if not path.name.startswith(".")]


def test_other_files_in_the_landing_folder_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "landing" / "user_events_2024.csv"
    other.parent.mkdir()
    other.write_text("theirs")
    small(tmp_path)
    small(tmp_path, seed=8)
    assert other.read_text() == "theirs"
    assert written(tmp_path / "landing") == {"tracks.csv", "user_events.csv", "user_events_2024.csv"}
    assert written(tmp_path / "truth") == {"track_popularity.parquet", "user_tastes.parquet"}


def test_memory_does_not_grow_with_the_number_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_data, "_CHUNK_EVENTS", 10_000)

    def peak(events: int) -> int:
        def trace_from_first_chunk(_done: int, _total: int) -> None:
            if not tracemalloc.is_tracing():
                tracemalloc.start()

        generate(
            tmp_path / "landing",
            truth=tmp_path / "truth",
            tracks=500,
            users=1_000,
            events=events,
            progress=trace_from_first_chunk,
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(300_000) < 1.5 * peak(30_000)


@pytest.mark.parametrize(
    ("tracks", "users", "events", "seed", "message"),
    [
        (-1, 1, 1, 1, "tracks is -1: give 0 or more"),
        (1, -2, 1, 1, "users is -2: give 0 or more"),
        (1, 1, -3, 1, "events is -3: give 0 or more"),
        (1, 1, 1, -4, "seed is -4: give 0 or more"),
        (0, 1, 9, 1, "tracks is 0: 9 events need at least 1"),
        (1, 0, 9, 1, "users is 0: 9 events need at least 1"),
    ],
)
def test_a_size_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, tracks: int, users: int, events: int, seed: int, message: str
) -> None:
    with pytest.raises(UserError) as refusal:
        generate(tmp_path / "landing", truth=tmp_path / "truth", tracks=tracks, users=users, events=events, seed=seed)
    assert str(refusal.value) == message
    assert not written(tmp_path)


@pytest.mark.parametrize("truth", ["landing", "landing/truth", "elsewhere/../landing/truth"])
def test_the_truth_may_not_lie_in_the_landing_folder(tmp_path: Path, truth: str) -> None:
    with pytest.raises(UserError, match="may not lie in the landing folder"):
        generate(tmp_path / "landing", truth=tmp_path / truth, tracks=1, users=1, events=1)
    assert not written(tmp_path)


def test_a_landing_folder_that_is_a_file_is_named_in_one_line(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.write_text("")
    with pytest.raises(UserError) as refusal:
        generate(landing, truth=tmp_path / "truth", tracks=1, users=1, events=1)
    assert str(refusal.value).startswith(f"{landing}: cannot write the sample logs")
    assert "\n" not in str(refusal.value)
