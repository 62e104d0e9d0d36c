"""The queries: one .cypher file each, and what it takes to list, bind and run the sample queries.

A file opens with a comment that is read by this module: its first line says what the query answers, then come the
parameters, one a line. Other comment lines are for people.

    // key NAME: LABEL — DESCRIPTION                        required; the key of a node with that label
    // param NAME: INTEGER LOW..HIGH = DEFAULT — DESCRIPTION
    // scans: WHAT                                          for a query without a key: what it reads in full
    // serves: COMMAND                                      no sample query, but what that command asks; it says for
                                                            people what it takes: // $asked.NAME: DESCRIPTION

Some relationship types stand in angle brackets, for what follows from the graph model: <EVENTS>, those of all event
types; <OTHER EVENTS>, those of which a query knows no more than that they happened: all but play, skip and like. A file
with EVENT in its name is a query of each event type that has no file of its own: <EVENT> is its relationship type,
<evented> the same in words, <event> its name.

What a command asks is in one map, $asked: for parameters of their own, the server would make another plan, and take
seconds for it, for each combination of their types and of about how long they are.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

from neo4j import READ_ACCESS, Driver, ManagedTransaction, NotificationDisabledClassification, Session
from neo4j.graph import Node, Relationship
from neo4j.time import DateTime

from spotify_graph.errors import NotFoundError, UsageError
from spotify_graph.graph_model import ARTIST, EVENT_TYPES, GENRE, LIKE, NODES, PLAY, SKIP, EventType
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.times import utc

_HEADER_LINE = re.compile(
    r"// (?:key (?P<key>\w+): (?P<label>\w+)"
    r"|param (?P<param>\w+): INTEGER (?P<low>\d+)\.\.(?P<high>\d+) = (?P<default>\d+)) — (?P<description>.+)"
)
_SERVES = re.compile(r"^// serves: ", re.MULTILINE)

_EVENT = "EVENT"
"""What stands for an event type in the name of a file."""
_NAMED = (ARTIST, GENRE)
"""The nodes whose key people type from memory."""
_COMPARED = 10_000
_SUGGESTED = 3


@dataclass(frozen=True)
class KeyParameter:
    """A parameter that names a node of the graph by its key. It has no default.

    Attributes:
        name: its name in the query.
        node: the nodes that it may name.
        description: what it is for.
    """

    name: str
    node: NodeType
    description: str

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return f"the {self.node.key.name} of a {self.node.label}"

    def parse(self, text: str) -> str:
        """Returns the value that the text stands for: itself."""
        return text


@dataclass(frozen=True)
class IntegerParameter:
    """A parameter that is a whole number within bounds.

    Attributes:
        name: its name in the query.
        low: the least value allowed.
        high: the greatest value allowed.
        default: its value where none is given.
        description: what it is for.
    """

    name: str
    low: int
    high: int
    default: int
    description: str

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, text: str) -> int:
        """Returns the number that the text stands for.

        Raises:
            ValueError: it stands for none that is allowed.
        """
        value = int(text)
        if not self.low <= value <= self.high:
            raise ValueError
        return value


Parameter = KeyParameter | IntegerParameter


@dataclass(frozen=True)
class Query:
    """A query of the graph.

    Attributes:
        name: the name of its file, without the suffix.
        description: what it answers, in one line.
        parameters: what it takes, in the order of its file.
        text: the Cypher.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    text: str

    def bind(self, raw: Mapping[str, str]) -> dict[str, object]:
        """Makes the query's parameters from text: checked, of the right types, defaults filled in.

        Args:
            raw: values by the parameters' names, as typed by a person.

        Raises:
            UsageError: a parameter is unknown, missing or not allowed.
        """
        names = [parameter.name for parameter in self.parameters]
        for name in raw:
            if name not in names:
                raise UsageError(f"{self.name} has no parameter {name!r}; it takes {', '.join(names)}")
        return {parameter.name: self._value(parameter, raw.get(parameter.name)) for parameter in self.parameters}

    def _value(self, parameter: Parameter, text: str | None) -> object:
        if text is None:
            if isinstance(parameter, IntegerParameter):
                return parameter.default
            raise UsageError(f"{self.name} needs {parameter.name}: {parameter.allowed}")
        try:
            return parameter.parse(text)
        except ValueError:
            raise UsageError(f"{parameter.name} of {self.name} is {text!r}; it must be {parameter.allowed}") from None


@dataclass(frozen=True)
class Rows:
    """The answer to a query.

    Attributes:
        columns: the columns' names.
        rows: the rows, in the query's order, ready for JSON: a time is text in ISO 8601, a node a mapping of its label
            and its properties, a relationship one of its type and its properties.
    """

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def load() -> dict[str, Query]:
    """Returns every sample query by its name, sorted by name."""
    return {name: _parse(name, text) for name, text in sorted(_texts().items()) if not _SERVES.search(text)}


def serving() -> dict[str, str]:
    """Returns the Cypher of every query that a command of its own asks, by its name."""
    return {name: text for name, text in sorted(_texts().items()) if _SERVES.search(text)}


def get(name: str) -> Query:
    """Returns the sample query of that name.

    Raises:
        UsageError: there is none; the message names those that are close, or all.
    """
    queries = load()
    if name not in queries:
        close = get_close_matches(name, queries)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(queries)}"
        raise UsageError(f"no query is called {name!r}; {hint}")
    return queries[name]


