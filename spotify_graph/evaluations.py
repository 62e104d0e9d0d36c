"""What the latest evaluation found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spotify_graph.errors import UserError
from spotify_graph.lake.lake import Lake

_TUNED = (
    "rank",
    "unobserved",
    "regularization",
    "linear_strength",
    "profile_half_life_days",
    "cooccurrence_half_life_days",
)
_JUDGED_BY = {
    "window": "tuned on the days before",
    "pairs": "tuned on pairs of a user and a track, for hardly any are met in the days before",
    None: "too little to tune anything by",
}


@dataclass(frozen=True)
class Found:
    """What an evaluation found.

    Attributes:
        records: the rows of recommendation_evaluation, as plain values.
        about: what is kept with them: the parameters, the combination's weights, the test window.
    """

    records: list[dict[str, Any]]
    about: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """The test window, how much it has to say, and what the models were tuned to, in two lines."""
        first, last = self.about["test_window"]
        found, judged = self.about["evidence"], self.about["judged_evidence"]
        tuned = ", ".join(f"{name} {self.about['parameters'][name]}" for name in _TUNED)
        return (
            f"Held out: {first} to {last}, {found['users']} users with {found['pairs']} tracks that were new to them.\n"
            f"{_JUDGED_BY[self.about['judged_by']].capitalize()}"
            f" ({judged['users']} users, {judged['pairs']} tracks): {tuned}"
        )


def latest(lake: Lake) -> Found:
    """Reads the latest evaluation.

    Raises:
        UserError: the logs were too short to hold some days out.
    """
    version = lake.latest("recommendation_evaluation")
    if not version.rows:
        raise UserError("the logs are of too few days to hold some out: there is nothing to measure yet")
    return Found(version.part.read().to_pylist(), version.record.details)
