"""The Cypher statements, built from the tables' descriptions: identifiers are quoted, values are parameters.

Rows travel as columns: the parameter c0 is the list of the values of a table's first column, c1 of its second, and so
on. Times travel as integers, microseconds since 1970, because temporal values are slow to send and to read.
"""

from spotify_graph.neo4j_io.checksum import aggregates
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType, RelationshipType

_ROWS = "UNWIND range(0, size($c0) - 1) AS i"

_DELETE_RELATIONSHIPS = (
    "MATCH (n)-[r]-() WITH DISTINCT r LIMIT $limit WITH r, type(r) AS type DELETE r RETURN type, count(*) AS count"
)

# Cypher's division rounds towards zero, so the arithmetic happens where every time is positive: after year 1.
_YEAR_1_S = 62_135_596_800


def quoted(identifier: str) -> str:
    """An identifier in backticks, safe whatever it contains."""
    return "`" + identifier.replace("`", "``") + "`"


def stored(table: RelationshipType) -> tuple[Property, ...]:
    """The columns that a relationship itself holds: all except both ends' keys."""
    return table.columns[2:]


def constraint(node: NodeType) -> str:
    """Creates the uniqueness constraint of a label's key unless it exists."""
    return f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{quoted(node.label)}) REQUIRE n.{quoted(node.key.name)} IS UNIQUE"


def indexes(node: NodeType) -> list[str]:
    """Create the range indexes of a label's indexed properties unless they exist."""
    return [
        f"CREATE INDEX IF NOT EXISTS FOR (n:{quoted(node.label)}) ON (n.{quoted(column.name)})"
        for column in node.properties
        if column.indexed
    ]


def served() -> str:
    """Returns `label`, `property` and `is_unique` of each index of nodes that is up to date, of one property each."""
    return (
        "SHOW INDEXES YIELD state, entityType, labelsOrTypes, properties, owningConstraint, type"
        " WHERE state = 'ONLINE' AND entityType = 'NODE' AND type = 'RANGE' AND size(properties) = 1"
        " RETURN labelsOrTypes[0] AS label, properties[0] AS property, owningConstraint IS NOT NULL AS is_unique"
    )


def duplicate_keys(node: NodeType) -> str:
    """Returns `key` of a few nodes that share theirs with another one. Parameter: examples."""
    key = f"n.{quoted(node.key.name)}"
    return (
        f"MATCH (n:{quoted(node.label)}) WITH {key} AS key, count(*) AS copies WHERE key IS NOT NULL AND copies > 1"
        " RETURN key LIMIT $examples"
    )


def count(table: GraphTable) -> str:
    """Returns `count`, how many nodes or relationships of the table there are."""
    return f"MATCH {_pattern(table)} RETURN count(*) AS count"


def quick_counts(table: GraphTable) -> list[str]:
    """Return `count`, at least as large as that of `count`, from the server's own statistics: they take no time."""
    if isinstance(table, NodeType):
        return [count(table)]
    type_ = quoted(table.type)
    return [
        f"MATCH (:{quoted(table.start.node.label)})-[r:{type_}]->() RETURN count(r) AS count",
        f"MATCH ()-[r:{type_}]->(:{quoted(table.end.node.label)}) RETURN count(r) AS count",
    ]


def checksum(table: GraphTable, *, keyless: bool = False) -> str:
    """Returns the aggregates of a table's checksum; values of another type count as absent. Parameter: codes.

    Args:
        table: what it is the checksum of.
        keyless: only of what `export` passes over.
    """
    if isinstance(table, NodeType):
        values = [f"n.{quoted(column.name)}" for column in table.columns]
    else:
        values = [f"s.{quoted(table.start.node.key.name)}", f"e.{quoted(table.end.node.key.name)}"]
        values += [f"r.{quoted(column.name)}" for column in stored(table)]
    # Each property is read once: to read them is most of the work.
    read = ", ".join(f"{value} AS c{i}" for i, value in enumerate(values))
    typed = (f"CASE WHEN {_is(f'c{i}', column)} THEN c{i} END AS c{i}" for i, column in enumerate(table.columns))
    found = aggregates(table, "c{}".format)
    returned = ", ".join(f"{expression} AS {name}" for name, expression in found.items())
    which = f"MATCH {_pattern(table)} {f'WHERE NOT ({_keyed(table)}) ' * keyless}"
    return f"{which}WITH {read} WITH {', '.join(typed)} RETURN {returned}"


def any_of(table: GraphTable) -> str:
    """Returns a row if there may be a node or relationship of the table; at once, whatever the size of the graph."""
    if isinstance(table, NodeType):
        return f"MATCH (n:{quoted(table.label)}) RETURN 1 LIMIT 1"
    return f"MATCH ()-[r:{quoted(table.type)}]->() RETURN 1 LIMIT 1"


