"""The search for parameters, on days or pairs that are not those which the result is measured on.

A hill climb, one parameter after the other: from where it stands, a parameter goes up or down its steps as long as the
ranking gets better, and better means by more than chance: the interval of the mean difference over users, a paired
bootstrap, is above 0. Parameters of one model are judged by that model alone, so that each trial trains no more than it
needs. What is judged is NDCG at 100 among tracks that the user had never met.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from spotify_graph.training import ranking
from spotify_graph.training.holdout_users import Counted, Evidence, HoldoutUsers, count, holdout_users
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.train import train
from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.holdout import Holdout, Pairs
from spotify_graph.transforms.evaluation.lists import PLACES, Lists, Ranker, Scope
from spotify_graph.transforms.evaluation.metrics import Mean, Values
from spotify_graph.transforms.evaluation.rankers import COMBINATION, combined
from spotify_graph.transforms.evaluation.split import Window
from spotify_graph.transforms.recommendations import combination
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination
from spotify_graph.transforms.recommendations.histories import Histories
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS

Say = Callable[[str], None]

STEPS: Sequence[tuple[str, str, Sequence[Any]]] = (
    ("neighbours", "cooccurrence_half_life_days", (15.0, 45.0, 180.0, None)),
    ("neighbours", "profile_half_life_days", (10.0, 30.0, 90.0, None)),
    ("linear", "linear_strength", (3.0, 10.0, 30.0)),
    ("factors", "unobserved", (0.01, 0.03, 0.1, 0.3, 1.0)),
    ("factors", "regularization", (0.001, 0.003, 0.01, 0.03, 0.1)),
    ("factors", "rank", (8, 16, 32, 64, 128)),
)
"""What is tuned, in order: the model that judges, the parameter, and its steps. How many factors help is to be seen
only where they are held as small as the size of the catalogue asks for."""
LEAST_USERS = 30
LEAST_PAIRS = 300
"""With fewer users or fewer never-heard pairs of theirs, nothing could be told from chance."""
ENOUGH_USERS = 200
ENOUGH_PAIRS = 2_000
"""What a window must have to be judged by, instead of pairs."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried.

    Attributes:
        model: the model that was ranked by.
        parameter: what was varied; None for a model as it came out.
        value: its value.
        ndcg: NDCG at 100 among never-heard tracks.
        better: by how much that is better than what the search stood at, with its interval; of a model as it came out,
            than the combination. None for the first.
        taken: whether the search went there.
    """

    model: str
    parameter: str | None
    value: Any
    ndcg: float
    better: Mean | None = None
    taken: bool = False


@dataclass(frozen=True)
class Tuned:
    """What the search found.

    Attributes:
        parameters: the best parameters.
        combination: the best combination of the models.
        trials: everything that was tried, in order.
        judged_by: window or pairs; None where nothing could be judged.
        evidence: how much there was to judge by.
    """

    parameters: Parameters
    combination: Combination
    trials: Sequence[Trial]
    judged_by: str | None
    evidence: Evidence


def search_is_due(searched_before: date, until: date, days: int) -> bool:
    """Whether what a search found is to be found anew.

    Where events were taken out since, the days that it judged by may now be among those that are measured.

    Args:
        searched_before: the day after the newest event that it knew.
        until: the day after the newest event now.
        days: for how many days of new events it is kept.
    """
    return not 0 <= (until - searched_before).days < days


def judge(logs: Logs, window: Window, seed: int) -> tuple[Counted | None, Evidence]:
    """Whom to judge by: the window where it holds enough never-heard tracks, else pairs; None where they are too few.

    Returns:
        Everybody of whom something is held out, and how much that has to say.
    """
    by_window = count(logs, window)
    found = by_window.evidence
    if found.users >= ENOUGH_USERS and found.pairs >= ENOUGH_PAIRS:
        return by_window, found
    by_pairs = count(logs, Pairs(window.until, seed))
    of_pairs = by_pairs.evidence
    if of_pairs.users >= LEAST_USERS and of_pairs.pairs >= LEAST_PAIRS:
        return by_pairs, of_pairs
    return None, max(found, of_pairs, key=lambda it: it.pairs)


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
    parameters = parameters.sized(logs.pairs)
    counted, found = judge(logs, window, parameters.seed)
    if counted is None:
        say(f"{found.users} users with {found.pairs} tracks that are new to them are too few to tune anything")
        return Tuned(parameters, DEFAULT, (), None, found)
    judged_by = "window" if isinstance(counted.holdout, Window) else "pairs"
    where = "of the validation window" if judged_by == "window" else "held out, for hardly any are met in a window"
    say(f"judged by {found.users} users and {found.pairs} tracks that are new to them, {where}")
    asked = holdout_users(logs, counted, most_users, parameters.seed, never_heard=True)
    trials = _Trials(logs, counted.holdout, asked)
    for model, name, values in steps:
        parameters = trials.climb(parameters, model, name, values)
        say(f"{name} {getattr(parameters, name)}: NDCG {trials.best:.4f} by {model} alone")
    learned, worth = trials.combine(parameters)
    chosen, tried = chosen_of(worth)
    say(f"ranked by {chosen}, NDCG {worth[chosen].mean():.4f}")
    # A combination that is worse than a part of it has learned what does not hold; then that part ranks alone.
    best = learned if chosen == COMBINATION else Combination.of(chosen)
    return Tuned(parameters, best, [*trials.done, *tried], judged_by, found)


def chosen_of(values: Mapping[str, Values]) -> tuple[str, list[Trial]]:
    """The combination, unless a model alone is better than it by more than chance."""
    better = {name: metrics.mean(of - values[COMBINATION]) for name, of in values.items()}
    surely = [name for name in MODELS if better[name].low > 0]
    chosen = max(surely, key=lambda name: better[name].value) if surely else COMBINATION
    trials = [
        Trial(name, None, None, float(of.mean()), None if name == COMBINATION else better[name], name == chosen)
        for name, of in values.items()
    ]
    return chosen, trials


class _Trials:
    """Trials on one holdout; none is made twice."""

    def __init__(self, logs: Logs, holdout: Holdout, asked: HoldoutUsers) -> None:
        self._logs, self._holdout, self._asked = logs, holdout, asked
        self._prepared: dict[tuple[Any, ...], tuple[Prepared, Histories]] = {}
        self._values: dict[tuple[str, Parameters], Values] = {}
        self.done: list[Trial] = []
        self.best = 0.0

    def climb(self, parameters: Parameters, model: str, name: str, values: Sequence[Any]) -> Parameters:
        """The best of the values that lead uphill from the one that the parameters have."""
        stand = self._measured(parameters, model)
        self.done.append(Trial(model, name, getattr(parameters, name), float(stand.mean()), None, taken=True))
        for steps in beside(now := getattr(parameters, name), values):
            for value in steps:
                tried = parameters.model_copy(update={name: value})
                found = self._measured(tried, model)
                better = metrics.mean(found - stand)
                taken = better.low > 0
                self.done.append(Trial(model, name, value, float(found.mean()), better, taken))
                if not taken:
                    break
                parameters, stand = tried, found
            if getattr(parameters, name) != now:
                break
        self.best = float(stand.mean())
        return parameters

    def combine(self, parameters: Parameters) -> tuple[Combination, Mapping[str, Values]]:
        """The combination that is learned, and for it and each model alone what each user's list is worth."""
        prepared, histories = self._known(parameters)
        trained = train(prepared, parameters)
        examples = ranking.examples(self._asked, histories, trained, parameters, self._logs)
        learned = combination.fit(examples, tuple(MODELS))
        rankers: dict[str, Ranker] = {**MODELS, COMBINATION: combined(learned)}
        lists = ranking.rank(self._asked, histories, trained, rankers, (Scope.NEW,), parameters, self._logs)
        return learned, {name: _ndcg(lists[name, Scope.NEW]) for name in rankers}

    def _known(self, parameters: Parameters) -> tuple[Prepared, Histories]:
        key = (parameters.cooccurrence_half_life_days, parameters.profile_half_life_days)
        if key not in self._prepared:
            without = self._holdout if isinstance(self._holdout, Pairs) else None
            prepared = Prepared.of(self._logs, self._holdout.known_until, parameters, without)
            self._prepared[key] = prepared, prepared.select(self._asked.users)
        return self._prepared[key]

    def _measured(self, parameters: Parameters, model: str) -> Values:
        """What each user's list by one model is worth."""
        if (model, parameters) not in self._values:
            prepared, histories = self._known(parameters)
            trained, ranker = train(prepared, parameters, (model,)), {model: MODELS[model]}
            lists = ranking.rank(self._asked, histories, trained, ranker, (Scope.NEW,), parameters, self._logs)
            self._values[model, parameters] = _ndcg(lists[model, Scope.NEW])
        return self._values[model, parameters]


def beside(now: Any, values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The steps above a value, rising, and those below it, falling; None is above all."""
    if now in values:
        place = values.index(now)
        return values[place + 1 :], values[:place][::-1]
    lower = sum(value is not None and (now is None or value < now) for value in values)
    return values[lower:], values[:lower][::-1]


def _ndcg(lists: Lists) -> Values:
    return metrics.ndcg(lists.hits, lists.relevant, PLACES)
