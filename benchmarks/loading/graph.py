"""The database: its constraints, and what it holds."""

from neo4j import Driver

from benchmarks.loading.measurement import Contents
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS, USER
from spotify_graph.neo4j_io import constraints
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, PropertyType


def constrain(driver: Driver, node: NodeType) -> None:
    """Creates a label's constraint and indexes, and waits until they serve."""
    with driver.session() as session:
        constraints.ensure(session, node)


def contents(driver: Driver) -> Contents:
    """Counts everything, and adds up what can be added up, so that graphs that differ in a value differ here."""
    found = {table.asset: _contents_of(driver, table) for table in FACTS}
    totals = driver.execute_query(
        "CALL () { MATCH (n) WHERE NOT n:_Publication RETURN count(n) AS nodes }"
        " CALL () { MATCH ()-[r]->() RETURN count(r) AS relationships } RETURN nodes, relationships"
    ).records[0]
    return found | {"everything": {"count": totals["nodes"] + totals["relationships"]}}


def type_of_times(driver: Driver) -> str:
    """The type that the database has times of users in; there is one for all that a contestant writes."""
    query = f"MATCH (x:{USER.label}) RETURN DISTINCT valueType(x.first_seen) AS type"
    return " or ".join(record["type"] for record in driver.execute_query(query).records)


def must_agree(graphs: dict[str, Contents]) -> None:
    """Makes sure that all contestants made the same graph, or counted what the first one's has.

    Raises:
        UserError: they did not; it names who, where, and by how much.
    """
    (first, expected), *others = graphs.items()
    differences = [
        f"{asset}, {what}: {expected[asset][what]:,} from {first}, {graph[asset][what]:,} from {name}"
        for name, graph in others
        for asset in graph
        for what in graph[asset]
        if abs(expected[asset][what] - graph[asset][what]) > _tolerated(what, expected[asset]["count"])
    ]
    if differences:
        raise UserError("the graphs differ, so their times can't be compared: " + "; ".join(differences))


def _tolerated(what: str, rows: int) -> int:
    # Spark adds up floats in any order, so that one in some thousands is rounded to the next millionth.
    return rows // 1000 if what.startswith("millionths") else 0


def _contents_of(driver: Driver, table: GraphTable) -> dict[str, int]:
    if isinstance(table, NodeType):
        pattern, values = f"(x:{table.label})", {column.name: f"x.{column.name}" for column in table.columns}
    else:
        pattern = f"(s:{table.start.node.label})-[x:{table.type}]->(e:{table.end.node.label})"
        values = {column.name: f"x.{column.name}" for column in table.properties}
        values |= {
            table.start.column: f"s.{table.start.node.key.name}",
            table.end.column: f"e.{table.end.node.key.name}",
        }
    types = {column.name: column.type for column in table.columns}
    sums = {"count": "count(*)", "properties": "sum(size(keys(x)))"}
    for name, value in values.items():
        sums[f"values of {name}"] = f"count({value})"
        match types[name]:
            case PropertyType.STRING | PropertyType.STRING_LIST:
                sums[f"sizes of {name}"] = f"sum(size({value}))"
            case PropertyType.INTEGER:
                sums[f"sum of {name}"] = f"sum({value})"
            case PropertyType.FLOAT:
                sums[f"millionths of {name}"] = f"sum(toInteger(round({value} * 1e6)))"
            case PropertyType.BOOLEAN:
                sums[f"true values of {name}"] = f"sum(CASE WHEN {value} THEN 1 ELSE 0 END)"
            case PropertyType.ZONED_DATETIME:
                # A local time counts as one in UTC: what it says is the same.
                time = f"datetime({{datetime: {value}, timezone: 'UTC'}})"
                sums[f"seconds of {name}"] = f"sum({time}.epochSeconds)"
                sums[f"microseconds of {name}"] = f"sum({time}.microsecond)"
    returned = ", ".join(f"{expression} AS `{what}`" for what, expression in sums.items())
    return driver.execute_query(f"MATCH {pattern} RETURN {returned}").records[0].data()
