"""Commands that take logs into the graph, and out of it again."""

import os
import shutil
import sys
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from spotify_graph import console
from spotify_graph.cli.answers import as_records, show_rows
from spotify_graph.cli.options import as_json, as_key, examples
from spotify_graph.cli.servers import local_neo4j, tell_server
from spotify_graph.errors import UsageError, UserError
from spotify_graph.settings import Settings
from spotify_graph.storage import Address

if TYPE_CHECKING:
    from spotify_graph.care.forgetting import Forgotten
    from spotify_graph.queries import Rows
    from spotify_graph.run_report import RunReport

_SHORT = ("ranked by", "recall@10", "recall@100", "ndcg@10", "ndcg@100", "share of oracle")
"""What is shown of an evaluation where there is no room for all of it."""


@click.command(epilog=examples("generate", "generate --users 100 --tracks 500 --events 20000 --out sample"))
@click.option("--tracks", type=click.IntRange(0), help="How many tracks.", show_default="3,000")
@click.option("--users", type=click.IntRange(0), help="How many users.", show_default="1,500")
@click.option("--events", type=click.IntRange(0), help="How many events.", show_default="375,000")
@click.option("--seed", type=int, help="Equal seeds and ends give equal files.")
@click.option(
    "--end", type=click.DateTime(["%Y-%m-%d"]), help="The log ends when this day (UTC) begins.", show_default="today"
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to write to.", show_default="the landing folder"
)
@click.option("--overwrite", is_flag=True, help="Replace a tracks.csv and user_events.csv that are there.")
@as_json
def generate(
    tracks: int | None,
    users: int | None,
    events: int | None,
    seed: int | None,
    end: datetime | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write sample logs with planted tastes, and beside their folder the truth about those tastes."""
    given = {"tracks": tracks, "users": users, "events": events, "seed": seed, "end": end and end.date()}
    made = _generate(
        out or Settings.load().landing, overwrite, **{name: value for name, value in given.items() if value is not None}
    )
    if as_json:
        console.document(made)


@click.command(
    "import",
    epilog=examples("import my_spotify_data.zip --user ann", "import scrobbles.csv --user ann --mapping lastfm-csv"),
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--user", metavar="NAME", help="Whose it is. Else names of folders or archives say it, one for each person."
)
@click.option(
    "--mapping", metavar="FILE.toml", help="What the columns of another log mean: a file, or one that is ready."
)
@click.option("--replace", "afresh", is_flag=True, help="Drop what was imported before for these people.")
@as_json
def import_(path: Path, user: str | None, mapping: str | None, afresh: bool, as_json: bool) -> None:
    """Take in listening histories in PATH, such as Spotify's downloads: they go into the landing folder."""
    from spotify_graph.imports import door, report

    settings = Settings.load()
    with console.work("files") as work:
        done = door.take(settings, path, user=user, mapped_by=mapping, replace=afresh, say=work.on)
    if as_json:
        console.document(done.document())
    else:
        console.heading("Files")
        console.records(done.file_rows(), report.FILE_COLUMNS, as_json=False)
        console.heading(f"Histories, in {settings.landing}")
        console.records(done.user_rows(), report.USER_COLUMNS, as_json=False)
        if done.others:
            console.say(f"{done.others:,} other files, such as playlists, are not read.")
        for note in done.notes:
            console.say(note)
        console.say("`spotify-graph materialize` takes them into the graph.")
    for line in done.refusals:
        console.say(f"spotify-graph: {line}")
    if not done.complete:
        sys.exit(1)


@click.command(epilog=examples("materialize", "materialize --select '+played_edges'"))
@click.option("--select", "selection", default="*", show_default=True, help="Assets, in Dagster's selection syntax.")
@click.option("--rebuild", is_flag=True, help="Build the local database anew, in one go.")
@click.option("--discard-additions", is_flag=True, help="With --rebuild: what others have added goes.")
@as_json
def materialize(selection: str, rebuild: bool, discard_additions: bool, as_json: bool) -> None:
    """Take in every landed file and bring the graph up to date."""
    if discard_additions and not rebuild:
        raise UsageError("--discard-additions belongs to --rebuild: nothing else removes what others have added")
    report = _materialize(Settings.load(), selection, rebuild=rebuild, discard_additions=discard_additions)
    if as_json:
        console.document(_document(report))
    if not report.complete:
        sys.exit(1)


@click.command(epilog=examples("demo"))
@as_json
def demo(as_json: bool) -> None:
    """Generate sample logs if nothing has landed, materialize everything, and show what came out."""
    from spotify_graph import landing_folder, showcase, status
    from spotify_graph.automation.landed import look
    from spotify_graph.resources.neo4j import connect

    settings = Settings.load()
    settings.make_home()
    if not landing_folder.is_made(settings.landing) or not look(settings):
        console.say(f"Nothing has landed in {settings.landing}: generating sample logs")
        _generate(settings.landing, overwrite=False)
    report = _materialize(settings, "*")
    if report.failures:
        if as_json:
            console.document(_document(report))
        sys.exit(1)
    with connect(settings) as driver:
        counts = status.counts(driver, settings.neo4j_database)
        answers = list(showcase.sample_answers(driver, settings.neo4j_database))
    if as_json:
        shown = [{"command": command, "rows": as_records(answer)} for command, answer in answers]
        console.document({**_document(report), "counts": counts, "answers": shown})
    else:
        _show_demo(settings, counts, answers)
    if not report.complete:
        sys.exit(1)


@click.command(epilog=examples("evaluate", "evaluate --json"))
@as_json
def evaluate(as_json: bool) -> None:
    """Measure the recommendations on held-out days, and show the result."""
    from spotify_graph import evaluations
    from spotify_graph.assets import report as of_evaluation
    from spotify_graph.lake.lake import Lake

    settings = Settings.load()
    report = _materialize(settings, "recommendation_evaluation")
    if report.failures:
        sys.exit(1)
    found = evaluations.latest(Lake(settings.lake))
    if as_json:
        console.document({"results": found.records, "about": found.about})
        return
    console.say(found.summary)
    lines = of_evaluation.table(found.records)
    if console.fit(lines, list(lines[0])):
        console.records(lines, list(lines[0]), as_json=False)
        return
    for tracks, of_tracks in groupby(lines, key=lambda line: line["tracks"]):
        console.heading(f"Tracks: {tracks}")
        some = [{name: line.get(name, "").partition(" (")[0] for name in _SHORT} for line in of_tracks]
        console.records(some, _SHORT, as_json=False)
    console.say("Intervals, coverage and diversity are shown where a line has room for them, and with --json.")


@click.command(epilog=examples("forget user_events-2026-01.csv", "forget --user 4uLU6hMCjMI75M1A2tKUQC"))
@click.argument("file", required=False, callback=as_key)
@click.option("--user", "user_id", metavar="USER_ID", help="Forget a person instead: see SECURITY.md.")
@click.option("--undo", is_flag=True, help="With --user: what lands of this person is taken in again from now on.")
@click.option(
    "--discard-additions", is_flag=True, help="With --user: what others have added to the local database goes, too."
)
@as_json
def forget(file: str | None, user_id: str | None, undo: bool, discard_additions: bool, as_json: bool) -> None:
    """Take a FILE's contribution, or a person, out of lake and graph, on purpose."""
    if (file is None) == (user_id is None):
        raise UsageError("forget a FILE, or --user USER_ID: one of them")
    if user_id is None and (undo or discard_additions):
        raise UsageError("--undo and --discard-additions belong to --user")
    if file is not None:
        _forget_file(file, as_json)
    elif user_id is not None and undo:
        _let_back(user_id, as_json)
    elif user_id is not None:
        _forget_user(user_id, discard_additions, as_json)


def _forget_file(file: str, as_json: bool) -> None:
    from spotify_graph import runs

    complete_forgetting()
    with console.work("assets") as work:
        entry, report = runs.forget(Settings.load(), file, console.say, work.on, work.progress)
    good, rejected = entry.in_graph or 0, entry.counts.get("rejected", 0)
    if as_json:
        console.document({"file": file, "good": good, "rejected": rejected, **_document(report)})
    else:
        console.tell(f"{file} is forgotten: {good:,} good rows and {rejected:,} rejected ones are out of the lake.")
        for asset, written in report.written.items():
            console.tell(f"{asset}: " + ", ".join(f"{rows:,} {what}" for what, rows in written.items()))
    _tell_problems(report)
    if not report.complete:  # the graph still holds what the file gave it
        sys.exit(1)


def _forget_user(user_id: str, discard_additions: bool, as_json: bool) -> None:
    from spotify_graph.care import forgetting

    with console.work("assets") as work:
        done = forgetting.forget(
            Settings.load(), user_id, console.say, work.on, work.progress, discard_additions=discard_additions
        )
    if as_json:
        told = {name: value for name, value in asdict(done).items() if name != "run"}
        console.document({"user_id": user_id, **told, **_document(done.run), "complete": done.complete})
    _tell_forgotten(done)
    if not done.complete:
        sys.exit(1)


def _tell_forgotten(done: "Forgotten") -> None:
    _tell_problems(done.run)
    if not done.run.complete:
        console.say("spotify-graph: the person is not forgotten yet: the next `spotify-graph materialize` completes it")
        return
    console.say(f"{done.events:,} events are out of lake, graph and models, and the id out of history and logs.")
    for file in done.left:
        console.say(f"spotify-graph: the id still stands in {file}")
    if done.rebuilt:
        console.say("The local database was built anew: none of its files was written with the id.")
    elif done.additions:
        console.say(
            "spotify-graph: the local database was not built anew, so what was deleted may be read from its files until"
            f" they are written over: {done.additions}"
        )
    else:
        console.say("The server at NEO4J_URI may keep what was deleted in store files, logs and backups of its own.")
    for file in done.sources:
        console.say(f"It stands in {file}, which stays as it is; its rows of this person are not taken in.")
    for file in done.backups:
        console.say(f"It may stand in the backup {file}: remove it, and make another one.")


def _let_back(user_id: str, as_json: bool) -> None:
    from spotify_graph.care import forgetting

    files = forgetting.let_back(Settings.load(), user_id, console.say)
    if as_json:
        console.document({"user_id": user_id, "files": files})
    console.say(
        f"What lands of {user_id} is taken in from now on"
        + (f"; the next materialize reads again: {', '.join(files)}" if files else "")
    )


def complete_forgetting() -> None:
    """Completes what an interrupted `forget --user` began."""
    from spotify_graph.care import forgetting
    from spotify_graph.lake import people
    from spotify_graph.lake.preparation import must_answer

    settings = Settings.load()
    if settings.lake_address is not None:
        settings.make_home()
        must_answer(settings.lake)
    if people.leaving(settings.lake):
        with console.work("assets") as work:
            for done in forgetting.complete(settings, console.say, work.on, work.progress):
                _tell_forgotten(done)


@click.command(epilog=examples("accept user_events.csv --because 'half of it is a test'"))
@click.argument("version", callback=as_key)
@click.option("--because", required=True, help="Why it may go on into the graph; kept with the version.")
@as_json
def accept(version: str, because: str, as_json: bool) -> None:
    """Let a refused VERSION through, or the one of a landed file of that name, and bring the graph up to date."""
    from spotify_graph import runs

    settings = Settings.load()
    runs.accept(settings, version, because, console.say)
    console.say(f"{version} is accepted: {because}")
    report = _materialize(settings, "*")
    if as_json:
        console.document({"version": version, "because": because, **_document(report)})
    if not report.complete:
        sys.exit(1)


def _generate(out: Address, overwrite: bool, **arguments: Any) -> dict[str, str]:
    """Writes sample logs, and says where: tracks, user_events, and the folder of the truth about them."""
    from spotify_graph import landing_folder, sample_data

    there = [name for name in ("tracks.csv", "user_events.csv") if landing_folder.is_there(out, name)]
    if there and not overwrite:
        raise UserError(f"{out} already holds {' and '.join(there)}: give --out another folder, or --overwrite")
    with TemporaryDirectory(prefix="spotify-graph-") as scratch, console.work("events") as work:
        here = out if isinstance(out, Path) else Path(scratch, "landing")
        truth = sample_data.beside(here).track_popularity.parent
        work.on("sample logs")
        made = sample_data.generate(here, truth=truth, progress=work.progress, **arguments)
        if not isinstance(out, Path):
            for file in (made.tracks, made.user_events):
                landing_folder.put(out, file.name, partial(shutil.copyfile, file))
    wrote = {"tracks": f"{out}/{made.tracks.name}", "user_events": f"{out}/{made.user_events.name}"}
    # Of what lies in a store, the truth is not kept: an evaluation reads it from beside a folder of this machine.
    kept = {"truth": str(truth)} if isinstance(out, Path) else {}
    about = f"; the truth about their tastes is in {truth}" if kept else ""
    console.say(f"Wrote {wrote['tracks']} and {wrote['user_events']}{about}")
    return wrote | kept


def _show_demo(settings: Settings, counts: list[dict[str, Any]], answers: "list[tuple[str, Rows]]") -> None:
    from spotify_graph import showcase, status

    program = (
        "spotify-graph"
        if shutil.which("spotify-graph")
        else os.path.relpath(Path(sys.executable).with_name("spotify-graph"))
    )
    console.heading("The graph")
    console.records(counts, status.COUNT_COLUMNS, as_json=False)
    for command, answer in answers:
        console.heading(f"$ {program} {command}")
        show_rows(replace(answer, rows=answer.rows[: showcase.ROWS]), as_json=False)
        if len(answer.rows) > showcase.ROWS:
            console.tell(f"... and {len(answer.rows) - showcase.ROWS} more rows")
    console.heading("Next")
    for command, purpose in showcase.NEXT_COMMANDS:
        console.tell(f"{program} {command:<38}{purpose}")
    if settings.neo4j_uri is None:
        tell_server(local_neo4j())


def _materialize(settings: Settings, selection: str, **how: bool) -> "RunReport":
    from spotify_graph import runs

    complete_forgetting()
    with console.work("assets") as work:
        report = runs.materialize(settings, selection, console.say, work.on, work.progress, **how)
    _tell_problems(report)
    return report


def _document(report: "RunReport") -> dict[str, Any]:
    return {"complete": report.complete, **asdict(report)}


def _tell_problems(report: "RunReport") -> None:
    for line in (*report.failures, *report.held_back):
        console.say(f"spotify-graph: {line}")


COMMANDS = (generate, import_, materialize, demo, evaluate, forget, accept)
