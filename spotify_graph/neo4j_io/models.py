"""What models say: relationships that are replaced as a whole, over several tables at once.

Each relationship of a model's table carries the model version that it comes from. A node `_Model`, one for each model
name, names the active version, and readers follow the relationships of that one only:

    MATCH (m:_Model {name: $name}) WITH m.version AS version MATCH (a)-[r:SIMILAR]->(b) WHERE r.model = version ...

The WITH matters: it reads the version once, where a comparison with m.version may read it for each relationship, before
and after a switch.

1. `load`, for each table: whatever is not active is removed, then the new model version's rows are written beside the
   active ones.
2. `switch`: one transaction makes the new model version active, if every table is loaded completely.
3. `remove_others`, for each table: the old model version's rows are removed; only then do count and checksum agree with
   the snapshot. A query that read the version before the switch, and is still running, may miss some of them.

An interruption at any point leaves either the old model version or the new one active, complete; the next load removes
the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spotify_graph import storage
from spotify_graph.neo4j_io import constraints, cypher, ledger, transaction
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.publication import BATCH_ROWS, SESSIONS, PublicationResult
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import NodeType, Property, PropertyType, RelationshipType

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction, Session

BATCH_ROWS_BESIDE_READERS = 4_000
"""How many rows a transaction writes or removes at most, in a single session, where a version is active: others read it
meanwhile, who wait longer the more of the server a load takes."""

NODE = NodeType(
    asset="",
    label="_Model",
    key=Property("name", PropertyType.STRING, "The model's name."),
    properties=(
        Property("version", PropertyType.STRING, "The active version."),
        Property("switched_at", PropertyType.ZONED_DATETIME, "Since when it has been active."),
    ),
    description="Which version of a model is active, and what else is known about it.",
)
"""The label of the nodes that name active versions, for its constraint."""


@dataclass(frozen=True)
class Model:
    """A model that is active.

    Attributes:
        name: the model's name.
        version: its active version.
        switched_at: since when it has been active.
        about: what else was given to `switch`; times are datetimes.
    """

    name: str
    version: str
    switched_at: datetime
    about: Mapping[str, Any]


def active(driver: Driver, database: str, name: str) -> Model | None:
    """Reads which version of a model is active.

    Args:
        driver: a driver of the server.
        database: the database.
        name: the model's name.

    Returns:
        The model, or None where no version was ever switched to.
    """
    with driver.session(database=database) as session:
        return transaction.read(session, _find, name)


def load(
    driver: Driver,
    database: str,
    table: RelationshipType,
    snapshot: Snapshot,
    name: str,
    model_version: str,
    *,
    progress: Callable[[int, int], None] | None = None,
    batch_rows: int = BATCH_ROWS,
    sessions: int = SESSIONS,
) -> PublicationResult:
    """Writes a new model version's relationships beside the active ones; no reader follows them before `switch`.

    Relationships of the type that do not belong to the active version are removed first: leftovers of an interrupted
    load, of a load that was never switched to, or of an interrupted removal.

    Args:
        driver: a driver of the server.
        database: the database.
        table: the model's table, for which the snapshot was staged.
        snapshot: the rows, all of this model version.
        name: the model's name.
        model_version: the new model version.
        progress: called after each batch with how many rows are written, and how many there are to write.
        batch_rows: how many rows one transaction writes or removes; where a version is active, no more than
            `BATCH_ROWS_BESIDE_READERS`.
        sessions: how many sessions write side by side; where a version is active, one.

    Returns:
        What the load did; `deleted` is how many leftover relationships it removed.

    Raises:
        PublicationError: the table is not a model's, the snapshot belongs to another table or has rows of another model
            version, this one is active already, an end of a relationship does not exist, or another load of the asset
            took over.
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them.
    """
    from spotify_graph.neo4j_io import loader

    started = time.monotonic()
    column = _column_of(table)
    snapshot.check(table)
    others = _rows_of_others(snapshot, column, model_version)
    if others:
        problem = f"{others:,} of {snapshot.rows:,} rows of {snapshot.version} do not belong to {model_version}"
        raise PublicationError(table.asset, problem, advice="stage the rows of one model version")

    def claim(tx: ManagedTransaction) -> tuple[ledger.Claim, str | None]:
        # From the claim on, no switch can make another model version of this table active.
        mine, _ = ledger.take(tx, table, snapshot, model_version)
        model = _find(tx, name)
        if model is None or model.version != model_version:
            return mine, model.version if model else None
        raise PublicationError(
            table.asset, f"{model_version} is active already", advice="give the new version another name"
        )

    with driver.session(database=database) as session:
        constraints.ensure(session, table, ledger.NODE, NODE)
        mine, kept = transaction.write(session, claim)
        if kept is not None:
            batch_rows, sessions = min(batch_rows, BATCH_ROWS_BESIDE_READERS), 1
        mine = _remove(session, table, column, mine, kept, batch_rows)
        done = 0
        created_by = loader.create(driver, database, table, mine, snapshot.paths(), batch_rows, sessions)
        with closing(created_by) as created:
            for rows in created:
                done += rows
                if progress:
                    progress(done, snapshot.rows)
        ledger.finish_load(session, mine, done)
        deleted = _deleted(session, table)
    return PublicationResult(
        version=snapshot.version,
        rows=snapshot.rows,
        inserted=done,
        changed=0,
        deleted=deleted,
        seconds=time.monotonic() - started,
        skipped=False,
    )


def switch(
    driver: Driver,
    database: str,
    name: str,
    model_version: str,
    tables: Sequence[RelationshipType],
    about: Mapping[str, Any],
) -> Model:
    """Makes a model version active that is loaded in every table, in one transaction.

    Switching to the active version changes nothing.

    Args:
        driver: a driver of the server.
        database: the database.
        name: the model's name.
        model_version: the version to switch to.
        tables: all tables of the model.
        about: what else to store on the model's node: texts, numbers and datetimes, by property name.

    Returns:
        The model, with its active version.

    Raises:
        PublicationError: the version is not loaded in every table.
        ValueError: `about` has a name that the node itself uses.
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them.
    """
    taken = [column.name for column in NODE.columns if column.name in about]
    if taken:
        raise ValueError(f"{', '.join(taken)} of a model cannot be set by hand")
    assets = [table.asset for table in tables]

    def put(tx: ManagedTransaction) -> Model:
        entries = ledger.lock(tx, assets)
        model = _find(tx, name)
        if model is not None and model.version == model_version:
            return model
        waiting = [asset for asset in assets if not _is_loaded(entries.get(asset), model_version)]
        if waiting:
            states = ", ".join(f"{asset} is {_state(entries.get(asset))}" for asset in waiting)
            advice = f"load {model_version} into {' and '.join(waiting)}, then switch again"
            raise PublicationError(name, f"{model_version} is not loaded everywhere: {states}", advice=advice)
        known = {**about, "name": name, "version": model_version, "switched_at": datetime.now(UTC)}
        statement = "MERGE (m:_Model {name: $name}) SET m = $known RETURN properties(m) AS known"
        new = tx.run(statement, name=name, known=known).single(strict=True)
        ledger.publish_loaded(tx, assets)
        return _model(new["known"])

    with driver.session(database=database) as session:
        return transaction.write(session, put)


def remove_others(
    driver: Driver, database: str, table: RelationshipType, name: str, *, batch_rows: int = BATCH_ROWS
) -> int:
    """Removes the relationships of a model's table that do not belong to the active version.

    The ledger's entry counts them, so that its `deleted` is right even after a removal was interrupted and repeated.

    Args:
        driver: a driver of the server.
        database: the database.
        table: the model's table.
        name: the model's name.
        batch_rows: how many relationships one transaction removes, no more than `BATCH_ROWS_BESIDE_READERS`.

    Returns:
        How many it removed.

    Raises:
        PublicationError: the table is not a model's, its last load is not what is active, or another load of the asset
            took over.
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them.
    """
    column = _column_of(table)

    def claim(tx: ManagedTransaction) -> tuple[ledger.Claim, str, int]:
        entry = ledger.lock(tx, [table.asset]).get(table.asset)
        model = _find(tx, name)
        if model is None or entry is None or entry.model_version != model.version:
            active_one = f"{model.version} of {name}" if model else f"no version of {name}"
            problem = f"{active_one} is active, and the asset is {_state(entry)}"
            raise PublicationError(table.asset, problem, advice="load a version and switch to it")
        return ledger.take_published(tx, table.asset), model.version, entry.deleted or 0

    with driver.session(database=database) as session:
        mine, kept, before = transaction.write(session, claim)
        _remove(session, table, column, mine, kept, min(batch_rows, BATCH_ROWS_BESIDE_READERS))
        return _deleted(session, table) - before


def _remove(
    session: Session, table: RelationshipType, column: Property, mine: ledger.Claim, kept: str | None, batch_rows: int
) -> ledger.Claim:
    """Removes all model versions but one, counting in the ledger's entry; returns the claim that holds afterwards."""
    statement = cypher.delete_other_model_versions(table, column)

    def remove() -> None:
        nonlocal mine
        # A statement whose connection is lost may keep running in the server: without the claim it stops deleting.
        mine = mine.renew(session)
        parameters = {"asset": mine.asset, "token": mine.token, "now": datetime.now(UTC)}
        session.run(statement, parameters, version=kept, rows=batch_rows).consume()

    transaction.commit_apart(remove)
    # If another publication took over in between, the statement stopped deleting and did not fail.
    transaction.write(session, mine.check)
    return mine


