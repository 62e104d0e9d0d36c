"""The platform's health on one page of Dagster's catalogue: what the asset `platform_health` shows."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from spotify_graph.automation.answering import answering, skipped_without_stores
from spotify_graph.automation.held_back import held_back
from spotify_graph.automation.landed import files_of, listed
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS, RECOMMENDED
from spotify_graph.lake.lake import Lake
from spotify_graph.markdown import escaped, table
from spotify_graph.resources.gates import Gates
from spotify_graph.settings import Settings

ASSET = "platform_health"
"""The asset's key. No run computes it: a sensor and the command report it where it has changed."""
_INTERVAL_SECONDS = 60
WAITING = ("new", "changed", "stale", "failed", "waiting", "being written")
"""The states of files that are still to be taken in."""
_NAMED = 5
_PAGE, _STATE = "health", "state"


def page(settings: Settings, instance: dg.DagsterInstance) -> dict[str, Any]:
    """What is known of the platform's health, without a question to Neo4j.

    Returns:
        state (ok, or what to look at, in words), health (the page, in Markdown), and the numbers on it.
    """
    lake = Lake(settings.lake).pin()
    waiting, refused = _files(settings, lake)
    newest = _newest(lake)
    published, model = _published(instance)
    quality = _quality(lake)
    limit = timedelta(hours=Gates.from_settings(settings).stale_warn_hours)
    faults = [
        f"{len(refused)} {'file is' if len(refused) == 1 else 'files are'} held back" if refused else "",
        f"the newest event is older than {limit / timedelta(hours=1):g} hours" if _is_old(newest, limit) else "",
        "nothing is published yet" if published is None else "",
    ]
    state = "; ".join(filter(None, faults)) or "ok"
    more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
    rows = [
        ["files waiting", ", ".join(f"{count} {state}" for state, count in waiting.items()) or "none"],
        ["files held back", f"{', '.join(refused[:_NAMED])}{more}: see held_back_files" if refused else "none"],
        ["newest event", f"{newest:%Y-%m-%d %H:%M} UTC" if newest else "none"],
        ["last publication", f"{published:%Y-%m-%d %H:%M} UTC" if published else "never"],
        ["model", model or "none yet"],
        ["its quality", quality or "not measured yet"],
    ]
    return {
        _STATE: state,
        _PAGE: dg.MetadataValue.md(f"**{escaped(state)}**\n\n{table(['', ''], rows)}"),
        "files_waiting": sum(waiting.values()),
        "files_held_back": len(refused),
        **({"newest_event": dg.MetadataValue.timestamp(newest)} if newest else {}),
        **({"last_publication": dg.MetadataValue.timestamp(published)} if published else {}),
    }


def report(settings: Settings, instance: dg.DagsterInstance) -> bool:
    """Shows the page in Dagster, if it has changed.

    Returns:
        Whether it has.
    """
    now = page(settings, instance)
    latest = instance.get_latest_materialization_event(dg.AssetKey(ASSET))
    shown = latest.asset_materialization.metadata if latest and latest.asset_materialization else {}
    if _PAGE in shown and shown[_PAGE].value == now[_PAGE].value:
        return False
    instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, metadata=now))
    return True


def _files(settings: Settings, lake: Lake) -> tuple[Counter[str], list[str]]:
    try:
        listing = listed(settings)
        files, lying = files_of(listing, settings), list(listing.looks)
    except UserError:
        files, lying = [], []
    waiting = Counter(file.state for file in files if file.state in WAITING)
    return waiting, [file.file for file in held_back(settings.landing, lake, lying)]


def _newest(lake: Lake) -> datetime | None:
    interactions = lake.find("interactions")
    micros = interactions.record.details.get("newest") if interactions else None
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)


def _is_old(newest: datetime | None, limit: timedelta) -> bool:
    return newest is not None and datetime.now(UTC) - newest > limit


def _published(instance: dg.DagsterInstance) -> tuple[datetime | None, str | None]:
    """When something was last written to the graph, and which model is published."""
    assets = [dg.AssetKey(it.asset) for it in (*FACTS, RECOMMENDED)]
    # One question for all of them: to ask costs more than to answer.
    entries = [it.asset_entry for it in instance.get_asset_records(assets)]
    latest = {it.asset_key: event for it in entries if (event := it.last_materialization)}
    metadata = {
        asset: event.asset_materialization.metadata for asset, event in latest.items() if event.asset_materialization
    }
    times = [
        float(since.value) if (since := metadata[asset].get("unchanged since")) else latest[asset].timestamp  # type: ignore[arg-type]
        for asset in assets[:-1]
        if asset in metadata
    ]
    known = metadata.get(assets[-1], {})
    model = str(known["model"].value) if "model" in known else None
    return (datetime.fromtimestamp(max(times), UTC) if times else None), model


def _quality(lake: Lake) -> str | None:
    """How good the models of the latest evaluation are, in words."""
    evaluation = lake.find("recommendation_evaluation")
    history = evaluation.record.details.get("history") if evaluation else None
    if not history:
        return None
    said = [
        f"{it['ranked_by']}: {value:.3f} ({low:.3f} to {high:.3f})"
        for it in history[-1]["quality"]
        if it["metric"] == "recall"
        for value, low, high in [it["interval"]]
    ]
    return f"recall@100 of never-heard tracks, measured {history[-1]['at'][:10]}: {', '.join(said)}"


@dg.sensor(
    name=ASSET,
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the page of the platform's health up to date: the asset platform_health shows it.",
)
@skipped_without_stores
def platform_health(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Shows the page anew where it has changed."""
    changed = report(answering(), context.instance)
    return dg.SkipReason("the page has changed" if changed else "nothing has changed")
