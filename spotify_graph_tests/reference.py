"""The pages of docs/reference: written from the code and the graph model, so that they say what is.

`make reference` writes them anew.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import dagster as dg
from neo4j import GraphDatabase
from pydantic import BaseModel

from spotify_graph import queries
from spotify_graph.api import app
from spotify_graph.checks import gates as gate
from spotify_graph.cli import main
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import EVENT_TYPES, FACTS, NODES, RECOMMENDATIONS
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.rejects import REASONS
from spotify_graph.resources.gates import Gates
from spotify_graph.settings import Settings
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.recommendations.parameters import Parameters

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
_WRITTEN = "<!-- written by `make reference` -->"
_FOLDERS = {"home": "`.spotify_graph` in the project", "landing_address": "`$SPOTIFY_GRAPH_HOME/landing`"}
_FOLDERS |= {"exports": "`$SPOTIFY_GRAPH_HOME/exports`"}
_ABOUT_FOLDERS = """
The local server's password is made once and kept in `$SPOTIFY_GRAPH_HOME/neo4j/password`, readable by its owner only.
Dagster keeps its runs in `$SPOTIFY_GRAPH_HOME/dagster`, which is `DAGSTER_HOME` unless that is set. Downloaded jars are
in the user's cache folder (`~/.cache/spotify-graph` on Linux) and shared by all checkouts; a user without a home folder
that can be written, as in a container, has them in `$SPOTIFY_GRAPH_HOME`. The paths of `SPOTIFY_GRAPH_HOME` and
`DAGSTER_HOME` may have any character but those that Spark, Dagster, Neo4j or Java take for something else
(`* ? [ ] { } \\ , % : ; =`, and what is beyond U+FFFF, such as emoji), which are refused at once.
"""
_ABOUT_COMMANDS = """\
In a checkout, the command is `.venv/bin/spotify-graph`. Exit codes: 0 done, 1 failed, 2 wrong usage. Answers go to
stdout, progress and errors to stderr. An error is one line; `--debug` shows where it came from. Tables are as wide as
the terminal, and 80 columns where there is none. `--json` has keys in snake_case and times in ISO 8601 and UTC.

