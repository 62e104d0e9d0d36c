"""Which landed files are taken in: the decision alone, over files that are made up."""

from pathlib import Path

from spotify_graph.automation.ingest import FAILED_RUNS, LIMIT, Attempts, Decision, Ingest, decide
from spotify_graph.automation.landed import LandedFile
from spotify_graph.automation.tags import ATTEMPT_TAG, CODE_TAG, DIGEST_TAG, FILE_TAG
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, BadFile

FILE = "user_events_1.csv"


def landed(name: str = FILE, state: str = "new", digest: str | None = "d", note: str | None = None) -> LandedFile:
    table = TRACKS if name.startswith("tracks") else USER_EVENTS
    return LandedFile(name, table, Path(name), state, note, None, f"code of {table.name}", digest)


def test_what_is_pending_is_taken_in_and_what_is_known_is_not() -> None:
    pending = [
        landed("tracks.csv", "stale"),
        *(landed(f"user_events_{state}", state) for state in ("changed", "failed")),
    ]
    known = [landed(f"user_events_{state}", state) for state in ("passed", "refused", "accepted", "forgotten")]
    decision = decide([*pending, *known])
    assert decision == Decision(tuple(map(Ingest.of, pending)), known=4)
    assert [ingest.table for ingest in decision.ingest] == [TRACKS, USER_EVENTS, USER_EVENTS]


def test_a_run_is_tagged_with_what_it_takes_in_and_by_which_code() -> None:
    assert Ingest.of(landed(), 2).tags == {
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


def test_a_large_backlog_is_taken_in_in_batches() -> None:
    names = [f"user_events_{number:03}.csv" for number in range(60)]
    taken: set[str] = set()
    batches = []
    for _ in range(4):
        decision = decide(landed(name, "passed" if name in taken else "new") for name in names)
        batches.append((len(decision.ingest), decision.waiting, decision.known))
        taken |= {ingest.file for ingest in decision.ingest}
    assert LIMIT == 25
    assert batches == [(25, 35, 0), (25, 10, 25), (10, 0, 50), (0, 0, 60)]


def test_earlier_runs_are_looked_up_for_the_files_of_the_batch_only() -> None:
    asked = []

    def attempts(file: LandedFile) -> Attempts:
        asked.append(file.name)
        return Attempts()

    decide([landed(f"user_events_{number}.csv") for number in (1, 2, 3)], attempts=attempts, limit=1)
    assert asked == ["user_events_1.csv"]


def test_a_failed_content_is_tried_again_under_another_key_and_given_up_in_the_end() -> None:
    keys = []
    for failed in range(FAILED_RUNS):
        tried = Attempts(next=failed, failed=failed)
        (ingest,) = decide([landed(digest="d" * 64)], attempts=lambda _: tried).ingest  # noqa: B023
        keys.append(ingest.key)
    assert keys == [f"{FILE}@{'d' * 16}/code of user_eve#{attempt}" for attempt in (0, 1, 2)]
    decision = decide([landed()], attempts=lambda _: Attempts(3, failed=3))
    assert decision.ingest == ()
    (given_up,) = decision.given_up
    assert given_up.file == FILE
    assert all(words in given_up.reason for words in ["3 runs", "raw_user_events", "spotify-graph materialize"])


def test_a_file_that_is_given_up_takes_no_place_in_the_batch() -> None:
    files = [landed("user_events_1.csv", digest="bad"), landed("user_events_2.csv", digest="good")]
    decision = decide(files, attempts=lambda file: Attempts(3, 3 if file.digest == "bad" else 0), limit=1)
    assert [ingest.file for ingest in decision.ingest] == ["user_events_2.csv"]


def test_a_name_that_does_not_fit_is_refused_with_the_reason() -> None:
    assert decide([landed(FILE, "invalid name", None, "rename it")]) == Decision(refused=(BadFile(FILE, "rename it"),))