def upsert(table: GraphTable) -> str:
    """Creates rows, or sets all their properties, and returns `found`, the rows whose ends exist. Parameters: all."""
    if isinstance(table, NodeType):
        merge = f"MERGE (x:{quoted(table.label)} {{{quoted(table.key.name)}: {_sent(table.key, 0)}}})"
    else:
        column = table.model_version
        version = f" {{{quoted(column.name)}: {_sent(column, 2)}}}" if column else ""
        merge = f"{_match_ends(table)} MERGE (s)-[x:{quoted(table.type)}{version}]->(e)"
    first = len(table.keys)
    values = [f"x.{quoted(p.name)} = {_sent(p, i)}" for i, p in enumerate(table.properties, first)]
    return f"{_ROWS} {merge} {'SET ' * bool(values)}{', '.join(values)} RETURN count(DISTINCT i) AS found"


def create(table: GraphTable) -> str:
    """Creates rows that are known to be new, and returns `found`, the rows whose ends exist. Parameters: all."""
    if isinstance(table, NodeType):
        return f"{_ROWS} CREATE (:{quoted(table.label)} {_map(table.columns, 0)}) RETURN count(*) AS found"
    created = f"CREATE (s)-[:{quoted(table.type)} {_map(stored(table), 2)}]->(e)"
    return f"{_ROWS} {_match_ends(table)} {created} RETURN count(*) AS found"


def delete_other_model_versions(table: RelationshipType, column: Property) -> str:
    """Deletes the relationships of a model's table that belong to other model versions, in transactions of its own.

    Each transaction locks the ledger's entry, counts there what it deletes, and deletes nothing once another
    publication has claimed the entry. Parameters: version, the model version to keep, or null for none; asset, token
    and now; and rows, how many relationships one transaction deletes.
    """
    return (
        f"MATCH {_pattern(table)} WHERE NOT coalesce(r.{quoted(column.name)} = $version, false)"
        " CALL (r) { MATCH (p:_Publication {asset: $asset}) SET p.heartbeat_at = $now"
        " WITH p, r WHERE p.token = $token SET p.deleted = p.deleted + 1 DELETE r } IN TRANSACTIONS OF $rows ROWS"
    )


def rows_without_ends(table: RelationshipType) -> str:
    """Returns `i`, the numbers of the rows of a batch that lack an end. Parameters: the two key columns."""
    exist = " AND ".join(f"EXISTS {{ MATCH {_end(table, i)} }}" for i in range(2))
    return f"{_ROWS} WITH i WHERE NOT ({exist}) RETURN i"


def delete(table: GraphTable) -> str:
    """Deletes rows. Parameters: the key columns."""
    if isinstance(table, NodeType):
        return f"{_ROWS} {_match_node(table)} DELETE n"
    column = table.model_version
    version = f" WHERE {_model_version('r', column)} = {_sent(column, 2)}" if column else ""
    return f"{_ROWS} {_match_ends(table)} MATCH (s)-[r:{quoted(table.type)}]->(e){version} DELETE r"


def delete_relationships_of(node: NodeType) -> str:
    """Deletes relationships of some nodes; returns `type` and `count` of each type. Parameters: c0, limit."""
    return f"{_ROWS} {_match_node(node)} {_DELETE_RELATIONSHIPS}"


def delete_relationships_without_key(node: NodeType) -> str:
    """Deletes relationships of nodes whose key is missing or of another type, like `delete_relationships_of`.

    Parameter: limit.
    """
    return f"{_match_without_key(node)} {_DELETE_RELATIONSHIPS}"


def delete_without_key(node: NodeType) -> str:
    """Deletes nodes whose key is missing or of another type, and relationships that they have got meanwhile.

    Returns `count`. Parameter: limit.
    """
    return f"{_match_without_key(node)} WITH n LIMIT $limit DETACH DELETE n RETURN count(*) AS count"


def without_key(node: NodeType) -> str:
    """Returns the `properties` of a few nodes whose key is missing or of another type. Parameter: examples."""
    return f"{_match_without_key(node)} RETURN properties(n) AS properties LIMIT $examples"


def export(table: GraphTable) -> str:
    """Returns every row of a table: `rows`, lists of the columns' values and whether all have the right types.

    A value of another type reads as null. Relationships come as one list for each start node, which is many times
    faster than one row for each relationship. Nodes whose key is missing or of another type are left out. A model
    version that is missing or of another type reads as an empty text, which no model version is.
    """
    if isinstance(table, NodeType):
        return f"MATCH (n:{quoted(table.label)}) WHERE {_has_key('n', table)} RETURN [{_row(table)}] AS rows"
    start, end = table.start.node, table.end.node
    return (
        f"MATCH (s:{quoted(start.label)}) WHERE {_has_key('s', start)}"
        f" RETURN COLLECT {{ MATCH (s)-[r:{quoted(table.type)}]->(e:{quoted(end.label)})"
        f" WHERE {_has_key('e', end)} RETURN {_row(table)} }} AS rows"
    )


