"""The command `spotify-graph`.

Exit codes: 0 done, 1 failed, 2 wrong usage. Answers go to stdout, progress and errors to stderr.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spotify_graph import console
from spotify_graph.errors import UsageError, UserError
from spotify_graph.settings import Settings

if TYPE_CHECKING:
    from spotify_graph.care.backup import Backup
    from spotify_graph.local.neo4j import LocalNeo4j
    from spotify_graph.queries import Parameter, Rows
    from spotify_graph.runs import RunReport
    from spotify_graph.serving import Recommendations, SimilarTracks

# What a command needs is imported inside it: Spark, Dagster and the driver take seconds, `--help` should not.

_PIPED_WIDTH = 120
"""How wide a line is where nobody looks at a terminal."""

per_artist = click.option(
    "--per-artist", type=int, help="How many tracks of an artist at most; unless given, it grows with -k: 2 of ten."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Command(click.Group):
    """Turns an error into one line on stderr and an exit code; with --debug, anywhere, the traceback is shown."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        """Runs the command and exits."""
        arguments = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in arguments
        try:
            return super().main([argument for argument in arguments if argument != "--debug"], *more, **extra)
        except Exception as error:
            if debug:
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            hint = "" if isinstance(error, UserError) else f" ({type(error).__name__}; --debug shows where)"
            click.echo(f"spotify-graph: {lines[0]}{hint}", err=True)
            sys.exit(2 if isinstance(error, UsageError) else 1)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks; may stand anywhere.")
@click.version_option(package_name="spotify-graph")
def main() -> None:
    """Listening logs in, a living recommendation graph in Neo4j out."""


@main.command()
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
def generate(
    tracks: int | None,
    users: int | None,
    events: int | None,
    seed: int | None,
    end: datetime | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Write sample logs with planted tastes, and beside their folder the truth about those tastes."""
    given = {"tracks": tracks, "users": users, "events": events, "seed": seed, "end": end and end.date()}
    _generate(
        out or Settings.load().landing, overwrite, **{name: value for name, value in given.items() if value is not None}
    )


@main.command()
@click.option("--select", "selection", default="*", show_default=True, help="Assets, in Dagster's selection syntax.")
@click.option("--rebuild", is_flag=True, help="Build the local database anew, in one go.")
@click.option("--discard-additions", is_flag=True, help="With --rebuild: what others have added goes.")
def materialize(selection: str, rebuild: bool, discard_additions: bool) -> None:
    """Take in every landed file and bring the graph up to date."""
    if discard_additions and not rebuild:
        raise UsageError("--discard-additions belongs to --rebuild: nothing else removes what others have added")
    if not _materialize(Settings.load(), selection, rebuild=rebuild, discard=discard_additions).complete:
        sys.exit(1)


@main.command("import")
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
    with console.err.status("") as status:
        done = door.take(settings, path, user=user, mapped_by=mapping, replace=afresh, say=status.update)
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


@main.command()
def demo() -> None:
    """Generate sample logs if nothing has landed, materialize everything, and show what came out."""
    from spotify_graph import showcase, status
    from spotify_graph.automation.landed import look
    from spotify_graph.resources.neo4j import connect

    settings = Settings.load()
    settings.make_home()
    program = (
        "spotify-graph"
        if shutil.which("spotify-graph")
        else os.path.relpath(Path(sys.executable).with_name("spotify-graph"))
    )
    if not settings.landing.is_dir() or not look(settings):
        console.say(f"Nothing has landed in {settings.landing}: generating sample logs")
        _generate(settings.landing, overwrite=False)
    report = _materialize(settings, "*")
    if report.failures:
        sys.exit(1)
    with connect(settings) as driver:
        console.heading("The graph")
        console.records(status.counts(driver, settings.neo4j_database), status.COUNT_COLUMNS, as_json=False)
        for command, answer in showcase.sample_answers(driver, settings.neo4j_database):
            console.heading(f"$ {program} {command}")
            _show_rows(replace(answer, rows=answer.rows[: showcase.ROWS]), as_json=False)
            if len(answer.rows) > showcase.ROWS:
                console.tell(f"... and {len(answer.rows) - showcase.ROWS} more rows")
    console.heading("Next")
    for command, purpose in showcase.NEXT_COMMANDS:
        console.tell(f"{program} {command:<38}{purpose}")
    if settings.neo4j_uri is None:
        _tell_server(_local_neo4j())
    if not report.complete:
        sys.exit(1)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="The UI's port.", show_default="3000, or a free one")
