"""Commands that ask the graph."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from spotify_graph import console
from spotify_graph.cli.options import as_json, examples, per_artist
from spotify_graph.errors import UsageError
from spotify_graph.settings import Settings

if TYPE_CHECKING:
    from spotify_graph.drawing import Kind
    from spotify_graph.queries import Parameter, Rows
    from spotify_graph.serving import Recommendations, SimilarTracks

_LISTED = ("users", "tracks", "artists", "genres")
_DRAWN = ("user", "artist", "track", "genre")


def _queries(_context: click.Context, _argument: click.Parameter, begun: str) -> list[CompletionItem]:
    from spotify_graph import queries

    return [CompletionItem(it.name, help=it.description) for it in queries.load().values() if it.name.startswith(begun)]


def _parameters(context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    from spotify_graph import queries

    known = queries.load()
    # Where the last option waits for its value, click leaves the words before it as they are.
    chosen = [known[word] for word in (context.params["name"], *context.args) if word in known]
    names = [f"{it.name}=" for query in chosen for it in query.parameters]
    return [CompletionItem(name) for name in names if name.startswith(begun)]


@click.command(epilog=examples("query --list", "query top_liked_tracks -p user_id=ann -p limit=5"))
@click.argument("name", required=False, shell_complete=_queries)
@click.option(
    "--param",
    "-p",
    "parameters",
    multiple=True,
    metavar="K=V",
    shell_complete=_parameters,
    help="A parameter of the query; repeatable.",
)
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
        show_rows(queries.run(driver, settings.neo4j_database, chosen, bound), as_json)


@click.command(epilog=examples("recommend ann", "recommend ann -k 5 --genre Jazz"))
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


@click.command(epilog=examples("similar 6rqhFgbbKwnb9MLmUQDhG6 -k 5"))
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


@click.command("list", epilog=examples("list users", "list tracks --like miles --limit 5", "list genres --json"))
@click.argument("kind", type=click.Choice(_LISTED))
@click.option(
    "--like", metavar="TEXT", help="Only those whose id or name has it, whatever its case; tracks: artist too."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@as_json
def list_(kind: str, like: str | None, limit: int, as_json: bool) -> None:
    """List users, tracks, artists or genres: a way to find the ids that other commands take."""
    from spotify_graph import directory
    from spotify_graph.resources.neo4j import connect

    settings = Settings.load()
    with connect(settings, console.say) as driver:
        found, more = directory.listed(driver, settings.neo4j_database, directory.KINDS[kind], like, limit)
    show_rows(found, as_json)
    if more:
        console.say(f"These are not all {kind}; --limit shows more, and --like TEXT looks for some")


@click.command(epilog=examples("draw artist 'Miles Davis' --out miles.html", "draw user ann --out user.html"))
@click.argument("kind", type=click.Choice(_DRAWN))
@click.argument("id_", metavar="ID")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The HTML file to write.")
@click.option("--limit", type=click.IntRange(1, 100), default=8, show_default=True, help="How many tracks or users.")
@as_json
def draw(kind: "Kind", id_: str, out: Path, limit: int, as_json: bool) -> None:
    """Draw the neighbourhood of a user, an artist, a track or a genre as a page that needs no network."""
    from spotify_graph import drawing
    from spotify_graph.resources.neo4j import connect

    settings = Settings.load()
    with connect(settings, console.say) as driver:
        picture = drawing.draw(driver, settings.neo4j_database, kind, id_, limit)
    picture.write(out)
    if as_json:
        console.document({"file": str(out), "nodes": len(picture.nodes), "relationships": len(picture.relationships)})
    else:
        console.tell(f"{out}: {len(picture.nodes):,} nodes, {len(picture.relationships):,} relationships")


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


def as_records(answer: "Rows") -> list[dict[str, Any]]:
    """The rows of an answer, each by the names of its columns."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def show_rows(answer: "Rows", as_json: bool) -> None:
    """Prints the answer to a query; in a table, nodes and relationships are named in a few words."""
    from spotify_graph.appearance import in_words

    found = as_records(answer)
    if not as_json:
        found = [{name: in_words(value) for name, value in row.items()} for row in found]
    console.records(found, answer.columns, as_json)


def _show_served(answer: "Recommendations | SimilarTracks", as_json: bool) -> None:
    from spotify_graph.serving import COLUMNS

    if as_json:
        console.document(asdict(answer))
    else:
        console.records([asdict(track) for track in answer.tracks], COLUMNS, as_json=False)
    if answer.note:
        console.say(f"spotify-graph: {answer.note}")


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


COMMANDS = (query, recommend, similar, list_, draw)
