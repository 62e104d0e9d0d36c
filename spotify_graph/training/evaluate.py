"""The evaluation: tune on what is held out for it, then measure once on the test window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spotify_graph.training import ranking
from spotify_graph.training.holdout_users import Evidence, count, holdout_users
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.search import STEPS, Say, Tuned, tune
from spotify_graph.training.train import TrainedModels, train
from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.lists import PLACES, Lists, Ranker, Scope
from spotify_graph.transforms.evaluation.metrics import Mean
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import (
    COMBINATION,
    ORACLE,
    PUBLISHED,
    Published,
    Truth,
    baselines,
    combined,
)
from spotify_graph.transforms.evaluation.split import Split
from spotify_graph.transforms.recommendations.numbering import Catalogue
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS

CUTOFFS = (10, 100)
"""How many places of a list the metrics look at."""
_DIVERSITY_AT = 10


@dataclass(frozen=True)
class Row:
    """One number of the report.

    Attributes:
        ranker: what was ranked by.
        scope: which tracks.
        metric: recall, ndcg, coverage or diversity.
        k: how many places of the lists count.
        mean: the value with its interval; those of coverage and diversity, which are of all lists together, are the
            value itself.
        users: how many users were asked.
    """

    ranker: str
    scope: Scope
    metric: str
    k: int
    mean: Mean
    users: int


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        tuned: the parameters, the combination, and what else was tried.
        prepared: what the models were trained on before the test window.
        trained: what they knew.
        lists: what was ranked in the test window, by ranker and scope.
        evidence: how much the test window has to say of never-heard tracks.
    """

    tuned: Tuned
    prepared: Prepared
    trained: TrainedModels
    lists: Mapping[tuple[str, Scope], Lists]
    evidence: Evidence


def evaluate(
    logs: Logs,
    split: Split,
    parameters: Parameters,
    protocol: Protocol,
    say: Say,
    *,
    truth: Truth | None = None,
    published: Published | None = None,
) -> Evaluation:
    """Tunes and measures.

    Args:
        logs: what to learn from and to predict.
        split: the windows.
        parameters: where the search starts, and what is not tuned.
        protocol: how it is made.
        say: told how far it is.
        truth: from `oracle.truth`, where the data is sample data.
        published: what the published model would have recommended before the test window.
    """
    steps = STEPS if protocol.tune else ()
    tuned = tune(logs, split.validation, parameters, protocol.users, say, steps)
    parameters = tuned.parameters
    prepared = Prepared.of(logs, split.test.known_until, parameters)
    trained = train(prepared, parameters)
    counted = count(logs, split.test)
    asked = holdout_users(logs, counted, protocol.users, parameters.seed)
    rankers: dict[str, Ranker] = {
        **baselines(),
        **MODELS,
        COMBINATION: combined(tuned.combination),
    }
    if truth:
        rankers[ORACLE] = truth
    if published:
        rankers[PUBLISHED] = published
    lists = ranking.rank(asked, prepared.select(asked.users), trained, rankers, tuple(Scope), parameters, logs)
    # A model publishes nothing but never-heard tracks.
    lists.pop((PUBLISHED, Scope.ALL), None)
    return Evaluation(tuned, prepared, trained, lists, counted.evidence)


def report(
    lists: Mapping[tuple[str, Scope], Lists], catalogue: Catalogue, cutoffs: Sequence[int] = CUTOFFS
) -> list[Row]:
    """The metrics of rankers' lists; nothing for a scope in which nobody had anything to find."""
    return [
        row
        for (ranker, scope), found in lists.items()
        if len(found.users)
        for row in _rows(ranker, scope, found, catalogue, cutoffs)
    ]


def improvement(new: Lists, old: Lists) -> Mean:
    """How much better new lists are than old ones for the same users, in NDCG at 100.

    The interval is of the mean difference: below 0 as a whole, the new lists are worse by more than chance.
    """
    difference = metrics.ndcg(new.hits, new.relevant, PLACES) - metrics.ndcg(old.hits, old.relevant, PLACES)
    return metrics.mean(difference)


def _rows(ranker: str, scope: Scope, lists: Lists, catalogue: Catalogue, cutoffs: Sequence[int]) -> list[Row]:
    count = len(lists.users)
    rows = [
        Row(ranker, scope, metric, k, metrics.mean(of_users(lists.hits, lists.relevant, k)), count)
        for metric, of_users in (("recall", metrics.recall), ("ndcg", metrics.ndcg))
        for k in cutoffs
    ]
    shares = [(k, metrics.coverage(lists.ranked, len(catalogue), k)) for k in cutoffs]
    rows += [Row(ranker, scope, "coverage", k, Mean(share, share, share), count) for k, share in shares]
    apart = metrics.diversity(lists.ranked, catalogue.genre, catalogue.artist, _DIVERSITY_AT)
    return [*rows, Row(ranker, scope, "diversity", _DIVERSITY_AT, Mean(apart, apart, apart), count)]