def run(driver: Driver, database: str, query: Query, params: Mapping[str, object]) -> Rows:
    """Runs a query in one read transaction.

    Where the graph has no artist or genre of a name, but one that differs in upper and lower case alone, that is meant.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        query: what to run.
        params: what `Query.bind` returned.

    Raises:
        NotFoundError: the answer is empty because the graph has no such user, track, artist or genre.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """

    def answer(transaction: ManagedTransaction, given: Mapping[str, object]) -> Rows:
        result = transaction.run(query.text, dict(given))
        columns = tuple(result.keys())
        return Rows(columns, [tuple(_printable(value) for value in record.values()) for record in result])

    def work(transaction: ManagedTransaction) -> Rows:
        found = answer(transaction, params)
        if found.rows:
            return found
        keys = [it for it in query.parameters if isinstance(it, KeyParameter)]
        meant = {it.name: find(transaction, it.node, str(params[it.name])) for it in keys}
        return found if meant.items() <= params.items() else answer(transaction, {**params, **meant})

    with session(driver, database) as asking:
        return asking.execute_read(work)


def session(driver: Driver, database: str) -> Session:
    """Opens a session for queries, in which the server refuses to write.

    Args:
        driver: a connection to the server.
        database: the database to ask.
    """
    # A label or type that the database has not met yet is a young graph, not a mistake to warn about.
    unmet = [NotificationDisabledClassification.UNRECOGNIZED]
    return driver.session(
        database=database, default_access_mode=READ_ACCESS, notifications_disabled_classifications=unmet
    )


def find(transaction: ManagedTransaction, node: NodeType, key: str) -> str:
    """Finds the key of the node that is meant: the very key, or else the one name that differs in case alone.

    An id is only ever itself: ids that differ in case are different ones.

    Args:
        transaction: where to look.
        node: the nodes among which it is.
        key: the key, as typed by a person.

    Raises:
        NotFoundError: the graph has no such node, or several; the message says which ones come close.
    """
    if transaction.run(f"MATCH (n:{node.label} {{{node.key.name}: $key}}) RETURN true", key=key).peek():
        return key
    named = node in _NAMED
    sought = unicodedata.normalize("NFC", " ".join(key.split())).lower()

    def keys(condition: str) -> list[str]:
        match = f"MATCH (n:{node.label}) WITH n.{node.key.name} AS key WHERE {condition}"
        found = transaction.run(f"{match} RETURN key ORDER BY key LIMIT {_COMPARED}", sought=sought)
        return [str(record["key"]) for record in found]

    close = keys("toLower(key) = $sought")
    if named and len(close) == 1:
        return close[0]
    if named and not close:
        # A typo leaves the length about right, and one of the ends.
        near = keys(
            "abs(size(key) - size($sought)) <= 3 AND (left(toLower(key), 2) = left($sought, 2)"
            " OR right(toLower(key), 2) = right($sought, 2))"
        )
        by_lower = {name.lower(): name for name in near}
        close = [by_lower[name] for name in get_close_matches(sought, by_lower)]
    hint = f"; did you mean {' or '.join(repr(name) for name in close[:_SUGGESTED])}?" if close else ""
    raise NotFoundError(f"the graph has no {node.label} with the {node.key.name} {key!r}{hint}")


def _texts() -> dict[str, str]:
    suffix = ".cypher"
    found = {
        file.name.removesuffix(suffix): _of_model(file.read_text("utf-8"))
        for file in files(__name__).iterdir()
        if file.name.endswith(suffix)
    }
    of_events = {name: found.pop(name) for name in list(found) if _EVENT in name}
    made = {
        name.replace(_EVENT, event.relationship.type.lower()): _of_event(text, event)
        for name, text in of_events.items()
        for event in EVENT_TYPES
    }
    return made | found


def _of_model(text: str) -> str:
    others = [event for event in EVENT_TYPES if event not in {PLAY, SKIP, LIKE}]
    for placeholder, events in (("<EVENTS>", EVENT_TYPES), ("<OTHER EVENTS>", others)):
        text = text.replace(placeholder, "|".join(event.relationship.type for event in events))
    return text


def _of_event(text: str, event: EventType) -> str:
    name = event.relationship.type
    words = {"<EVENT>": name, "<evented>": name.lower().replace("_", " "), "<event>": event.name}
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)
    return text


def _parse(name: str, text: str) -> Query:
    lines = text.splitlines()
    found = (_HEADER_LINE.fullmatch(line) for line in lines)
    return Query(
        name=name,
        description=lines[0].removeprefix("// "),
        parameters=tuple(_parameter(match) for match in found if match),
        text=text,
    )


def _parameter(line: re.Match[str]) -> Parameter:
    if line["key"]:
        node = next(node for node in NODES if node.label == line["label"])
        return KeyParameter(line["key"], node, line["description"])
    return IntegerParameter(
        line["param"], int(line["low"]), int(line["high"]), int(line["default"]), line["description"]
    )


def _printable(value: object) -> object:
    match value:
        case DateTime():
            return utc(value.to_native())
        case Node():
            return {"label": _label(value), **{name: _printable(it) for name, it in value.items()}}
        case Relationship():
            return {"type": value.type, **{name: _printable(it) for name, it in value.items()}}
        case _:
            return value


def _label(node: Node) -> str:
    """The label of the graph model that a node has; others may have given it more."""
    ours = [it.label for it in NODES if it.label in node.labels]
    return [*ours, *sorted(node.labels), ""][0]
