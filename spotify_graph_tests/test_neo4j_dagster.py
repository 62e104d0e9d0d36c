"""Other people's assets in Neo4j: the example of people and companies, and what is wrong with rows that don't fit."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from neo4j import Driver

from examples.people import definitions as example
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_dagster import Neo4jResource
from spotify_graph.neo4j_io.errors import EndsMissingError, PublicationError, ServerError, StagingError

PASSWORD = "PEOPLE_PASSWORD"  # noqa: S105 a variable's name

Written = dict[str, tuple[Any, ...]]
"""By asset: how many rows there are, and how many were inserted, changed and deleted."""

Manager = example.PeopleIOManager


@pytest.fixture(scope="module", autouse=True)
def no_keys_of_other_tests(neo4j_driver: Driver) -> None:
    """What others call Person has another key."""
    for record in neo4j_driver.execute_query("SHOW CONSTRAINTS YIELD name").records:
        neo4j_driver.execute_query(f"DROP CONSTRAINT `{record['name']}`")


@pytest.fixture
def manager(clean_graph: Driver, local_neo4j: LocalNeo4j, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """The example's IO manager, on an empty graph, connected as others would."""
    monkeypatch.setenv(PASSWORD, local_neo4j.password().get_secret_value())
    neo4j = Neo4jResource(uri=str(local_neo4j.status().uri), password=dg.EnvVar(PASSWORD))
    return Manager(neo4j=neo4j, root=str(tmp_path / "snapshots"))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's files, to be changed."""
    folder = tmp_path / "files"
    shutil.copytree(Path(example.__file__).parent, folder)
    monkeypatch.setattr(example, "FILES", folder)
    return folder


def materialize(assets: list[dg.AssetsDefinition], manager: Manager, **options: Any) -> Written:
    result = dg.materialize(assets, resources={"io_manager": manager}, **options)
    written = {}
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        counts = [metadata[name].value for name in ("dagster/row_count", "inserted", "changed", "deleted")]
        written[event.materialization.asset_key.to_user_string()] = tuple(counts)
    return written


def returning(name: str, rows: object) -> dg.AssetsDefinition:
    """An asset of one of the example's tables that returns these rows."""

    @dg.asset(name=name)
    def asset() -> Any:
        return rows

    return asset


def people(*emails: str | None) -> pd.DataFrame:
    return pd.DataFrame({"email": emails, "name": "Ann", "born": None})


def values(driver: Driver, query: str) -> list[Any]:
    return [record.value() for record in driver.execute_query(query).records]


def graph(driver: Driver) -> list[list[Any]]:
    query = (
        "MATCH (p:Person) OPTIONAL MATCH (p)-[r:WORKS_AT]->(c:Company)"
        " RETURN p.name, p.born, c.name, c.city, r.since.year ORDER BY p.email"
    )
    return [list(record.values()) for record in driver.execute_query(query).records]


ADA, BO, CLEO = (
    ["Ada", 1987, "Acme", "Oslo", 2021],
    ["Bo", None, "Birch", "Lyon", 2019],
    ["Cleo", 1992, "Acme", "Oslo", 2023],
)


def test_the_example_writes_what_differs_and_nothing_else(manager: Manager, files: Path, clean_graph: Driver) -> None:
    assets = [example.people, example.companies, example.employments]
    first = materialize(assets, manager)
    assert first == {"people": (3, 3, 0, 0), "companies": (2, 2, 0, 0), "employments": (3, 3, 0, 0)}
    assert graph(clean_graph) == [ADA, BO, CLEO]
    constrained = values(clean_graph, "SHOW CONSTRAINTS YIELD labelsOrTypes AS it RETURN it")
    assert ["Person"] in constrained
    assert ["Company"] in constrained

    again = materialize(assets, manager)
    assert again == {"people": (3, 0, 0, 0), "companies": (2, 0, 0, 0), "employments": (3, 0, 0, 0)}

    lines = (files / "people.csv").read_text().replace("Cleo,1992", "Cleo,1991")
    (files / "people.csv").write_text(lines)
    jobs = (files / "employments.csv").read_text().splitlines()
    (files / "employments.csv").write_text("\n".join(line for line in jobs if not line.startswith("bo@")))
    changed = materialize(assets, manager)
    assert changed == {"people": (3, 0, 1, 0), "companies": (2, 0, 0, 0), "employments": (2, 0, 0, 1)}
    assert graph(clean_graph) == [ADA, ["Bo", None, None, None, None], ["Cleo", 1991, "Acme", "Oslo", 2023]]


