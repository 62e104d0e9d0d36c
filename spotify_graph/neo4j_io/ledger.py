"""The publication ledger: in the published database itself, what is published, and what was left unfinished.

One node `_Publication` for each asset. It says `publishing` from before the first batch until after the last, so an
interrupted publication shows; if a model version is written beside the active one, it says `loaded` from then until the
switch. Its token names the publication in charge: each batch checks it in its own transaction, under the node's lock,
so that of two publications of an asset only the later one writes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from spotify_graph.neo4j_io import transaction
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType, RelationshipType

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction, Record, Session, Transaction

NODE = NodeType(
    asset="",
    label="_Publication",
    key=Property("asset", PropertyType.STRING, "The published asset."),
    properties=(),
    description="What is published of one asset.",
)
"""The ledger's own label, for its constraint."""


class Status(StrEnum):
    """How far a publication has got."""

    PUBLISHING = "publishing"
    """Under way, or interrupted: the graph may hold a part of it."""
    LOADED = "loaded"
    """A model version is written completely beside the active one, and is not switched to yet."""
    PUBLISHED = "published"
    """The graph equals the snapshot."""
    OUT_OF_SYNC = "out of sync"
    """It was published or loaded, and the graph differs: some of its relationships were deleted along with nodes since,
    or a verification found a difference."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # Graphs of earlier versions of this library have another word for it.
        return cls("out of sync") if value == "disturbed" else None


@dataclass(frozen=True)
class Publication:
    """One entry of the ledger.

    Attributes:
        asset: the asset.
        version: the snapshot's version.
        status: how far it has got.
        rows: how many rows the snapshot has.
        fingerprint: the snapshot's fingerprint.
        started_at: when the publication began.
        heartbeat_at: when it last wrote, or None before its first batch.
        finished_at: when it was published, or None.
        inserted: how many rows it inserted, or None before all are written.
        changed: how many rows it changed, likewise.
        deleted: how many rows it deleted, likewise; of a model's table, how many of other model versions so far.
        verified_at: when the graph was last found to equal the snapshot, or None.
        model_version: the model version that the rows belong to, or None if the table is not a model's.
        before: while it is under way, the earlier versions of which the graph may hold rows; None afterwards.
        kept: the checksum of foreign rows that the graph holds besides, or None if there are none.
        revises: the version before it, if that was verified and only the difference was written; or None.
    """

    asset: str
    version: str
    status: Status
    rows: int
    fingerprint: str
    started_at: datetime
    heartbeat_at: datetime | None = None
    finished_at: datetime | None = None
    inserted: int | None = None
    changed: int | None = None
    deleted: int | None = None
    verified_at: datetime | None = None
    model_version: str | None = None
    before: list[str] | None = None
    kept: dict[str, int] | None = None
    revises: str | None = None

    @property
    def kept_rows(self) -> int:
        """How many foreign rows the graph holds besides."""
        return (self.kept or {}).get("count", 0)

    def holds(self, snapshot: Snapshot) -> bool:
        """Whether this is a finished publication of the snapshot's content."""
        return self.status is Status.PUBLISHED and self.fingerprint == snapshot.fingerprint


@dataclass(frozen=True)
class Claim:
    """The right of one publication to write its asset, until another one claims it.

    Attributes:
        asset: the asset.
        token: names this publication in the ledger.
    """

    asset: str
    token: str

    def check(self, tx: ManagedTransaction | Transaction) -> None:
        """Makes sure that the claim holds until the transaction ends. Belongs at the transaction's end.

        Writing to the entry locks it: a later claim waits for this transaction and then sees what it wrote, and this
        transaction sees an earlier one.

        Raises:
            PublicationError: another publication took over.
        """
        self._lock(tx, "SET p.heartbeat_at = $now RETURN p.token AS token")

    def count_batch(self, tx: ManagedTransaction, lane: int, batch: int) -> bool:
        """Makes sure of the claim like `check`, and that a batch is written once. Belongs at the transaction's end.

        Args:
            tx: the transaction that wrote the batch, and nothing else.
            lane: which of several sessions writes it, from 0.
            batch: its number, from 1, growing within a lane.

        Returns:
            Whether it is written for the first time. Otherwise the transaction must not be committed: the answer to an
            earlier commit was lost.

        Raises:
            PublicationError: another publication took over.
        """
        last = f"p.last_batch_{lane:d}"
        record = f"WITH p, coalesce({last}, 0) AS last SET {last} = $batch RETURN p.token AS token, last"
        return bool(self._lock(tx, f"SET p.heartbeat_at = $now {record}", batch=batch)["last"] < batch)

    def renew(self, session: Session) -> Self:
        """Takes the claim over from whatever the server may still do under it.

        Raises:
            PublicationError: another publication took over.
        """
        new = replace(self, token=secrets.token_hex(16))

        def take(tx: ManagedTransaction) -> None:
            # Where the answer to the commit was lost, the token may be the new one already.
            before = "CASE p.token WHEN $new THEN $old ELSE p.token END AS token"
            actions = f"SET p.heartbeat_at = $now WITH p, {before} SET p.token = $new RETURN token"
            self._lock(tx, actions, old=self.token, new=new.token)

        transaction.write(session, take)
        return new

    def _lock(self, tx: ManagedTransaction | Transaction, actions: str, **parameters: Any) -> Record:
        statement = f"MATCH (p:_Publication {{asset: $asset}}) {actions}"
        found = tx.run(statement, parameters, asset=self.asset, now=datetime.now(UTC)).single()
        if found is None or found["token"] != self.token:
            problem = "another publication took over, or nodes that its relationships need were deleted meanwhile"
            raise PublicationError(self.asset, problem, advice="publish again when no other run is publishing")
        return found


