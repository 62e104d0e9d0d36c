"""The evaluation's report for people: a table in Markdown, and pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from spotify_graph import charts
from spotify_graph import markdown as as_markdown
from spotify_graph.charts import Point
from spotify_graph.training.evaluate import Row
from spotify_graph.training.search import Trial
from spotify_graph.transforms.evaluation.lists import Scope
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE, PUBLISHED

SERVED = "served"
"""The name of what comes out of the graph."""

_SHOWN = ("recall", 100)
_BASELINES = ("random", "all-time popularity", "own history")
_KINDS = {
    COMBINATION: "what is trained now: the models combined",
    SERVED: "what the graph serves of it",
    PUBLISHED: "the model that was published before",
    "model": "one model alone",
    "baseline": "baseline, without a model",
    "oracle": "oracle: knows the sample's planted tastes",
}
_FOLLOWED = (COMBINATION, SERVED, "all-time popularity")
"""What is followed over retrains: what a user gets, and what it has to beat."""


def table(records: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """One line for each scope and ranker, with the metrics beside each other, as text."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for record in records:
        line = lines.setdefault(
            (record["tracks"], record["ranked_by"]), {"tracks": record["tracks"], "ranked by": record["ranked_by"]}
        )
        name = f"{record['metric']}@{record['k']}"
        line[name] = f"{record['value']:.4f}"
        if record["metric"] in {"recall", "ndcg"}:
            line[name] += f" ({record['low']:.4f} to {record['high']:.4f})"
        if record["share_of_oracle"] is not None and name == "recall@100":
            line["share of oracle"] = f"{record['share_of_oracle']:.3f}"
    names = dict.fromkeys(name for line in lines.values() for name in line)
    whole = [{name: line.get(name, "") for name in names} for line in lines.values()]
    return sorted(whole, key=lambda line: line["tracks"])


def markdown(lines: Sequence[dict[str, str]]) -> str:
    """`table`, which has a line, in Markdown."""
    return as_markdown.table(list(lines[0]), [list(line.values()) for line in lines])


def search(trials: Sequence[Trial]) -> list[dict[str, str]]:
    """One line for each trial of the search: what was tried, how good it was, and whether it was taken."""
    return [
        {
            "judged by": trial.model,
            "parameter": trial.parameter or "the model as it came out",
            "value": "" if trial.parameter is None else str(trial.value),
            "ndcg@100": f"{trial.ndcg:.4f}",
            "better by": _interval(trial),
            "taken": _taken(trial),
        }
        for trial in trials
    ]


def _taken(trial: Trial) -> str:
    if trial.taken or trial.better is None:
        return "yes" if trial.taken else ""
    return "no: it is worse" if trial.better.high < 0 else "no: that may be chance"


def _interval(trial: Trial) -> str:
    better = trial.better
    return f"{better.value:+.4f} ({better.low:+.4f} to {better.high:+.4f})" if better else ""


def picture(rows: Sequence[Row]) -> str:
    """Recall at 100 of never-heard tracks with its intervals, as an image in Markdown."""
    bars = [(_point(row.ranker, row), _kind(row.ranker)) for row in _of(rows, Scope.NEW, *_SHOWN) if row.mean.high > 0]
    title = "How many of the new tracks that users listened to are recommended"
    return charts.of_rankers(title, "recall@100 of never-heard tracks, with 95 % intervals", bars, _KINDS)


def _kind(ranker: str) -> str:
    if ranker in {COMBINATION, SERVED, PUBLISHED}:
        return ranker
    return "oracle" if ranker == ORACLE else "baseline" if ranker in _BASELINES else "model"


def standing(rows: Sequence[Row]) -> str:
    """Why what is served stands where it does, in words.

    Its list is the combination's, made into what people want to be shown.
    """
    recall = {row.ranker: row for row in _of(rows, Scope.NEW, *_SHOWN)}
    served, combination = recall.get(SERVED), recall.get(COMBINATION)
    if served is None or combination is None:
        return ""
    above = [
        row.ranker
        for row in recall.values()
        if row.mean.value > served.mean.value and row.ranker not in {SERVED, ORACLE}
    ]
    text = (
        f"What the graph serves is the combination's list with fewer tracks of each artist (2 in 10, a fifth of a"
        f" longer list) and without what a user dislikes: variety, for which some recall is given. It was asked for"
        f" {served.users:,} of {combination.users:,} users, so that its interval is wider."
    )
    if not above:
        return f"{text} Here nothing but the oracle stands above it."
    apart = [name for name in above if recall[name].mean.low > served.mean.high]
    if not apart:
        return f"{text} {', '.join(above)}: above it by less than its interval, which may be chance."
    return f"{text} Above it by more than its interval: {', '.join(apart)}."


def quality(rows: Sequence[Row], at: str) -> dict[str, Any]:
    """What is kept of an evaluation to be compared with later ones: recall and NDCG of those that matter."""
    found = [
        {
            "ranked_by": row.ranker,
            "metric": row.metric,
            "k": row.k,
            "interval": [row.mean.value, row.mean.low, row.mean.high],
        }
        for row in rows
        if row.scope == Scope.NEW
        and row.ranker in _FOLLOWED
        and (row.metric, row.k) in {("recall", 100), ("ndcg", 100)}
    ]
    return {"at": at, "quality": found}


def over_time(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Recall at 100 of never-heard tracks over retrains, as an image in Markdown; None without any."""
    recalls = [
        (
            it["at"][: len("YYYY-MM-DD")],
            {of["ranked_by"]: of["interval"] for of in it["quality"] if of["metric"] == "recall"},
        )
        for it in history
    ]
    known = [(day, recall) for day, recall in recalls if COMBINATION in recall]
    by_series = {name: [Point(day, *recall[name]) for day, recall in known if name in recall] for name in _FOLLOWED}
    whole = {name: points for name, points in by_series.items() if points and len(points) == len(known)}
    if not whole:
        return None
    return charts.of_time("Quality over retrains: recall of never-heard tracks, 95 % intervals", "recall@100", whole)


def _of(rows: Sequence[Row], scope: Scope, metric: str, k: int) -> list[Row]:
    return [row for row in rows if (row.scope, row.metric, row.k) == (scope, metric, k)]


def _point(label: str, row: Row) -> Point:
    return Point(label, row.mean.value, row.mean.low, row.mean.high)