def up(port: int | None) -> None:
    """Run Neo4j, the Dagster webserver, the daemon and the HTTP service until Ctrl-C."""
    from spotify_graph import runs
    from spotify_graph.api import server as api
    from spotify_graph.automation import failures
    from spotify_graph.lake.migration import migrate
    from spotify_graph.local import dagster, locks, neo4j_of_up
    from spotify_graph.local.ports import chosen
    from spotify_graph.local.stopping import Stop
    from spotify_graph.resources.neo4j import connect
    from spotify_graph.resources.session import kept_warm

    settings = Settings.load()
    settings.make_home()
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        stack.enter_context(locks.up(settings))
        port = dagster.ui_port(port, console.say)
        api_port = chosen(settings.serve_port, api.PORT, "the HTTP service", console.say)
        api_url = api.url(settings.serve_host, api_port)
        dagster.wait_for_former(settings, console.say)
        with runs.instance(settings) as instance:
            runs.end_orphans(instance)
        migrate(settings.lake, console.say)
        if settings.neo4j_uri is None:
            stack.enter_context(neo4j_of_up.ended(settings, stop, console.say))
        with connect(settings, console.say):
            console.say("Starting the Dagster webserver and daemon, and the HTTP service")
        server, failed_runs = neo4j_of_up.ServerWatch(settings), failures.News(settings)

        def ready(url: str) -> None:
            stack.enter_context(kept_warm(settings, console.say))
            console.tell(f"Dagster UI      {url}")
            console.tell(f"HTTP API        {api_url}")
            if settings.neo4j_uri is None:
                _tell_server(_local_neo4j())
            else:
                console.tell(f"Neo4j           {settings.neo4j_uri}")
            console.tell("Ctrl-C stops everything.")

        def watch() -> None:
            if changed := server.look():
                console.say(changed)
            for line in failed_runs():
                console.say(line)

        beside = ["-m", "spotify_graph.cli", "serve", "--port", str(api_port)]
        dagster.serve(settings, port, beside, f"{api_url}/health", stop, ready, watch)
        stop.awaiting = "Spark"


@main.command()
@click.option("--host", help="The address to listen on.", show_default="127.0.0.1")
@click.option("--port", type=click.IntRange(1, 65535), help="The port.", show_default="8000, or a free one")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token that requests must show.")
def serve(host: str | None, port: int | None, token_file: Path | None) -> None:
    """Answer requests for recommendations over HTTP until Ctrl-C."""
    from spotify_graph.api import server
    from spotify_graph.local.stopping import Stop
    from spotify_graph.resources.neo4j import connect

    given = {"serve_host": host, "serve_port": port, "serve_token_file": token_file}
    settings = Settings.load()
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    with (
        Stop() as stop,
        server.listen(settings, console.say) as listener,
        connect(settings, console.say, **server.driver_options(settings)) as driver,
    ):
        server.serve(settings, driver, listener, stop, lambda url: console.tell(f"HTTP API        {url}"), console.say)


@main.command("warm-caches")
def warm_caches() -> None:
    """Make the caches with which Spark and the local Neo4j start faster: once, in a few minutes."""
    from spotify_graph import warm_caches as training

    for cache in training.train(Settings.load(), console.say):
        console.tell(f"{cache}  {cache.stat().st_size / 1e6:,.0f} MB")


