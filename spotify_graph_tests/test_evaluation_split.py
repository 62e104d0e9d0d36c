"""The split in time, over logs of every length that comes up."""

import pytest

from spotify_graph.transforms.evaluation.split import Split, Window, split

FIRST = 20_000


def test_windows_are_in_order_with_a_gap_before_each() -> None:
    # 180 days, of which 18 are a tenth: the log ends after day 179.
    assert split(FIRST, FIRST + 179, gap=2) == Split(
        validation=Window(known_until=FIRST + 140, first=FIRST + 142, until=FIRST + 160),
        test=Window(known_until=FIRST + 160, first=FIRST + 162, until=FIRST + 180),
    )


@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize("days", [None, 1, 7])
def test_no_day_is_both_known_and_asked_or_asked_twice(days: int | None, gap: int) -> None:
    found_any = False
    for length in range(1, 120):
        found = split(FIRST, FIRST + length - 1, days, gap)
        if not found:
            continue
        found_any = True
        train, validation, test = (
            range(FIRST, found.validation.known_until),
            range(found.validation.first, found.validation.until),
            range(found.test.first, found.test.until),
        )
        assert train.stop + gap == validation.start
        assert validation.stop == found.test.known_until
        assert validation.stop + gap == test.start
        assert test.stop == FIRST + length
        assert len(train) >= len(validation) == len(test) == (days or len(test))
    assert found_any


@pytest.mark.parametrize(("length", "days"), [(10, 1), (44, 4), (180, 18), (280, 28), (281, 28), (3_650, 28)])
def test_a_window_is_a_tenth_of_the_log_and_at_most_28_days(length: int, days: int) -> None:
    found = split(FIRST, FIRST + length - 1)
    assert found
    assert found.test.until - found.test.first == days


@pytest.mark.parametrize(
    ("length", "days", "gap", "enough"),
    [
        (4, None, 1, False),  # a day each, a gap before two of them, and nothing to learn from
        (5, None, 1, True),
        (0, None, 1, False),  # no events
        (20, 7, 0, False),
        (21, 7, 0, True),
        (22, 7, 1, False),
        (23, 7, 1, True),
    ],
)
def test_a_log_that_is_too_short_to_learn_from_is_not_split(
    length: int, days: int | None, gap: int, enough: bool
) -> None:
    assert bool(split(FIRST, FIRST + length - 1, days, gap)) == enough