The shell completes commands, options and the names of queries and of their parameters after
`eval "$(_SPOTIFY_GRAPH_COMPLETE=bash_source spotify-graph)"` in `~/.bashrc`; for zsh and fish it's `zsh_source` in
`~/.zshrc`, and `_SPOTIFY_GRAPH_COMPLETE=fish_source spotify-graph | source`.
"""
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def settings() -> Iterator[str]:
    """Every environment variable, and what the JSON objects among them may hold."""
    yield "Settings come from the environment, or from a file `.env` in the project or the current folder. An empty"
    yield "variable counts as unset; relative paths are taken from the current folder.\n"
    said = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(inspect.cleandoc(Settings.__doc__ or ""))}
    yield from _table(
        ("variable", "meaning", "default"),
        (
            (
                f"`{field.validation_alias}`",
                said[name].partition("`, ")[2] or said[name],
                _FOLDERS.get(name) or _default(field.default),
            )
            for name, field in Settings.model_fields.items()
        ),
    )
    yield _ABOUT_FOLDERS
    yield "## Thresholds of the gates\n"
    yield '`SPOTIFY_GRAPH_GATES` is a JSON object with some of these, such as `{"rejected_error": 0.1}`.\n'
    yield from _fields(Gates)
    yield "\n## Parameters of the models\n"
    yield "`SPOTIFY_GRAPH_RECOMMENDER` is a JSON object with some of these and of those of the evaluation below.\n"
    yield from _fields(Parameters)
    yield "\n## Parameters of the evaluation\n"
    yield from _fields(Protocol)


def commands() -> Iterator[str]:
    """Every command, with its options and examples."""
    yield _ABOUT_COMMANDS
    for name, command in _walk(main, ()):
        yield f"## {name}\n"
        yield f"{_text(command.help)}\n"
        context = click.Context(command, info_name=f"spotify-graph {name}", terminal_width=100)
        yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n"
        options = [it for it in command.params if isinstance(it, click.Option) and not it.hidden]
        if options:
            records = [record for it in options if (record := it.get_help_record(context))]
            yield from _table(("option", "does"), ((f"`{option}`", _text(said)) for option, said in records))
            yield ""
        examples = [line for line in (command.epilog or "").splitlines() if line.startswith("spotify-graph")]
        if examples:
            yield "```text\n" + "\n".join(examples) + "\n```\n"


def assets() -> Iterator[str]:
    """Every asset, job, sensor and schedule."""
    definitions = build_defs()
    graph = definitions.resolve_asset_graph()
    specs = sorted(definitions.resolve_all_asset_specs(), key=lambda it: (_ORDER.index(it.group_name or ""), it.key))
    yield from _table(
        ("group", "assets"),
        (
            (group, ", ".join(f"[`{name}`](#{name})" for name in (_name(it) for it in specs if it.group_name == group)))
            for group in dict.fromkeys(it.group_name or "" for it in specs)
        ),
    )
    for spec in specs:
        yield f"\n## {_name(spec)}\n"
        yield f"{_text(spec.description)}\n"
        parents = ", ".join(f"[`{it}`](#{it})" for it in sorted(dep.asset_key.to_user_string() for dep in spec.deps))
        yield f"- computed from: {parents or 'nothing here'}"
        if isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition):
            yield f"- partitions: `{spec.partitions_def.name}`, one for each file"
        checks = sorted(it.name for it in graph.get_check_keys_for_assets({spec.key}))
        if checks:
            yield f"- gates: {', '.join(f'[`{it}`](checks.md#{it})' for it in checks)}"
        schema = spec.metadata.get("dagster/column_schema")
        if schema:
            yield ""
            yield from _table(
                ("column", "type", "says"), ((f"`{it.name}`", it.type, _text(it.description)) for it in schema.columns)
            )
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    yield "\n## Jobs\n"
    yield from _table(("job", "does"), ((f"`{it.name}`", _text(it.description)) for it in jobs))
    yield "\n## Sensors\n"
    yield from _table(("sensor", "does"), ((f"`{it.name}`", _text(it.description)) for it in repository.sensor_defs))
    yield "\n## Schedules\n"
    plans = repository.schedule_defs
    yield from _table(
        ("schedule", "when", "does"), ((f"`{it.name}`", f"`{it.cron_schedule}`", _text(it.description)) for it in plans)
    )


def checks() -> Iterator[str]:
    """Every gate, with the assets that it guards, and the reasons for which rows are rejected."""
    yield "A gate that blocks keeps what it refuses out of the graph. Another one warns.\n"
    graph = build_defs().resolve_asset_graph()
    guarded: dict[str, list[str]] = {}
    for key in graph.asset_check_keys:
        guarded.setdefault(key.name, []).append(key.asset_key.to_user_string())
    gates = [it for it in vars(gate).values() if isinstance(it, gate.Gate)]
    for one in gates:
        yield f"## {one.name}\n"
        yield f"{one.description} {'Blocks.' if one.blocking else 'Warns.'}\n"
        yield f"On {', '.join(f'[`{it}`](assets.md#{it})' for it in sorted(guarded.get(one.name, [])))}.\n"
    yield "## Reasons of rejected rows\n"
    yield "A row is in `rejected_events` or `rejected_tracks` with every reason that applies:"
    yield f"{', '.join(f'`{it}`' for it in REASONS)}."


def http() -> Iterator[str]:
    """The HTTP service, from its own description."""
    with GraphDatabase.driver("bolt://127.0.0.1:1") as driver:
        document = app.build(driver, "neo4j", connections=1, limit=1).openapi()
    yield f"{document['info']['description']} [Recommendations over HTTP](../http.md) explains it.\n"
    for path, methods in document["paths"].items():
        asked = methods["get"]
        yield f"## GET {path}\n"
        yield f"{_text(asked['description'])}\n"
        if parameters := asked.get("parameters"):
            yield from _table(
                ("parameter", "type", "default", "says"),
                (
                    (
                        f"`{it['name']}`",
                        _type(it["schema"]),
                        "required" if it["required"] else _default(it["schema"].get("default")),
                        _text(it.get("description")),
                    )
                    for it in parameters
                ),
            )
            yield ""
        yield from _table(
            ("status", "when"), ((code, _text(it["description"])) for code, it in asked["responses"].items())
        )
        yield ""
    yield "## What answers hold\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"### {name}\n"
        yield f"{_text(schema.get('description'), whole=False)}\n"
        yield from _table(
            ("field", "type"), ((f"`{it}`", _type(said)) for it, said in schema.get("properties", {}).items())
        )
        yield ""


def graph() -> Iterator[str]:
    """The data dictionary: nodes, relationships, event types and sample queries."""
    yield "What Neo4j holds, derived from `spotify_graph/graph_model.py`, as constraints, Cypher and gates are.\n"
    yield "## Event types\n"
    yield from _table(
        ("event_type", "becomes", "weight", "because"),
        (
            (f"`{it.name}`", f"`(User)-[:{it.relationship.type}]->(Track)`", f"{it.weight:g}", it.because)
            for it in EVENT_TYPES
        ),
    )
    for title, tables in (("Nodes", NODES), ("Relationships", FACTS[len(NODES) :]), ("Of models", RECOMMENDATIONS)):
        yield f"\n## {title}\n"
        for table in tables:
            yield f"### {_pattern(table)}\n"
            yield f"{table.description} Published by [`{table.asset}`](assets.md#{table.asset}).\n"
            columns = table.columns if isinstance(table, NodeType) else (*_model(table), *table.properties)
            if columns:
                yield from _table(
                    ("property", "type", "says"),
                    (
                        (
                            f"`{it.name}`{' (key)' if it in table.keys else ''}",
                            f"{it.type}{', may be absent' if it.optional else ''}",
                            _text(it.description),
                        )
                        for it in columns
                    ),
                )
                yield ""
    yield "## Sample queries\n"
    yield "`spotify-graph query NAME -p KEY=VALUE` runs one.\n"
    yield from _table(
        ("query", "answers", "parameters"),
        (
            (
                f"`{it.name}`",
                it.description,
                ", ".join(f"`{parameter.name}`: {parameter.allowed}" for parameter in it.parameters),
            )
            for it in queries.load().values()
        ),
    )


PAGES: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "settings.md": ("Settings", settings),
    "commands.md": ("The command spotify-graph", commands),
    "assets.md": ("Assets, jobs, sensors and schedules", assets),
    "checks.md": ("Gates", checks),
    "http.md": ("The HTTP API", http),
    "graph.md": ("Data dictionary", graph),
}
"""The pages, by their files' names: the title, and what gives the lines below it."""