def _deleted(session: Session, table: RelationshipType) -> int:
    entry = ledger.find(session, table.asset)
    return (entry.deleted if entry else None) or 0


def _column_of(table: RelationshipType) -> Property:
    if table.model_version is None:
        raise PublicationError(table.asset, f"its {table.type} name no model version", advice="publish it")
    return table.model_version


def _rows_of_others(snapshot: Snapshot, column: Property, model_version: str) -> int:
    import pyarrow.compute as pc

    if not snapshot.files:
        return 0
    return int(storage.dataset(snapshot.paths()).count_rows(filter=pc.field(column.name) != model_version))


def _is_loaded(entry: ledger.Publication | None, model_version: str) -> bool:
    return entry is not None and entry.status is ledger.Status.LOADED and entry.model_version == model_version


def _state(entry: ledger.Publication | None) -> str:
    if entry is None:
        return "not loaded"
    return f"{entry.status} ({entry.model_version or 'no model version'})"


def _find(tx: ManagedTransaction, name: str) -> Model | None:
    found = tx.run("MATCH (m:_Model {name: $name}) RETURN properties(m) AS known", name=name).single()
    return None if found is None else _model(found["known"])


def _model(stored: dict[str, Any]) -> Model:
    known = {key: _native(value) for key, value in stored.items()}
    return Model(known.pop("name"), known.pop("version"), known.pop("switched_at"), known)


def _native(value: Any) -> Any:
    return value.to_native() if hasattr(value, "to_native") else value
