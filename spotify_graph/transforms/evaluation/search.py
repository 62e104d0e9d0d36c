"""The search for parameters, on the validation window alone.

A hill climb, one parameter after the other: from where it stands, a parameter goes up or down its steps as long as the
ranking gets better. Parameters of one model are judged by that model alone, so that each trial trains no more than it
needs. What is judged is NDCG at 100 among tracks that the user had never met.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import repeat
from typing import Any

from pyspark import inheritable_thread_target
from pyspark.sql import DataFrame

from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.examples import examples
from spotify_graph.transforms.evaluation.lists import PLACES, Lists, Ranker, Scope, questions, rank
from spotify_graph.transforms.evaluation.rankers import COMBINATION, combined, models
from spotify_graph.transforms.evaluation.split import Window
from spotify_graph.transforms.recommendations import combination
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination
from spotify_graph.transforms.recommendations.knowledge import Prepared, learn
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS

Say = Callable[[str], None]

STEPS: Sequence[tuple[str, str, Sequence[Any]]] = (
    ("neighbours", "cooccurrence_half_life_days", (15.0, 45.0, 180.0, None)),
    ("neighbours", "profile_half_life_days", (10.0, 30.0, 90.0, None)),
    ("factors", "rank", (8, 16, 32, 64, 128)),
    ("factors", "alpha", (0.3, 1.0, 3.0, 10.0, 40.0)),
    ("factors", "regularization", (0.003, 0.01, 0.05, 0.2, 0.8)),
    ("factors", "rank", (8, 16, 32, 64, 128)),
)
"""What is tuned, in order: the model that judges, the parameter, and its steps."""
LEAST_USERS = 30
"""With fewer users in the window, what looks better is so by chance: the search keeps what it starts from."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried.

    Attributes:
        model: the model that was ranked by.
        parameter: what was varied; None for a model as it came out.
        value: its value.
        ndcg: NDCG at 100 in the validation window, never-heard tracks.
    """

    model: str
    parameter: str | None
    value: Any
    ndcg: float


@dataclass(frozen=True)
class Tuned:
    """What the search found.

    Attributes:
        parameters: the best parameters.
        combination: the best combination of the models.
        trials: everything that was tried, in order.
    """

    parameters: Parameters
    combination: Combination
    trials: Sequence[Trial]


def search_is_due(searched_before: date, until: date, days: int) -> bool:
    """Whether what a search found is to be found anew.

    Where events were taken out since, the days that it judged by may now be among those that are measured.

    Args:
        searched_before: the day after the newest event that it knew.
        until: the day after the newest event now.
        days: for how many days of new events it is kept.
    """
    return not 0 <= (until - searched_before).days < days


def tune(
    logs: Logs,
    window: Window,
    parameters: Parameters,
    most_users: int,
    say: Say,
    steps: Sequence[tuple[str, str, Sequence[Any]]] = STEPS,
) -> Tuned:
    """Searches parameters and learns the combination.

    Args:
        logs: what to learn from.
        window: the validation window.
        parameters: where to start, and what is not tuned.
        most_users: how many users to judge by.
        say: told what was found.
        steps: what to tune.
    """
    asked = questions(logs.activity, window, most_users, parameters.seed).persist()
    users = asked.count()
    if users < LEAST_USERS:
        say(f"{users} users in the validation window are too few to tune anything")
        asked.unpersist()
        return Tuned(parameters, DEFAULT, ())
    trials = _Trials(logs, window, asked)
    for model, name, values in steps:
        parameters = trials.climb(parameters, model, name, values)
        say(f"{name} {getattr(parameters, name)}: NDCG {trials.best:.4f} by {model} alone")
    knowledge = learn(logs, trials.prepared(parameters), parameters)
    learned = combination.fit(examples(asked, knowledge, parameters), tuple(MODELS))
    rankers = {**models(), COMBINATION: combined(learned)}
    lists = rank(asked, knowledge, rankers, (Scope.NEW,), parameters)
    found = {name: _ndcg(lists[name, Scope.NEW]) for name in rankers}
    best = max([COMBINATION, *MODELS], key=found.__getitem__)
    say(f"best in the validation window: {best}, NDCG {found[best]:.4f}")
    tried = [*trials.done, *(Trial(name, None, None, value) for name, value in found.items())]
    knowledge.release()
    trials.release()
    asked.unpersist()
    # A combination that is worse than a part of it has learned what does not hold; then that part ranks alone.
    return Tuned(parameters, learned if best == COMBINATION else Combination.of(best), tried)


class _Trials:
    """Trials on one window; none is made twice."""

    def __init__(self, logs: Logs, window: Window, asked: DataFrame) -> None:
        self._logs, self._window, self._asked = logs, window, asked
        self._prepared: dict[tuple[Any, ...], Prepared] = {}
        self._found: dict[tuple[str, Parameters], Trial] = {}
        self.best = 0.0

    @property
    def done(self) -> list[Trial]:
        return list(self._found.values())

    def prepared(self, parameters: Parameters) -> Prepared:
        key = (parameters.cooccurrence_half_life_days, parameters.profile_half_life_days)
        if key not in self._prepared:
            self._prepared[key] = Prepared.of(self._logs, self._window.known_until, parameters)
        return self._prepared[key]

    def climb(self, parameters: Parameters, model: str, name: str, values: Sequence[Any]) -> Parameters:
        """The best of the values that lead uphill from the one that the parameters have."""
        now = getattr(parameters, name)
        place = values.index(now) if now in values else len(values) // 2
        steps = [parameters.model_copy(update={name: value}) for value in values]
        # To know that a value is the best, both beside it are tried as well.
        self._try([*([] if now in values else [parameters]), *steps[max(place - 1, 0) : place + 2]], model, name)

        def ndcg(place: int) -> float:
            self._try([steps[place]], model, name)
            return self._found[model, steps[place]].ndcg

        self.best = ndcg(place)
        for step in (1, -1):
            start = place
            while 0 <= place + step < len(values) and ndcg(place + step) > self.best:
                place += step
                self.best = ndcg(place)
            if place != start:
                break
        if now not in values and self.best <= self._found[model, parameters].ndcg:
            self.best = self._found[model, parameters].ndcg
            return parameters
        return steps[place]

    def release(self) -> None:
        for prepared in self._prepared.values():
            prepared.release()

    def _try(self, tried: Sequence[Parameters], model: str, name: str) -> None:
        """Makes the trials that were not made yet, side by side: a single one does not keep Spark busy."""
        new = [it for it in tried if (model, it) not in self._found]
        if not new:
            return
        prepared = [self.prepared(it) for it in new]
        measure = inheritable_thread_target(self._asked.sparkSession)(self._measured)
        with ThreadPoolExecutor(len(new)) as pool:
            trials = pool.map(measure, prepared, new, repeat(model), repeat(name))
            self._found |= {(model, it): trial for it, trial in zip(new, trials, strict=True)}

    def _measured(self, prepared: Prepared, parameters: Parameters, model: str, name: str) -> Trial:
        knowledge = learn(self._logs, prepared, parameters, (model,))
        ranker: dict[str, Ranker] = {model: models()[model]}
        lists = rank(self._asked, knowledge, ranker, (Scope.NEW,), parameters)
        knowledge.release()
        return Trial(model, name, getattr(parameters, name), _ndcg(lists[model, Scope.NEW]))


def _ndcg(lists: Lists) -> float:
    return float(metrics.ndcg(lists.hits, lists.relevant, PLACES).mean()) if len(lists.users) else 0.0