_ORDER = ("raw", "cleaned", "nodes", "edges", "graph", "evaluation", "recommendations", "health")


def page(name: str) -> str:
    """A page in Markdown."""
    title, lines = PAGES[name]
    return "\n".join((f"# {title}", _WRITTEN, "", *lines())).rstrip() + "\n"


def _walk(group: click.Group, above: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _walk(command, (*above, name))
        else:
            yield " ".join((*above, name)), command


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        # A bar ends a cell, also within code, and what is in angle brackets would be markup.
        yield f"| {' | '.join(_cell(it) for it in row)} |"


def _cell(text: str) -> str:
    text = text.replace("|", r"\|")
    return text if "`" in text else text.replace("<", "&lt;")


def _fields(model: type[BaseModel]) -> Iterator[str]:
    # A resource of Dagster's has fields of its own beside those that are configured.
    fields = {name: it for name, it in model.model_fields.items() if it.description and not name.startswith("_")}
    yield from _table(
        ("name", "meaning", "default"),
        ((f"`{name}`", _text(it.description), _default(it.default)) for name, it in fields.items()),
    )


def _default(value: object) -> str:
    if value is None or value in ({}, ""):
        return "unset"
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


def _type(schema: dict[str, Any]) -> str:
    """The type in a schema of OpenAPI, in words."""
    if of := schema.get("anyOf"):
        return " or ".join(_type(it) for it in of)
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if items := schema.get("items"):
        return f"list of {_type(items)}"
    return str(schema.get("format") or schema.get("type") or "anything")


def _pattern(table: object) -> str:
    if isinstance(table, NodeType):
        return f"(:{table.label})"
    start, end, name = (getattr(table, it) for it in ("start", "end", "type"))
    return f"(:{start.node.label})-[:{name}]->(:{end.node.label})"


def _model(table: Any) -> tuple[Any, ...]:
    return (table.model_version,) if table.model_version else ()


def _name(spec: dg.AssetSpec) -> str:
    return spec.key.to_user_string()


def _text(said: str | None, *, whole: bool = True) -> str:
    """A description on one line; or its beginning, up to what only those who call it in Python need."""
    text = inspect.cleandoc((said or "").replace("\b", ""))
    if not whole:
        text = text.partition("\n\n")[0]
    return " ".join(text.split())


def write() -> None:
    """Writes the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    write()