@main.group()
def neo4j() -> None:
    """Start, stop and look at the local Neo4j server."""


@neo4j.command()
@as_json
def start(as_json: bool) -> None:
    """Start the local server, unless it runs."""
    local = _local_neo4j()
    local.start(console.say)
    _show_server(local, as_json)


@neo4j.command()
def stop() -> None:
    """Stop the local server."""
    from spotify_graph.local import locks

    stopped = _local_neo4j().stop()
    console.tell("Neo4j is stopped." if stopped else "Neo4j was not running.")
    if stopped and (user := locks.running_up(Settings.load())):
        console.say(
            f"warning: {user} uses it: its next run starts it again, and so does `spotify-graph neo4j start`;"
            " to end both, end that one"
        )


@neo4j.command("status")
@as_json
def neo4j_status(as_json: bool) -> None:
    """Say whether the local server runs, and where."""
    _show_server(_local_neo4j(), as_json)


@main.command()
@click.argument("name", required=False)
@click.option("--param", "-p", "parameters", multiple=True, metavar="K=V", help="A parameter of the query; repeatable.")
@click.option("--list", "listing", is_flag=True, help="List the queries and their parameters.")
@as_json
def query(name: str | None, parameters: Sequence[str], listing: bool, as_json: bool) -> None:
    """Run the sample query NAME."""
    from spotify_graph import queries
    from spotify_graph.resources.neo4j import connect

    if listing:
        _list_queries(as_json)
        return
    if name is None:
        raise UsageError("name a query, or list them with --list")
    chosen = queries.get(name)
    bound = chosen.bind(_by_key(parameters))
    settings = Settings.load()
    with connect(settings, console.say) as driver:
        _show_rows(queries.run(driver, settings.neo4j_database, chosen, bound), as_json)


@main.command()
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
    console.records(lines, list(lines[0]), as_json=False)


@main.command()
@click.argument("user_id")
@click.option("-k", default=10, show_default=True, help="How many tracks, from 1 to 100.")
@click.option("--genre", help="Only tracks in this genre.")
@click.option("--artist", help="Only tracks by this artist, however many.")
@click.option("--heard", is_flag=True, help="Tracks that the user has heard stay in.")
@click.option("--disliked", is_flag=True, help="Tracks that the user skipped more often than played stay in.")
@per_artist
@as_json
def recommend(
    user_id: str,
    k: int,
    genre: str | None,
    artist: str | None,
    heard: bool,
    disliked: bool,
    per_artist: int | None,
    as_json: bool,
) -> None:
    """Recommend tracks to the user USER_ID, and say why."""
    from spotify_graph import serving
    from spotify_graph.resources.neo4j import connect

    serving.check(k, per_artist)
    settings = Settings.load()
    with connect(settings, console.say) as driver:
        answer = serving.recommend(
            driver,
            settings.neo4j_database,
            user_id,
            k=k,
            genre=genre,
            artist=artist,
            heard=heard,
            disliked=disliked,
            per_artist=per_artist,
        )
    _show_served(answer, as_json)
    if not answer.known:
        sys.exit(1)


@main.command()
@click.argument("track_id")
@click.option("-k", default=10, show_default=True, help="How many tracks, from 1 to 100.")
@per_artist
@as_json
def similar(track_id: str, k: int, per_artist: int | None, as_json: bool) -> None:
    """Show the tracks most similar to the track TRACK_ID, and say why."""
    from spotify_graph import serving
    from spotify_graph.resources.neo4j import connect

    serving.check(k, per_artist)
    settings = Settings.load()
    with connect(settings, console.say) as driver:
        answer = serving.similar(driver, settings.neo4j_database, track_id, k=k, per_artist=per_artist)
    _show_served(answer, as_json)


@main.command()
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


