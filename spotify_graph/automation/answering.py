"""Sensors whose stores are away: a tick then is skipped, and says in one line what does not answer."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import dagster as dg

from spotify_graph.errors import UserError
from spotify_graph.lake.preparation import must_answer
from spotify_graph.settings import Settings

_Found = TypeVar("_Found")
_Evaluate = Callable[[dg.SensorEvaluationContext], _Found]


def answering() -> Settings:
    """The installation's settings, once the lake's store has answered.

    Raises:
        UserError: a setting does not fit, or the store does not answer.
    """
    settings = Settings.load()
    must_answer(settings.lake)
    return settings


def skipped_without_stores(evaluate: _Evaluate[_Found]) -> _Evaluate[_Found | dg.SkipReason]:
    """The evaluation of a sensor that looks into lake and landing folder: where these don't answer, it says so.

    The cursor stays as it is, so that the next tick that finds them goes on.
    """

    @wraps(evaluate)
    def evaluated(context: dg.SensorEvaluationContext) -> _Found | dg.SkipReason:
        try:
            return evaluate(context)
        except (UserError, ConnectionError) as error:
            return dg.SkipReason(str(error))

    return evaluated
