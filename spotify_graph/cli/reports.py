"""Commands that say how things stand."""

from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from spotify_graph import console
from spotify_graph.cli.options import as_json, as_key, examples
from spotify_graph.errors import UsageError, UserError
from spotify_graph.settings import Settings

_MINUTES = len("2026-11-28T04:18")


def _reasons(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    from spotify_graph.rejects import REASONS

    return [CompletionItem(reason) for reason in REASONS if reason.startswith(begun)]


@click.command(epilog=examples("status", "status --json", "status --prometheus"))
@as_json
@click.option("--prometheus", is_flag=True, help="Print figures for a monitor, in Prometheus' text format.")
def status(as_json: bool, prometheus: bool) -> None:
    """Say what is landed, cleaned, rejected and published, and what others have added to the graph."""
    if as_json and prometheus:
        raise UsageError("--json or --prometheus: one of them")
    if prometheus:
        from spotify_graph import figures

        click.echo(figures.prometheus(figures.now(Settings.load())), nl=False)
        return
    _status(as_json)


def _status(as_json: bool) -> None:
    from spotify_graph import landing_folder, runs
    from spotify_graph import status as report

    settings = Settings.load()
    with runs.instance(settings) as instance:
        assets = report.assets(instance, settings)
    files = report.files(settings) if landing_folder.is_made(settings.landing) else []
    additions, unknown = None, "Neo4j does not run: what others have added to the graph is not known"
    try:
        additions = report.additions(settings)
    except UserError as error:
        unknown = str(error)
    if as_json:
        from spotify_graph import figures

        landed = {"landing": str(settings.landing), "landed": files}
        shown = figures.now(settings).document()
        console.document({**landed, "assets": assets, "added_by_others": additions, "figures": shown})
        return
    console.heading(f"Files, landing in {settings.landing}")
    console.records([_to_the_minute(file, "landed") for file in files], report.FILE_COLUMNS, as_json=False)
    console.heading("Assets")
    # With their groups as well, they are too wide for a terminal.
    columns = [column for column in report.ASSET_COLUMNS if column != "group"]
    console.records([_to_the_minute(asset, "at") for asset in assets], columns, as_json=False)
    console.heading("Added to the graph by others")
    if additions is None:
        console.say(unknown)
    else:
        console.records(additions, report.ADDITION_COLUMNS, as_json=False)


def _to_the_minute(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The row with a time that people read: in UTC, as all times are."""
    time = row[column]
    return {**row, column: time and time[:_MINUTES].replace("T", " ")}


@click.command(epilog=examples("rejects", "rejects --file user_events.csv --reason bad_event_ts"))
@click.option("--file", callback=as_key, help="Only rows of this file.")
@click.option("--reason", shell_complete=_reasons, help="Only rows with this reason among theirs.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many rows to show at most.")
@as_json
def rejects(file: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """Show the rejected rows with every reason, by file and line; their text is shortened to fit, whole with --json."""
    from spotify_graph.lake.lake import Lake
    from spotify_graph.rejects import COLUMNS, REASONS, fitted, rejected

    if reason is not None and reason not in REASONS:
        raise UsageError(f"there is no reason {reason!r}; there are {', '.join(REASONS)}")
    rows, count = rejected(Lake(Settings.load().lake), file, reason, limit)
    console.records(rows if as_json else fitted(rows, console.width()), COLUMNS, as_json)
    if count > len(rows):
        console.say(f"{len(rows):,} of {count:,} rows; --limit shows more")


COMMANDS = (status, rejects)