def test_what_is_published_is_read_back_as_arrow_or_as_a_dataframe(manager: Manager, files: Path) -> None:
    read: list[Any] = []

    @dg.asset(deps=[example.employments])
    def reader(people: pd.DataFrame, companies: pa.Table) -> None:
        read.extend([people, companies])

    defs = [example.people, example.companies, example.employments, reader]
    assert dg.materialize(defs, resources={"io_manager": manager}).success
    assert list(read[0]["email"]) == ["ada@example.com", "bo@example.com", "cleo@example.com"]
    assert read[1].sort_by("name").to_pydict() == {"name": ["Acme", "Birch"], "city": ["Oslo", "Lyon"]}


def test_what_was_never_published_cannot_be_read(manager: Manager) -> None:
    @dg.asset(ins={"people": dg.AssetIn()})
    def reader(people: pa.Table) -> None: ...

    spec = dg.AssetSpec("people").with_io_manager_key("io_manager")
    with pytest.raises(FileNotFoundError, match="no publication of people is finished: materialize it first"):
        dg.materialize([reader, spec], resources={"io_manager": manager})


def test_what_others_have_under_the_labels_stays_unless_it_is_to_go(manager: Manager, clean_graph: Driver) -> None:
    clean_graph.execute_query("CREATE (:Person {email: 'zoe@example.com', name: 'Zoe'})")
    assert materialize([returning("people", people("a"))], manager) == {"people": (1, 1, 0, 0)}
    assert values(clean_graph, "MATCH (p:Person) RETURN count(p)") == [2]
    strict = Manager(neo4j=manager.neo4j, root=manager.root, keep_foreign=False)
    assert materialize([returning("people", people("a"))], strict) == {"people": (1, 0, 0, 1)}
    assert values(clean_graph, "MATCH (p:Person) RETURN p.email") == ["a"]


def test_what_somebody_deleted_is_restored_though_the_rows_are_the_same(manager: Manager, clean_graph: Driver) -> None:
    materialize([returning("people", people("a", "b"))], manager)
    clean_graph.execute_query("MATCH (p:Person {email: 'a'}) DELETE p")
    materialize([returning("people", people("a", "b"))], manager)
    assert values(clean_graph, "MATCH (p:Person) RETURN p.email ORDER BY p.email") == ["a", "b"]


