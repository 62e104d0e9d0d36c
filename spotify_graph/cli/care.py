"""Commands for whoever takes care of an installation."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotify_graph import console
from spotify_graph.cli.options import as_json, examples
from spotify_graph.settings import Settings

if TYPE_CHECKING:
    from spotify_graph.care.backup import Backup


@click.command(epilog=examples("doctor", "doctor --json"))
@as_json
def doctor(as_json: bool) -> None:
    """Look at every part of the installation, change nothing, and say what is wrong and how to mend it."""
    from spotify_graph.care import doctor as care
    from spotify_graph.care.diagnosis import COLUMNS, State

    found = []
    for it in care.examine(Settings.load()):
        found.append(it)
        if not as_json:
            console.tell(f"{it.state:<8} {it.what}: {it.found}")
            if it.mend:
                console.tell(f"{'':<8} {it.mend}")
    if as_json:
        console.records([asdict(it) for it in found], COLUMNS, as_json)
    if any(it.state is State.PROBLEM for it in found):
        sys.exit(1)


@click.command(epilog=examples("reconcile", "reconcile --json"))
@as_json
def reconcile(as_json: bool) -> None:
    """Read the graph back, compare every table with the lake, and mend what differs."""
    from spotify_graph.care import reconciliation

    with console.work("assets") as work:
        done = reconciliation.reconcile(Settings.load(), console.say, work.on, work.progress)
    if as_json:
        console.document([asdict(table) for table in done.tables])
    else:
        console.records([table.record for table in done.tables], reconciliation.COLUMNS, as_json=False)
    for line in (*done.run.failures, *done.run.held_back):
        console.say(f"spotify-graph: {line}")
    if not done.is_equal:
        console.say("spotify-graph: graph and lake are not equal: `spotify-graph doctor` says what to do")
        sys.exit(1)


@click.command(epilog=examples("backup /backups/graph.zip"))
@click.argument("file", type=click.Path(path_type=Path))
@as_json
def backup(file: Path, as_json: bool) -> None:
    """Write the local database and the lake, as they belong together, into one FILE."""
    from spotify_graph.care import backup as care

    made = care.back_up(Settings.load(), file.absolute(), console.say)
    _show(made, as_json)
    console.say(f"{made.file} is written: {made.file.stat().st_size / 1e6:,.1f} MB")


@click.command(epilog=examples("restore /backups/graph.zip", "restore /backups/graph.zip --replace"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in place of the lake and the graph that are there.")
@as_json
def restore(file: Path, replace: bool, as_json: bool) -> None:
    """Put back what `backup` wrote into FILE."""
    from spotify_graph.care import backup as care

    done = care.restore(Settings.load(), file.absolute(), console.say, replace=replace)
    _show(done, as_json)
    console.say(f"{done.file}, of {done.content.created}, is restored")


def _show(backup: "Backup", as_json: bool) -> None:
    from spotify_graph.care.backup import COLUMNS

    if as_json:
        content = {name: value for name, value in asdict(backup.content).items() if name != "files"}
        console.document({"file": backup.file, **content})
    else:
        console.records(backup.records, COLUMNS, as_json=False)


COMMANDS = (doctor, reconcile, backup, restore)