@main.command()
@click.argument("file")
def forget(file: str) -> None:
    """Take a FILE's contribution out of lake and graph, on purpose."""
    from spotify_graph import runs

    with console.err.status("") as status:
        entry, report = runs.forget(Settings.load(), file, console.say, status.update)
    rejected = entry.counts.get("rejected", 0)
    console.tell(
        f"{file} is forgotten: {entry.in_graph or 0:,} good rows and {rejected:,} rejected ones are out of the lake."
    )
    for asset, written in report.written.items():
        console.tell(f"{asset}: " + ", ".join(f"{rows:,} {what}" for what, rows in written.items()))
    _tell_problems(report)
    if not report.complete:  # the graph still holds what the file gave it
        sys.exit(1)


@main.command()
@click.argument("version")
@click.option("--because", required=True, help="Why it may go on into the graph; kept with the version.")
def accept(version: str, because: str) -> None:
    """Let a refused VERSION through, or the one of a landed file of that name, and bring the graph up to date."""
    from spotify_graph import runs

    settings = Settings.load()
    runs.accept(settings, version, because, console.say)
    console.say(f"{version} is accepted: {because}")
    if not _materialize(settings, "*").complete:
        sys.exit(1)


@main.command()
@as_json
def status(as_json: bool) -> None:
    """Say what is landed, cleaned, rejected and published, with counts and times."""
    from spotify_graph import runs
    from spotify_graph import status as report

    settings = Settings.load()
    with runs.instance(settings) as instance:
        assets = report.assets(instance, settings)
    files = report.files(settings) if settings.landing.is_dir() else []
    additions, unknown = None, "Neo4j does not run: what others have added to the graph is not known"
    try:
        additions = report.additions(settings)
    except UserError as error:
        unknown = str(error)
    if as_json:
        landed = {"landing": str(settings.landing), "landed": files}
        console.document({**landed, "assets": assets, "added_by_others": additions})
        return
    console.heading(f"Files, landing in {settings.landing}")
    console.records(files, report.FILE_COLUMNS, as_json=False)
    console.heading("Assets")
    console.records(assets, report.ASSET_COLUMNS, as_json=False)
    console.heading("Added to the graph by others")
    if additions is None:
        console.say(unknown)
    else:
        console.records(additions, report.ADDITION_COLUMNS, as_json=False)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@as_json
def backup(file: Path, as_json: bool) -> None:
    """Write the local database and the lake, as they belong together, into one FILE."""
    from spotify_graph.care import backup as care

    made = care.back_up(Settings.load(), file.absolute(), console.say)
    _show_backup(made, as_json)
    console.say(f"{made.file} is written: {made.file.stat().st_size / 1e6:,.1f} MB")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in place of the lake and the graph that are there.")
@as_json
def restore(file: Path, replace: bool, as_json: bool) -> None:
    """Put back what `backup` wrote into FILE."""
    from spotify_graph.care import backup as care

    done = care.restore(Settings.load(), file.absolute(), console.say, replace=replace)
    _show_backup(done, as_json)
    console.say(f"{done.file}, of {done.content.created}, is restored")


@main.command()
@as_json
def doctor(as_json: bool) -> None:
    """Look at every part of the installation, change nothing, and say what is wrong and how to mend it."""
    from spotify_graph.care import doctor as care
    from spotify_graph.care.diagnosis import COLUMNS, State

    found = list(care.examine(Settings.load()))
    console.records([asdict(it) for it in found], COLUMNS, as_json)
    if any(it.state is State.PROBLEM for it in found):
        sys.exit(1)


@main.command()
@as_json
def reconcile(as_json: bool) -> None:
    """Read the graph back, compare every table with the lake, and mend what differs."""
    from spotify_graph.care import reconciliation

    with console.err.status("") as status:
        done = reconciliation.reconcile(Settings.load(), console.say, status.update)
    if as_json:
        console.document([asdict(table) for table in done.tables])
    else:
        console.records([table.record for table in done.tables], reconciliation.COLUMNS, as_json=False)
    _tell_problems(done.run)
    if not done.is_equal:
        console.say("spotify-graph: graph and lake are not equal: `spotify-graph doctor` says what to do")
        sys.exit(1)


