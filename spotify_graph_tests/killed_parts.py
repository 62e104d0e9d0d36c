"""Parts of the platform's work that are killed at each of their steps: small enough for that."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neo4j import Driver, GraphDatabase

from spotify_graph.care import archive
from spotify_graph.care.archive import Content
from spotify_graph.lake import keyed
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Record
from spotify_graph.local import replacement, store
from spotify_graph.neo4j_io import models, publication
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import Endpoint, GraphTable, Property, PropertyType, RelationshipType
from spotify_graph.storage import Address
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.keyed_rows import Contents, change
from spotify_graph_tests.killing import Steps
from spotify_graph_tests.people import PERSON

MODEL = "taste"
ALIKE = RelationshipType(
    "alike",
    "ALIKE",
    Endpoint(PERSON, "one"),
    Endpoint(PERSON, "other"),
    (Property("score", PropertyType.FLOAT, ""),),
    "",
    Property("model", PropertyType.STRING, ""),
)
ENTRY = "counted"
PARTS = ("lake", "data/one")


@contextmanager
def _driver() -> Iterator[Driver]:
    auth = ("neo4j", os.environ["NEO4J_PASSWORD"])
    with GraphDatabase.driver(os.environ["NEO4J_URI"], auth=auth) as driver:
        yield driver


def publish(table: GraphTable, path: Address, _steps: Steps | None = None) -> None:
    """Publishes a snapshot, in batches of two rows."""
    with _driver() as driver:
        publication.publish(driver, DATABASE, table, Snapshot.load(path), batch_rows=2)


def renew(path: Address, version: str, _steps: Steps | None = None) -> None:
    """Loads a model version beside the active one, switches to it and removes the other, or does what is left of it."""
    with _driver() as driver:
        active = models.active(driver, DATABASE, MODEL)
        if active is None or active.version != version:
            models.load(driver, DATABASE, ALIKE, Snapshot.load(path), MODEL, version, batch_rows=2)
            models.switch(driver, DATABASE, MODEL, version, [ALIKE], {})
        models.remove_others(driver, DATABASE, ALIKE, MODEL, batch_rows=2)


def revise(root: Path, before: Contents, after: Contents, changes: int, _steps: Steps | None = None) -> None:
    """Changes a table with a key from one version to the next: with 1, folded; else so many changes become one."""
    if changes == 1:
        keyed._FEW_ROWS = 0
    else:
        keyed._CHANGES = changes
    lake = Lake(root)
    version = lake.latest(ENTRY)
    keys = {ENTRY: change(before, after)}
    new = lake.revise_tables(ENTRY, ENTRY, version, keys, Record())
    lake.put({ENTRY: new})
    new.table(ENTRY).find(new.table(ENTRY).read(["owner"]).group_by("owner").aggregate([]))


def restore(home: Path, _steps: Steps | None = None) -> None:
    """Puts new parts of a home in place of the former ones."""
    with replacement.new_folder(home) as new:
        for part in PARTS:
            (new / part).mkdir(parents=True)
            (new / part / "which").write_text("new")
        replacement.install(home, new, PARTS)
        replacement.done(home)


def put_back(home: Path, _steps: Steps | None = None) -> None:
    """What the next run does about a restore that was interrupted."""
    if replacement.is_under_way(home):
        replacement.put_back(home)


def install(root: Path, _steps: Steps | None = None) -> None:
    """Puts a database that an import has built in the place of the one that is there."""
    store.finish(root)
    with store.new_folder(root) as folder:
        for part in store.PARTS:
            (folder / "data" / part / DATABASE).mkdir(parents=True)
            (folder / "data" / part / DATABASE / "which").write_text("new")
        store.install(root, folder, DATABASE)


def finish(root: Path, _steps: Steps | None = None) -> None:
    """What the next start of the server does about an import that was interrupted."""
    store.finish(root)


def back_up(folder: Path, _steps: Steps | None = None) -> None:
    """Writes a backup of one file."""
    content = Content(created="", versions={}, manifest=1, tables={}, history=False)
    with archive.writing(folder / "backup.zip", lambda: content) as writer:
        writer.add("lake/file", folder / "file")
