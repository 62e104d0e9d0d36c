"""The evaluation's report for people: a table in Markdown, and a picture."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from spotify_graph.training.evaluate import Row
from spotify_graph.training.search import Trial
from spotify_graph.transforms.evaluation.lists import Scope
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE

SERVED = "served"
"""The name of what comes out of the graph."""

_STRONG = {COMBINATION, SERVED}


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
    names = list(lines[0])
    cells = [names, ["---"] * len(names), *(list(line.values()) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


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
    # Imported where it is used: it takes a second.
    from matplotlib.figure import Figure

    shown = [row for row in rows if (row.scope, row.metric, row.k) == (Scope.NEW, "recall", 100)]
    shown = sorted((row for row in shown if row.mean.high > 0), key=lambda row: row.mean.value)
    figure = Figure(figsize=(7, 0.32 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(shown):
        colour = "#2a7f62" if row.ranker in _STRONG else "#8a8a8a" if row.ranker == ORACLE else "#9db8d2"
        axes.barh(place, row.mean.value, color=colour)
        axes.plot([row.mean.low, row.mean.high], [place, place], color="#222222", linewidth=1.5)
        axes.text(row.mean.high, place, f" {row.mean.value:.3f}", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [row.ranker for row in shown], fontsize=8)
    axes.set_xlabel("Recall@100, never-heard tracks, with 95 % intervals", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.margins(x=0.12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return f"![Recall@100](data:image/png;base64,{base64.b64encode(image.getvalue()).decode()})"