def _generate(out: Path, overwrite: bool, **arguments: Any) -> None:
    from spotify_graph import sample_data

    there = [file.name for file in (out / "tracks.csv", out / "user_events.csv") if file.exists()]
    if there and not overwrite:
        raise UserError(f"{out} already holds {' and '.join(there)}: give --out another folder, or --overwrite")
    truth = sample_data.beside(out).track_popularity.parent
    with console.progress("events") as bar:
        task = bar.add_task("events", total=None)
        made = sample_data.generate(
            out, truth=truth, progress=lambda done, total: bar.update(task, completed=done, total=total), **arguments
        )
    console.say(f"Wrote {made.tracks} and {made.user_events}; the truth about their tastes is in {truth}")


def _materialize(settings: Settings, selection: str, *, rebuild: bool = False, discard: bool = False) -> "RunReport":
    from spotify_graph import runs

    with console.err.status("") as status:
        report = runs.materialize(
            settings, selection, console.say, status.update, rebuild=rebuild, discard_additions=discard
        )
    _tell_problems(report)
    return report


def _tell_problems(report: "RunReport") -> None:
    for line in (*report.failures, *report.held_back):
        console.say(f"spotify-graph: {line}")


def _list_queries(as_json: bool) -> None:
    from spotify_graph import queries

    rows = [
        {"query": query.name, "answers": query.description, "parameters": [_described(p) for p in query.parameters]}
        for query in queries.load().values()
    ]
    console.records(rows, ("query", "answers", "parameters"), as_json)


def _described(parameter: "Parameter") -> str:
    default = getattr(parameter, "default", None)
    return parameter.name if default is None else f"{parameter.name}={default}"


def _show_rows(answer: "Rows", as_json: bool) -> None:
    console.records([dict(zip(answer.columns, row, strict=True)) for row in answer.rows], answer.columns, as_json)


def _show_served(answer: "Recommendations | SimilarTracks", as_json: bool) -> None:
    from spotify_graph.serving import COLUMNS

    if as_json:
        console.document(asdict(answer))
    else:
        console.records([asdict(track) for track in answer.tracks], COLUMNS, as_json=False)
    if answer.note:
        console.say(f"spotify-graph: {answer.note}")


def _show_backup(backup: "Backup", as_json: bool) -> None:
    from spotify_graph.care.backup import COLUMNS

    if as_json:
        content = {name: value for name, value in asdict(backup.content).items() if name != "files"}
        console.document({"file": backup.file, **content})
    else:
        console.records(backup.records, COLUMNS, as_json=False)


def _show_server(local: "LocalNeo4j", as_json: bool) -> None:
    status = local.status()
    if as_json:
        fields = ("running", "uri", "browser", "username", "password_file")
        console.document({field: getattr(status, field) for field in fields})
    elif status.running:
        _tell_server(local)
    else:
        console.tell("Neo4j is not running; `spotify-graph neo4j start` starts it.")


def _tell_server(local: "LocalNeo4j") -> None:
    status = local.status()
    console.tell(f"Neo4j           {status.uri}")
    console.tell(f"Neo4j Browser   {status.browser}  (user {status.username}, password in {status.password_file})")


def _local_neo4j() -> "LocalNeo4j":
    from spotify_graph.local.neo4j import LocalNeo4j

    settings = Settings.load()
    if settings.neo4j_uri is not None:
        raise UserError(f"NEO4J_URI is {settings.neo4j_uri}: that server is used, and there is no local one to manage")
    return LocalNeo4j(settings)


def _by_key(parameters: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals or not name:
            raise UsageError(f"--param takes K=V, not {parameter!r}")
        if name in given:
            raise UsageError(f"--param {name} is given twice")
        given[name] = value
    return given


if __name__ == "__main__":
    main()