def find(table: GraphTable) -> str:
    """Returns `rows`, those of a table with the keys of a batch, each as `export` has it. Parameters: the keys."""
    # One list is read several times as fast as a record for each row.
    if isinstance(table, NodeType):
        return f"{_ROWS} {_match_node(table)} RETURN collect({_row(table)}) AS rows"
    return f"{_ROWS} {_match_ends(table)} MATCH (s)-[r:{quoted(table.type)}]->(e) RETURN collect({_row(table)}) AS rows"


def _keyed(table: GraphTable) -> str:
    if isinstance(table, NodeType):
        return _has_key("n", table)
    return f"{_has_key('s', table.start.node)} AND {_has_key('e', table.end.node)}"


def _has_key(name: str, node: NodeType) -> str:
    return f"{_is(f'{name}.{quoted(node.key.name)}', node.key)} NOT NULL"


def _model_version(name: str, column: Property) -> str:
    stored = f"{name}.{quoted(column.name)}"
    return f"CASE WHEN {_is(stored, column)} NOT NULL THEN {stored} ELSE '' END"


def _match_without_key(node: NodeType) -> str:
    return f"MATCH (n:{quoted(node.label)}) WHERE NOT {_has_key('n', node)}"


def _pattern(table: GraphTable) -> str:
    if isinstance(table, NodeType):
        return f"(n:{quoted(table.label)})"
    start, end = quoted(table.start.node.label), quoted(table.end.node.label)
    return f"(s:{start})-[r:{quoted(table.type)}]->(e:{end})"


def _match_node(node: NodeType) -> str:
    return f"MATCH (n:{quoted(node.label)} {{{quoted(node.key.name)}: {_sent(node.key, 0)}}})"


def _match_ends(table: RelationshipType) -> str:
    return f"MATCH {_end(table, 0, 's')} MATCH {_end(table, 1, 'e')}"


def _end(table: RelationshipType, position: int, name: str = "") -> str:
    node = (table.start, table.end)[position].node
    return f"({name}:{quoted(node.label)} {{{quoted(node.key.name)}: {_sent(table.keys[position], position)}}})"


def _sent(column: Property, position: int) -> str:
    """The value to store, from the parameters."""
    sent = f"$c{position}[i]"
    if column.type is not PropertyType.ZONED_DATETIME:
        return sent
    shifted = f"({sent} + {_YEAR_1_S}000000)"
    time = f"datetime({{epochSeconds: {shifted} / 1000000 - {_YEAR_1_S}, nanosecond: {shifted} % 1000000 * 1000}})"
    return f"CASE WHEN {sent} IS NULL THEN null ELSE {time} END" if column.optional else time


def _map(columns: tuple[Property, ...], first: int) -> str:
    """The properties to create, for columns from a position on."""
    return (
        "{" + ", ".join(f"{quoted(column.name)}: {_sent(column, i)}" for i, column in enumerate(columns, first)) + "}"
    )


def _row(table: GraphTable) -> str:
    """A list of the values of a row's columns, and whether all have the right types."""
    if isinstance(table, NodeType):
        values = [_value(f"n.{quoted(table.key.name)}", table.key), *_read("n", table.properties)]
    else:
        start, end = table.start.node, table.end.node
        values = [_value(f"s.{quoted(start.key.name)}", start.key), _value(f"e.{quoted(end.key.name)}", end.key)]
        values += [_model_version("r", table.model_version)] if table.model_version else []
        values += _read("r", table.properties)
    return f"[{', '.join(values)}]"


def _read(name: str, properties: tuple[Property, ...]) -> list[str]:
    """Expressions for the properties' values, and for whether all have the right types."""
    stored = [(f"{name}.{quoted(p.name)}", p) for p in properties]
    values = [f"CASE WHEN {_is(value, p)} THEN {_value(value, p)} END" for value, p in stored]
    return [*values, " AND ".join(_is(value, p) for value, p in stored) or "true"]


def _is(stored: str, column: Property) -> str:
    return f"{stored} IS :: {column.type}"


def _value(stored: str, column: Property) -> str:
    if column.type is not PropertyType.ZONED_DATETIME:
        return stored
    # epochSeconds is rounded towards zero, epochMillis downwards.
    return f"{stored}.epochMillis * 1000 + {stored}.microsecond % 1000"