MOMENT = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "rows", "problem"),
    [
        ("people", people("a")[["email"]], "column name, born missing; there are email"),
        ("people", people("a").assign(born="1987"), "column born is string, not INTEGER"),
        ("people", people("a").assign(born=1987.5), "column born does not fit INTEGER: .*1987.5"),
        ("people", people("a", "b").assign(name=["Ann", 7]), ".*column name"),
        ("people", people("a", None), "1 row with no email, e.g. None"),
        ("people", people("a", "b", "a"), "more than one row with the same email, e.g. 'a'"),
        ("people", ["a"], "a list was returned, which is neither a pandas DataFrame nor an Arrow table"),
        ("companies", pa.table({"name": ["Acme"], "city": [None]}), "1 row with no city, e.g. 'Acme'"),
        (
            "employments",
            pd.DataFrame({"person": ["a"], "company": ["b"], "since": [MOMENT.replace(tzinfo=None)]}),
            r"column since is timestamp\[.s\], not ZONED DATETIME",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_that_do_not_fit_are_refused_and_the_culprits_named(
    manager: Manager, name: str, rows: object, problem: str
) -> None:
    with pytest.raises(StagingError, match=f"^{name}: {problem}"):
        materialize([returning(name, rows)], manager)
    assert list(Path(manager.root).rglob("*.parquet")) == []


def test_relationships_without_their_nodes_are_refused_and_named(manager: Manager, files: Path) -> None:
    jobs = pd.DataFrame({"person": ["ada@example.com", "zoe@x.org"], "company": "Acme", "since": [MOMENT, MOMENT]})
    lack = "WORKS_AT of a batch lack their Person or Company, e.g."
    with pytest.raises(EndsMissingError, match=f"employments: 2 {lack} .*; publish people and companies first"):
        materialize([returning("employments", jobs)], manager)
    materialize([example.people, example.companies], manager)
    with pytest.raises(EndsMissingError, match=f"employments: 1 {lack} 'zoe@x.org'-'Acme'"):
        materialize([returning("employments", jobs)], manager)


def test_times_are_instants_and_missing_integers_are_nulls(manager: Manager, clean_graph: Driver) -> None:
    both = pd.DataFrame({"email": ["a", "b"], "name": "Ann", "born": [1987, None]})
    company = pa.RecordBatch.from_pydict({"name": ["Acme"], "city": ["Oslo"]})
    jobs = pa.table({"person": ["a"], "company": ["Acme"], "since": pa.array([MOMENT], pa.timestamp("ns", tz="UTC"))})
    given: list[tuple[str, object]] = [("people", both), ("companies", company), ("employments", jobs)]
    for name, rows in given:
        materialize([returning(name, rows)], manager)
    assert values(clean_graph, "MATCH (p:Person) RETURN p.born ORDER BY p.email") == [1987, None]
    [since] = values(clean_graph, "MATCH ()-[r:WORKS_AT]->() RETURN r.since")
    assert since.to_native() == MOMENT


def test_an_asset_that_is_no_table_or_has_partitions_is_refused(manager: Manager) -> None:
    with pytest.raises(
        dg.DagsterInvalidDefinitionError, match="by the asset pets: there are people, companies, employments"
    ):
        materialize([returning("pets", people("a"))], manager)

    @dg.asset(name="people", partitions_def=dg.StaticPartitionsDefinition(["2024"]))
    def by_year() -> pd.DataFrame:
        return people("a")

    with pytest.raises(PublicationError, match="people: one of its partitions can't be published"):
        materialize([by_year], manager, partition_key="2024")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda it: {**it, "uri": "bolt://127.0.0.1:1"}, "Neo4j at bolt://127.0.0.1:1 can't be reached"),
        (lambda it: {**it, "uri": "bolt://ann:secret@127.0.0.1:1"}, "bolt://127.0.0.1:1 is no address of"),
        (lambda it: {**it, "uri": "graph.example.com"}, "graph.example.com is no address of a Neo4j server"),
        (lambda it: {**it, "password": "wrong secret"}, "Neo4j at bolt://.* refuses user 'neo4j'"),
        (lambda it: {**it, "database": "moon"}, "Neo4j at bolt://.*, database 'moon': .*moon"),
    ],
    ids=["nothing there", "a password in the address", "not an address", "wrong password", "no such database"],
)
def test_a_server_that_does_not_let_us_in_is_named_without_its_secrets(
    local_neo4j: LocalNeo4j, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], problem: str
) -> None:
    right: dict[str, Any] = {
        "uri": str(local_neo4j.status().uri),
        "password": local_neo4j.password().get_secret_value(),
    }
    neo4j = Neo4jResource(**change(right))
    with pytest.raises(dg.DagsterResourceFunctionError) as refused:
        materialize([returning("people", people("a"))], Manager(neo4j=neo4j, root=str(tmp_path)))
    assert isinstance(refused.value.__cause__, ServerError)
    assert re.match(problem, str(refused.value.__cause__))
    assert "secret" not in str(refused.value.__cause__)
    assert "wrong secret" not in repr(neo4j)
