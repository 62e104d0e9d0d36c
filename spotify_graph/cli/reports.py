"""Commands that say how things stand."""

import shutil

import click

from spotify_graph import console
from spotify_graph.cli.options import as_json
from spotify_graph.errors import UsageError
from spotify_graph.settings import Settings

_PIPED_WIDTH = 120
"""How wide a line is where nobody looks at a terminal."""


@click.command()
@as_json
def status(as_json: bool) -> None:
    """Say what is landed, cleaned, rejected and published, with counts and times."""
    from spotify_graph import runs
    from spotify_graph import status as report

    settings = Settings.load()
    with runs.instance(settings) as instance:
        assets = report.assets(instance, settings)
    files = report.files(settings) if settings.landing.is_dir() else []
    if as_json:
        console.document({"landing": str(settings.landing), "landed": files, "assets": assets})
        return
    console.heading(f"Files, landing in {settings.landing}")
    console.records(files, report.FILE_COLUMNS, as_json=False)
    console.heading("Assets")
    console.records(assets, report.ASSET_COLUMNS, as_json=False)


@click.command()
@click.option("--file", help="Only rows of this file.")
@click.option("--reason", help="Only rows with this reason among theirs.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many rows to show at most.")
@as_json
def rejects(file: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """Show the rejected rows with every reason, by file and line; their text is shortened to fit, whole with --json."""
    from spotify_graph.lake.lake import Lake
    from spotify_graph.rejects import COLUMNS, REASONS, fitted, rejected

    if reason is not None and reason not in REASONS:
        raise UsageError(f"there is no reason {reason!r}; there are {', '.join(REASONS)}")
    rows, count = rejected(Lake(Settings.load().lake), file, reason, limit)
    width = shutil.get_terminal_size(fallback=(_PIPED_WIDTH, 0)).columns
    console.records(rows if as_json else fitted(rows, width), COLUMNS, as_json)
    if count > len(rows):
        console.say(f"{len(rows):,} of {count:,} rows; --limit shows more")


COMMANDS = (status, rejects)
