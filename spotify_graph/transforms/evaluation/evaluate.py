"""The evaluation: tune on the validation window, then measure once on the test window."""

from collections.abc import Sequence
from dataclasses import dataclass

from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.lists import Lists, Scope
from spotify_graph.transforms.evaluation.metrics import Mean
from spotify_graph.transforms.recommendations import capped, neighbours
from spotify_graph.transforms.recommendations.knowledge import Prepared
from spotify_graph.transforms.recommendations.neighbours import Weighting
from spotify_graph.transforms.recommendations.numbering import Catalogue
from spotify_graph.transforms.recommendations.parameters import Parameters

CUTOFFS = (10, 100)
DIVERSITY_AT = 10


@dataclass(frozen=True)
class Row:
    """One number of the report.

    Attributes:
        ranker: what was ranked by.
        scope: which tracks.
        metric: recall, ndcg, coverage or diversity.
        k: how many places of the lists count.
        mean: the value; coverage is of all lists together, and its interval is the value itself.
        users: how many users were asked.
    """

    ranker: str
    scope: Scope
    metric: str
    k: int
    mean: Mean
    users: int


def cosine(prepared: Prepared, users: int, tracks: int, parameters: Parameters) -> tuple[capped.Ints, capped.Floats]:
    """The baseline's neighbours, as arrays."""
    history = capped.cap(prepared.histories, users, tracks, parameters.history_cap, "cooccurrence")
    spark = prepared.histories.sparkSession
    found = neighbours.neighbours(spark, history, tracks, parameters, Weighting.COSINE)
    return neighbours.as_arrays(found, tracks, parameters.neighbours)


def report(
    name: str, scope: Scope, lists: Lists, catalogue: Catalogue, cutoffs: Sequence[int] = (10, 100)
) -> list[Row]:
    """The metrics of a ranker's lists in one scope."""
    count = len(lists.users)
    rows = [
        Row(name, scope, metric, k, metrics.mean(of_users(lists.hits, lists.relevant, k)), count)
        for metric, of_users in (("recall", metrics.recall), ("ndcg", metrics.ndcg))
        for k in cutoffs
    ]
    for k in cutoffs:
        share = metrics.coverage(lists.ranked, len(catalogue), k)
        rows.append(Row(name, scope, "coverage", k, Mean(share, share, share), count))
    apart = metrics.diversity(lists.ranked, catalogue.genre, catalogue.artist, DIVERSITY_AT)
    return [*rows, Row(name, scope, "diversity", DIVERSITY_AT, Mean(apart, apart, apart), count)]