def read(driver: Driver, database: str, assets: Collection[str] | None = None) -> dict[str, Publication]:
    """Reads the ledger.

    Args:
        driver: a driver of the server.
        database: the database.
        assets: whose entries, or None for all.

    Returns:
        The entries by asset; none where nothing was ever published.
    """
    with driver.session(database=database) as session:
        return transaction.read(session, _entries, assets)


def entry(driver: Driver, database: str, asset: str) -> Publication | None:
    """Reads the entry of one asset, if it has one."""
    with driver.session(database=database) as session:
        return find(session, asset)


def find(session: Session, asset: str) -> Publication | None:
    """Reads the entry of one asset."""
    return transaction.read(session, _entry, asset)


def claim(session: Session, table: GraphTable, snapshot: Snapshot) -> tuple[Claim, Publication | None]:
    """Takes an asset over for the publication of a snapshot.

    Returns:
        The claim, and what the ledger said before.
    """
    return transaction.write(session, take, table, snapshot)


def take(
    tx: ManagedTransaction, table: GraphTable, snapshot: Snapshot, model_version: str | None = None
) -> tuple[Claim, Publication | None]:
    """Does the work of `claim` in a transaction that does more.

    Args:
        tx: the transaction; the entry is locked until it ends.
        table: whose asset to take over.
        snapshot: what is going to be published, or loaded.
        model_version: the model version that its rows carry, if the table is a model's.

    Returns:
        The claim, and what the ledger said before.
    """
    mine = Claim(table.asset, secrets.token_hex(16))
    entry = _begun(table, snapshot) | {"token": mine.token}
    if model_version is not None:
        entry |= {"model_version": model_version, "deleted": 0}
    # The first statement locks the entry, so that the second reads what no other publication is about to change.
    tx.run("MERGE (p:_Publication {asset: $asset}) SET p.token = $token", entry).consume()
    previous = _entry(tx, table.asset)
    if previous is not None:
        entry["before"] = list(dict.fromkeys([previous.version, *(previous.before or [])]))
    tx.run("MATCH (p:_Publication {asset: $asset}) SET p = $entry", asset=table.asset, entry=entry).consume()
    return mine, previous


def finish(
    session: Session,
    mine: Claim,
    inserted: int,
    changed: int,
    deleted: int,
    *,
    kept: Mapping[str, int] | None = None,
    revises: str | None = None,
    finished_at: datetime | None = None,
) -> None:
    """Records that the graph now equals the claimed snapshot.

    Args:
        session: a session of the database.
        mine: the publication's claim.
        inserted: how many rows it inserted.
        changed: how many rows it changed.
        deleted: how many rows it deleted.
        kept: the checksum of foreign rows that the graph holds besides, or None if there are none.
        revises: the verified version before it, if only the difference from that was written.
        finished_at: when the content was published, if that was earlier.

    Raises:
        PublicationError: another publication took over.
    """
    # A checksum's numbers may be beyond the 64 bits of the database's.
    done = _done(inserted, changed, deleted) | {"before": None, "kept": json.dumps(kept) if kept else None}
    done |= {"revises": revises}
    _end(session, mine, done | ({"finished_at": finished_at} if finished_at else {}))


def as_imported(table: GraphTable, snapshot: Snapshot) -> dict[str, Any]:
    """The properties of the entry of a snapshot that is published by importing a whole database."""
    return _begun(table, snapshot) | _done(snapshot.rows, 0, 0)


def finish_load(session: Session, mine: Claim, inserted: int) -> None:
    """Records that the graph now holds the claimed snapshot's rows, beside the active ones.

    Raises:
        PublicationError: another publication took over.
    """
    _end(session, mine, {"status": Status.LOADED, "inserted": inserted, "changed": 0})


