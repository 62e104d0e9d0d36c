"""The global temporal split: train | gap | validation | gap | test, in whole days of UTC.

One cut for all users, so that nothing is learned from what happened later to anybody; see Meng et al., "Exploring Data
Splitting Strategies for the Evaluation of Recommendation Models" (2020). The gaps keep a session that spans midnight
from being learned and asked at once.
"""

from dataclasses import dataclass

_SHARE = 0.1
_LONGEST_DAYS = 28


@dataclass(frozen=True)
class Window:
    """Days to predict, and what may be known for it.

    Attributes:
        known_until: models know the events before this day.
        first: the first day to predict; a gap lies between.
        until: the day after the last one to predict.
    """

    known_until: int
    first: int
    until: int


@dataclass(frozen=True)
class Split:
    """The two windows.

    Attributes:
        validation: what parameters are tuned on.
        test: what the result is measured on, once; its models know the validation window too.
    """

    validation: Window
    test: Window


def split(first: int, last: int, days: int | None = None, gap: int = 1) -> Split | None:
    """Splits the days of a log.

    Args:
        first: the day of the first event, in days since 1970.
        last: the day of the last one.
        days: how many days each window has; a tenth of the log, at the most 28 days, where None.
        gap: how many days lie between.

    Returns:
        The split, or None where the log is too short to train on at least as many days as are predicted.
    """
    until = last + 1
    window = days or min(_LONGEST_DAYS, max(1, round((until - first) * _SHARE)))
    test = Window(until - window - gap, until - window, until)
    validation = Window(test.known_until - window - gap, test.known_until - window, test.known_until)
    return Split(validation, test) if validation.known_until - first >= window else None
