"""The queries: one .cypher file each, and what it takes to list, bind and run the sample queries.

A file opens with a comment that is read by this module: its first line says what the query answers, then come the
parameters, one a line. Other comment lines are for people.

    // key NAME: LABEL — DESCRIPTION                        required; the key of a node with that label
    // param NAME: INTEGER LOW..HIGH = DEFAULT — DESCRIPTION
    // scans: WHAT                                          for a query without a key: what it reads in full
    // serves: COMMAND                                      no sample query, but what that command asks; it says for
                                                            people what parameters it takes: // $NAME: DESCRIPTION
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

from neo4j import Driver, ManagedTransaction, NotificationDisabledClassification, Session
from neo4j.time import DateTime

from spotify_graph.errors import UserError
from spotify_graph.graph_model import NODES, NodeType

_HEADER_LINE = re.compile(
    r"// (?:key (?P<key>\w+): (?P<label>\w+)"
    r"|param (?P<param>\w+): INTEGER (?P<low>\d+)\.\.(?P<high>\d+) = (?P<default>\d+)) — (?P<description>.+)"
)
_SERVES = re.compile(r"^// serves: ", re.MULTILINE)


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
            UserError: a parameter is unknown, missing or not allowed.
        """
        names = [parameter.name for parameter in self.parameters]
        for name in raw:
            if name not in names:
                raise UserError(f"{self.name} has no parameter {name!r}; it takes {', '.join(names)}")
        return {parameter.name: self._value(parameter, raw.get(parameter.name)) for parameter in self.parameters}

    def _value(self, parameter: Parameter, text: str | None) -> object:
        if text is None:
            if isinstance(parameter, IntegerParameter):
                return parameter.default
            raise UserError(f"{self.name} needs {parameter.name}: {parameter.allowed}")
        try:
            return parameter.parse(text)
        except ValueError:
            raise UserError(f"{parameter.name} of {self.name} is {text!r}; it must be {parameter.allowed}") from None


@dataclass(frozen=True)
class Rows:
    """The answer to a query.

    Attributes:
        columns: the columns' names.
        rows: the rows, in the query's order; times as text in ISO 8601, ready to print or for JSON.
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
        UserError: there is none; the message names those that are close, or all.
    """
    queries = load()
    if name not in queries:
        close = get_close_matches(name, queries)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(queries)}"
        raise UserError(f"no query is called {name!r}; {hint}")
    return queries[name]


def run(driver: Driver, database: str, query: Query, params: Mapping[str, object]) -> Rows:
    """Runs a query in one read transaction.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        query: what to run.
        params: what `Query.bind` returned.

    Raises:
        UserError: the answer is empty because the graph has no such user, track, artist or genre.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """

    def work(transaction: ManagedTransaction) -> Rows:
        result = transaction.run(query.text, dict(params))
        columns = tuple(result.keys())
        rows = [tuple(_printable(value) for value in record.values()) for record in result]
        if not rows:
            for parameter in query.parameters:
                if isinstance(parameter, KeyParameter):
                    _require(transaction, parameter.node, params[parameter.name])
        return Rows(columns, rows)

    with session(driver, database) as asking:
        return asking.execute_read(work)


def session(driver: Driver, database: str) -> Session:
    """Opens a session for queries.

    Args:
        driver: a connection to the server.
        database: the database to ask.
    """
    # A label or type that the database has not met yet is a young graph, not a mistake to warn about.
    unmet = [NotificationDisabledClassification.UNRECOGNIZED]
    return driver.session(database=database, notifications_disabled_classifications=unmet)


def unknown(node: NodeType, key: object) -> UserError:
    """Makes the error that says that the graph has no node with this key.

    Args:
        node: the nodes among which it was looked for.
        key: the key's value.
    """
    return UserError(f"the graph has no {node.label} with the {node.key.name} {key!r}")


def _texts() -> dict[str, str]:
    suffix = ".cypher"
    return {
        file.name.removesuffix(suffix): file.read_text("utf-8")
        for file in files(__name__).iterdir()
        if file.name.endswith(suffix)
    }


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


def _require(transaction: ManagedTransaction, node: NodeType, value: object) -> None:
    """Raises a UserError unless the graph has the node."""
    key = node.key.name
    if not transaction.run(f"MATCH (n:{node.label} {{{key}: $value}}) RETURN true", value=value).peek():
        raise unknown(node, value)


def _printable(value: object) -> object:
    return value.to_native().isoformat() if isinstance(value, DateTime) else value
