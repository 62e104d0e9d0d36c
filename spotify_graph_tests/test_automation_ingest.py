"""Which landed files are taken in: the decision alone, over files that are made up."""

from dataclasses import replace

import pytest

from spotify_graph.automation import ingest as how
from spotify_graph.automation.ingest import FAILED_RUNS, LIMIT, MANY, Attempts, Decision, Ingest, IngestMany, decide
from spotify_graph.automation.landed import LandedFile
from spotify_graph.automation.tags import ATTEMPT_TAG, CODE_TAG, DIGEST_TAG, FILE_TAG, FILES_TAG
from spotify_graph.landing_folder import Look
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS
from spotify_graph.transforms.landing import BadFile

FILE = "user_events_1.csv"


def landed(name: str = FILE, state: str = "new", digest: str | None = "d", note: str | None = None) -> LandedFile:
    table = TRACKS if name.startswith("tracks") else USER_EVENTS
    return LandedFile(name, table, Look(1, 0, 0, 0), state, note, None, f"code of {table.name}", digest)


def test_what_is_pending_is_taken_in_and_what_is_known_is_not() -> None:
    pending = [
        landed("tracks.csv", "stale"),
        *(landed(f"user_events_{state}", state) for state in ("changed", "failed")),
    ]
    known = [landed(f"user_events_{state}", state) for state in ("passed", "refused", "accepted", "forgotten")]
    decision = decide([*pending, *known])
    assert decision == Decision(tuple(map(Ingest.of, pending)), known=4)
    assert [ingest.table for ingest in decision.files] == [TRACKS, USER_EVENTS, USER_EVENTS]


def test_a_run_is_tagged_with_what_it_takes_in_and_by_which_code() -> None:
    assert Ingest.of(landed(), Attempts(next=2)).tags == {
        FILE_TAG: FILE,
        DIGEST_TAG: "d",
        CODE_TAG: "code of user_events",
        ATTEMPT_TAG: "2",
    }


def test_a_file_that_left_the_folder_is_not_counted_among_those_that_lie_there() -> None:
    left = LandedFile(FILE, USER_EVENTS, None, "passed", None, None, "c", "d")
    assert decide([left]) == Decision()


def test_a_file_that_is_not_complete_waits_to_become_stable_and_one_that_was_not_hashed_yet_for_its_turn() -> None:
    files = [landed(FILE, "being written", None), landed("user_events_2.csv", "waiting", None)]
    assert decide(files) == Decision(unsettled=(FILE,), waiting=1)


def test_a_file_with_a_run_in_flight_waits_for_it_even_with_new_content() -> None:
    assert decide([landed(state="changed")], in_flight={FILE}) == Decision(under_way=(FILE,))


def test_catalogues_are_taken_in_by_runs_of_their_own_so_many_at_a_look() -> None:
    names = [f"tracks_{number:03}.csv" for number in range(60)]
    taken: set[str] = set()
    batches = []
    for _ in range(4):
        decision = decide(landed(name, "passed" if name in taken else "new") for name in names)
        batches.append((len(decision.runs), decision.waiting, decision.known))
        taken |= {ingest.file for ingest in decision.files}
    assert LIMIT == 25
    assert batches == [(25, 35, 0), (25, 10, 25), (10, 0, 50), (0, 0, 60)]


def events(count: int) -> list[LandedFile]:
    return [landed(f"user_events_{number:04}.csv") for number in range(count)]


def test_many_files_of_events_share_a_run_and_few_have_one_each() -> None:
    few, many = decide(events(MANY - 1)), decide(events(MANY))
    assert [len(run.files) for run in few.runs] == [1] * (MANY - 1)
    (run,) = many.runs
    assert run.job == "ingest_many"
    assert run.partition_key is None
    assert run.run_config == {"ops": {"take_in_files": {"config": {"files": [it.name for it in events(MANY)]}}}}
    assert run.tags[FILES_TAG] == str(MANY)
    assert set(run.tags.values()) >= {it.name for it in events(MANY)}


def test_a_run_takes_in_so_many_files_at_most_and_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how, "MOST", 20)
    monkeypatch.setattr(how, "MOST_BYTES", 100)
    (first,) = decide(events(30)).runs
    assert [it.file for it in first.files] == [it.name for it in events(20)]
    assert decide(events(30)).waiting == 10
    sized = []
    for file, size in zip(events(9), [*[20] * 8, 101], strict=True):
        sized.append(replace(file, look=Look(1, size, 0, 0)))
    assert sorted(len(run.files) for run in decide(sized).runs) == [1, 1, 1, 1, 5], "the rest is few, and one is large"


def test_while_a_run_of_many_is_in_flight_others_wait_until_it_has_ended() -> None:
    assert decide(events(MANY), many_in_flight=True) == Decision(waiting=MANY)
    assert len(decide(events(1), many_in_flight=True).runs) == 1


def test_what_a_run_of_many_has_left_out_gets_a_run_of_its_own() -> None:
    left_out = "user_events_0003.csv"
    decision = decide(events(10), attempts=lambda file: Attempts(next=1, alone=file.name == left_out))
    alone, shared = decision.runs
    assert isinstance(alone, Ingest)
    assert (alone.file, alone.job, alone.attempt) == (left_out, "ingest_events", 1)
    assert isinstance(shared, IngestMany)
    assert left_out not in {it.file for it in shared.files}


def test_a_run_of_many_that_is_asked_for_again_has_another_key() -> None:
    keys = {decide(events(MANY), attempts=lambda _: Attempts(tried)).runs[0].key for tried in range(3)}  # noqa: B023
    assert len(keys) == 3
    assert decide(events(MANY)).runs[0].key in keys


def test_earlier_runs_are_looked_up_for_the_files_of_the_batch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how, "MOST", 1)
    asked = []

    def attempts(file: LandedFile) -> Attempts:
        asked.append(file.name)
        return Attempts()

    decide(events(3), attempts=attempts)
    assert asked == ["user_events_0000.csv"]


def test_a_failed_content_is_tried_again_under_another_key_and_given_up_in_the_end() -> None:
    keys = []
    for failed in range(FAILED_RUNS):
        tried = Attempts(next=failed, failed=failed)
        (ingest,) = decide([landed(digest="d" * 64)], attempts=lambda _: tried).runs  # noqa: B023
        keys.append(ingest.key)
    assert keys == [f"{FILE}@{'d' * 16}/code of user_eve#{attempt}" for attempt in (0, 1, 2)]
    decision = decide([landed()], attempts=lambda _: Attempts(3, failed=3))
    assert decision.runs == ()
    (given_up,) = decision.given_up
    assert given_up.file == FILE
    assert all(words in given_up.reason for words in ["3 runs", "raw_user_events", "spotify-graph materialize"])


def test_a_file_that_is_given_up_takes_no_place_in_the_batch() -> None:
    files = [landed("user_events_1.csv", digest="bad"), landed("user_events_2.csv", digest="good")]
    decision = decide(files, attempts=lambda file: Attempts(3, 3 if file.digest == "bad" else 0), limit=1)
    assert [ingest.file for ingest in decision.files] == ["user_events_2.csv"]


def test_a_name_that_does_not_fit_is_refused_with_the_reason() -> None:
    assert decide([landed(FILE, "invalid name", None, "rename it")]) == Decision(refused=(BadFile(FILE, "rename it"),))