def _begun(table: GraphTable, snapshot: Snapshot) -> dict[str, Any]:
    """The properties of the entry of a publication that begins."""
    return {
        "asset": table.asset,
        "version": snapshot.version,
        "status": Status.PUBLISHING,
        "rows": snapshot.rows,
        "fingerprint": snapshot.fingerprint,
        "started_at": datetime.now(UTC),
        "relationship_type": table.type if isinstance(table, RelationshipType) else None,
    }


def _done(inserted: int, changed: int, deleted: int) -> dict[str, Any]:
    """What changes in the entry when the publication is finished."""
    return {
        "status": Status.PUBLISHED,
        "finished_at": datetime.now(UTC),
        "inserted": inserted,
        "changed": changed,
        "deleted": deleted,
    }


def _end(session: Session, mine: Claim, done: dict[str, Any]) -> None:
    def record(tx: ManagedTransaction) -> None:
        tx.run("MATCH (p:_Publication {asset: $asset}) SET p += $done", asset=mine.asset, done=done).consume()
        mine.check(tx)

    transaction.write(session, record)


def lock(tx: ManagedTransaction, assets: Collection[str]) -> dict[str, Publication]:
    """Holds the entries of assets as they are until a transaction ends, and reads them.

    Returns:
        The entries by asset, of those that have one.
    """
    held = "MATCH (p:_Publication) WHERE p.asset IN $assets WITH p ORDER BY p.asset SET p.asset = p.asset"
    tx.run(held, assets=list(assets)).consume()
    return _entries(tx, assets)


def take_published(tx: ManagedTransaction, asset: str) -> Claim:
    """Takes over an asset whose content stays as it is, in a transaction that holds its entry."""
    mine = Claim(asset, secrets.token_hex(16))
    tx.run("MATCH (p:_Publication {asset: $asset}) SET p.token = $token", asset=asset, token=mine.token).consume()
    return mine


def publish_loaded(tx: ManagedTransaction, assets: Collection[str]) -> None:
    """Records that what is loaded of assets is active now, in a transaction that holds their entries."""
    done = {"status": Status.PUBLISHED, "finished_at": datetime.now(UTC)}
    tx.run("MATCH (p:_Publication) WHERE p.asset IN $assets SET p += $done", assets=list(assets), done=done).consume()


def verify(session: Session, seen: Publication, *, equal: bool) -> bool:
    """Records what a verification found, unless the asset was published anew since its entry was seen.

    Args:
        session: a session of the database.
        seen: the entry of a finished publication, as read before the verification.
        equal: whether the graph equals the snapshot. If not, it is out of sync, and the next publication repairs it.

    Returns:
        Whether it was recorded.
    """
    found = {"verified_at": datetime.now(UTC)} if equal else {"status": Status.OUT_OF_SYNC, "token": None}

    def record(tx: ManagedTransaction) -> bool:
        entry = lock(tx, [seen.asset]).get(seen.asset)
        if entry is None or entry.started_at != seen.started_at or entry.status is Status.PUBLISHING:
            return False
        tx.run("MATCH (p:_Publication {asset: $asset}) SET p += $found", asset=seen.asset, found=found).consume()
        return True

    return transaction.write(session, record)


def unverify_relationships(tx: ManagedTransaction) -> None:
    """Records that no relationships are verified: some may have been deleted along with nodes by somebody else."""
    tx.run("MATCH (p:_Publication) WHERE p.relationship_type IS NOT NULL REMOVE p.verified_at").consume()


def put_out_of_sync(tx: ManagedTransaction, relationship_types: Iterable[str]) -> None:
    """Records that relationships of these types were deleted along with nodes; ends publications under way."""
    tx.run(
        "MATCH (p:_Publication) WHERE p.relationship_type IN $types SET p.status = $status REMOVE p.token",
        types=list(relationship_types),
        status=Status.OUT_OF_SYNC,
    ).consume()


def _entry(tx: ManagedTransaction, asset: str) -> Publication | None:
    return _entries(tx, [asset]).get(asset)


def _entries(tx: ManagedTransaction, assets: Collection[str] | None = None) -> dict[str, Publication]:
    """The entries of these assets, or of all, by asset."""
    asked = "p.status IS NOT NULL AND ($assets IS NULL OR p.asset IN $assets)"
    statement = f"MATCH (p:_Publication) WHERE {asked} RETURN properties(p) AS entry ORDER BY p.asset"
    found = tx.run(statement, assets=None if assets is None else list(assets))
    return {record["entry"]["asset"]: _publication(record["entry"]) for record in found}


def _publication(entry: dict[str, Any]) -> Publication:
    known = {field.name: entry.get(field.name) for field in fields(Publication)}
    times = {name: value.to_native() for name, value in known.items() if name.endswith("_at") and value is not None}
    kept = {"kept": json.loads(known["kept"])} if known["kept"] else {}
    return Publication(**{**known, **times, **kept, "status": Status(entry["status"])})
