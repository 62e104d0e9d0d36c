"""The evaluation: tune on the validation window, then measure once on the test window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.lists import PLACES, Lists, Ranker, Scope, questions, rank
from spotify_graph.transforms.evaluation.metrics import Mean
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import (
    COMBINATION,
    ORACLE,
    PUBLISHED,
    Truth,
    baselines,
    combined,
    models,
)
from spotify_graph.transforms.evaluation.rankers import published as of_published
from spotify_graph.transforms.evaluation.search import STEPS, Say, Tuned, tune
from spotify_graph.transforms.evaluation.split import Split
from spotify_graph.transforms.recommendations import capped, neighbours
from spotify_graph.transforms.recommendations.capped import Floats, Ints
from spotify_graph.transforms.recommendations.knowledge import Knowledge, Prepared, learn
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.neighbours import Weighting
from spotify_graph.transforms.recommendations.numbering import Catalogue
from spotify_graph.transforms.recommendations.parameters import Parameters

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
        knowledge: what the models knew before the test window.
        lists: what was ranked in the test window, by ranker and scope.
    """

    tuned: Tuned
    knowledge: Knowledge
    lists: Mapping[tuple[str, Scope], Lists]


def evaluate(
    logs: Logs,
    split: Split,
    parameters: Parameters,
    protocol: Protocol,
    say: Say,
    *,
    truth: tuple[Truth, DataFrame] | None = None,
    published: DataFrame | None = None,
) -> Evaluation:
    """Tunes and measures.

    Args:
        logs: what to learn from and to predict.
        split: the windows.
        parameters: where the search starts, and what is not tuned.
        protocol: how it is made.
        say: told how far it is.
        truth: from `oracle.truth`, where the data is sample data.
        published: user and published (array of int, best first): what the published model would have recommended
            before the test window.
    """
    steps = STEPS if protocol.tune else ()
    tuned = tune(logs, split.validation, parameters, protocol.users, say, steps)
    parameters = tuned.parameters
    prepared = Prepared.of(logs, split.test.known_until, parameters)
    knowledge = learn(logs, prepared, parameters)
    asked = questions(logs.activity, split.test, protocol.users, parameters.seed)
    rankers: dict[str, Ranker] = {
        **baselines(_cosine(logs, prepared, parameters)),
        **models(),
        COMBINATION: combined(tuned.combination),
    }
    if truth:
        rankers[ORACLE], tastes = truth
        asked = asked.join(tastes, "user")
    if published is not None:
        rankers[PUBLISHED] = of_published
        asked = asked.join(published, "user", "left")
    lists = rank(asked, knowledge, rankers, tuple(Scope), parameters)
    # A model publishes nothing but never-heard tracks.
    lists.pop((PUBLISHED, Scope.ALL), None)
    prepared.release()
    return Evaluation(tuned, knowledge, lists)


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


def _cosine(logs: Logs, prepared: Prepared, parameters: Parameters) -> tuple[Ints, Floats]:
    tracks = len(logs.catalogue)
    history = capped.cap(prepared.histories, logs.user_count, tracks, parameters.history_cap, "cooccurrence")
    found = neighbours.neighbours(prepared.histories.sparkSession, history, tracks, parameters, Weighting.COSINE)
    return neighbours.as_arrays(found, tracks, parameters.neighbours)
