"""The sensor that brings the graph up to date, which looks at every asset only where something has happened."""

import warnings
from time import monotonic
from typing import Any

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

_AGAIN = 2
"""How often the conditions are evaluated for what has happened: what the first time asked for, the next takes in."""
_LONGEST_SECONDS = 10 * 60
"""How long they are not evaluated at most: what a person deletes of the history is seen then."""


class AutomationAfterChanges(dg.AutomationConditionSensorDefinition):
    """Evaluates the automation conditions of assets after anything has happened to an asset or a run.

    To evaluate those of all assets takes a hundred times as long as to ask for the newest event.
    """

    _newest: int | None = None
    _evaluations = 0
    _evaluated = 0.0

    def __init__(self, name: str, **options: Any) -> None:
        with warnings.catch_warnings():
            # That the code server evaluates the conditions is new in Dagster.
            warnings.simplefilter("ignore", dg.BetaWarning)
            super().__init__(name, **options)

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> SensorExecutionData:
        """Evaluates the conditions, or says that nothing has happened."""
        newest = context.instance.event_log_storage.get_maximum_record_id()
        if newest != self._newest:
            self._newest, self._evaluations = newest, 0
        if self._evaluations >= _AGAIN and monotonic() - self._evaluated < _LONGEST_SECONDS:
            return SensorExecutionData(skip_message="nothing has happened", cursor=context.cursor)
        found = super().evaluate_tick(context)
        # Not before: what could not be evaluated is evaluated again.
        self._evaluations, self._evaluated = self._evaluations + 1, monotonic()
        return found
