"""Commands that run servers: the local Neo4j, the Dagster UI with its daemon, the HTTP service."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotify_graph import console
from spotify_graph.cli.options import as_json, examples
from spotify_graph.errors import UserError
from spotify_graph.settings import SERVE_PORT, Settings

if TYPE_CHECKING:
    from spotify_graph.local.neo4j import LocalNeo4j


@click.command(epilog=examples("up", "up --port 3001"))
@click.option("--port", type=click.IntRange(1, 65535), help="The UI's port.", show_default="3000, or a free one")
def up(port: int | None) -> None:
    """Run Neo4j, the Dagster webserver, the daemon and the HTTP service until Ctrl-C."""
    from spotify_graph import runs
    from spotify_graph.api import server as api
    from spotify_graph.automation import failures
    from spotify_graph.cli.intake import complete_forgetting
    from spotify_graph.lake.preparation import prepare
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
        api_port = chosen(settings.serve_port, SERVE_PORT, "the HTTP service", console.say)
        api_url = api.url(settings.serve_host, api_port)
        dagster.wait_for_former(settings, console.say)
        with runs.instance(settings) as instance:
            runs.end_orphans(instance)
        prepare(settings.lake, console.say)
        if settings.neo4j_uri is None:
            stack.enter_context(neo4j_of_up.ended(settings, stop, console.say))
        with connect(settings, console.say):
            console.say("Starting the Dagster webserver and daemon, and the HTTP service")
        complete_forgetting()
        server, failed_runs = neo4j_of_up.ServerWatch(settings), failures.News(settings)

        def ready(url: str) -> None:
            stack.enter_context(kept_warm(settings, console.say))
            console.tell(f"Dagster UI      {url}")
            console.tell(f"HTTP API        {api_url}")
            if settings.neo4j_uri is None:
                tell_server(local_neo4j())
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


@click.command(epilog=examples("serve", "serve --port 8080 --token-file token"))
@click.option("--host", help="The address to listen on.", show_default="127.0.0.1")
@click.option("--port", type=click.IntRange(1, 65535), help="The port.", show_default="8000, or a free one")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token that requests must show.")
def serve(host: str | None, port: int | None, token_file: Path | None) -> None:
    """Answer requests for recommendations over HTTP until Ctrl-C."""
    from spotify_graph import logs
    from spotify_graph.api import server
    from spotify_graph.local import service
    from spotify_graph.local.stopping import Stop
    from spotify_graph.resources.neo4j import connect

    def ready(url: str) -> None:
        service.remember(url, settings)
        console.tell(f"HTTP API        {url}")

    given = {"serve_host": host, "serve_port": port, "serve_token_file": token_file}
    settings = Settings.load()
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    if settings.log_format == "json":
        logs.write_json()
    with (
        Stop() as stop,
        server.listen(settings, console.say) as listener,
        connect(settings, console.say, **server.driver_options(settings)) as driver,
    ):
        server.serve(settings, driver, listener, stop, ready, console.say, _figures(settings))


def _figures(settings: Settings) -> Callable[[], str]:
    """The platform's figures, for whoever asks for metrics; what they need is loaded for the first who does."""
    asked: Callable[[], str] | None = None

    def page() -> str:
        nonlocal asked
        if asked is None:
            from spotify_graph import figures

            asked = figures.kept(settings)
        return asked()

    return page


@click.command("warm-caches", epilog=examples("warm-caches"))
@as_json
def warm_caches(as_json: bool) -> None:
    """Make the caches with which Spark and the local Neo4j start faster: once, in a few minutes."""
    from spotify_graph import warm_caches as training

    made = {}
    for cache in training.train(Settings.load(), console.say):
        made[str(cache)] = cache.stat().st_size
        if not as_json:
            console.tell(f"{cache}  {made[str(cache)] / 1e6:,.0f} MB")
    if as_json:
        console.document([{"cache": cache, "bytes": size} for cache, size in made.items()])


@click.command(epilog=examples("browser", "browser --out ~/Downloads"))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=".", help="The folder to write to.")
@as_json
def browser(out: Path, as_json: bool) -> None:
    """Write what Neo4j Browser imports: a style for the graph, and the sample queries as saved scripts."""
    from spotify_graph import browser as importable

    style, scripts = importable.write(out.expanduser())
    if as_json:
        console.document({"style": str(style), "scripts": str(scripts)})
    else:
        console.tell(f"{style}  the style of the graph\n{scripts}  the sample queries")
        console.say("Drop one after the other onto the page of Neo4j Browser.")


@click.group(epilog=examples("neo4j start", "neo4j status --json"))
def neo4j() -> None:
    """Start, stop and look at the local Neo4j server."""


@neo4j.command(epilog=examples("neo4j start"))
@as_json
def start(as_json: bool) -> None:
    """Start the local server, unless it runs."""
    local = local_neo4j()
    local.start(console.say)
    _show_server(local, as_json)


@neo4j.command(epilog=examples("neo4j stop"))
@as_json
def stop(as_json: bool) -> None:
    """Stop the local server."""
    from spotify_graph.local import locks

    stopped = local_neo4j().stop()
    if as_json:
        console.document({"stopped": stopped})
    else:
        console.tell("Neo4j is stopped." if stopped else "Neo4j was not running.")
    if stopped and (user := locks.running_up(Settings.load())):
        console.say(
            f"warning: {user} uses it: its next run starts it again, and so does `spotify-graph neo4j start`;"
            " to end both, end that one"
        )


@neo4j.command("status", epilog=examples("neo4j status", "neo4j status --json"))
@as_json
def neo4j_status(as_json: bool) -> None:
    """Say whether the local server runs, and where."""
    _show_server(local_neo4j(), as_json)


@neo4j.command("rotate-password", epilog=examples("neo4j rotate-password"))
@as_json
def rotate_password(as_json: bool) -> None:
    """Give the local server's user a new password; its file has it then."""
    local = local_neo4j()
    local.rotate_password()
    if as_json:
        console.document({"password_file": local.password_file})
    else:
        console.tell(f"The new password is in {local.password_file}.")
    console.say("What runs with the old one, such as `up`, is to be started again: it connects anew with the old one.")


def _show_server(local: "LocalNeo4j", as_json: bool) -> None:
    status = local.status()
    if as_json:
        fields = ("running", "uri", "browser", "username", "password_file")
        console.document({field: getattr(status, field) for field in fields})
    elif status.running:
        tell_server(local)
    else:
        console.tell("Neo4j is not running; `spotify-graph neo4j start` starts it.")


def tell_server(local: "LocalNeo4j") -> None:
    """Tells where the local server is."""
    status = local.status()
    console.tell(f"Neo4j           {status.uri}")
    console.tell(f"Neo4j Browser   {status.browser}  (user {status.username}, password in {status.password_file})")


def local_neo4j() -> "LocalNeo4j":
    """The local server, where it is the one in use.

    Raises:
        UserError: the settings name another server.
    """
    from spotify_graph.local.neo4j import LocalNeo4j

    settings = Settings.load()
    if settings.neo4j_uri is not None:
        raise UserError(f"NEO4J_URI is {settings.neo4j_uri}: that server is used, and there is no local one to manage")
    return LocalNeo4j(settings)


COMMANDS = (up, serve, warm_caches, neo4j, browser)
