"""Backups: the local database and the lake as they belong together at one moment, in one file, and back again.

With them goes what else the platform needs to go on: the listening histories that were imported, and Dagster's history
of runs, whose sensors would else not take in again what they know of. The landing folder stays out, of which the lake
has what was taken in, and so do passwords: a database gets that of the home that it is restored to.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spotify_graph import storage
from spotify_graph.care import archive, backups, forgetting
from spotify_graph.care.archive import Content
from spotify_graph.errors import UserError
from spotify_graph.graph_model import RECOMMENDER, TABLES
from spotify_graph.imports.door import root as imports
from spotify_graph.lake import manifest, people, reach
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.people import Leaving
from spotify_graph.local import jars, locks, replacement
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger, models, verification
from spotify_graph.neo4j_io.ledger import Status
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.parts import scratch_here
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph.times import utc

COLUMNS = ("table", "rows", "version")
_DUMP = "neo4j.dump"
_LAKE, _IMPORTS, _HISTORY = "lake", "imports", "dagster"


@dataclass(frozen=True)
class Backup:
    """A backup that was made or restored.

    Attributes:
        file: its file.
        content: what it holds.
    """

    file: Path
    content: Content

    @property
    def records(self) -> list[dict[str, Any]]:
        """The published tables."""
        return [{"table": name, **{it: known[it] for it in COLUMNS[1:]}} for name, known in self.content.tables.items()]


def back_up(settings: Settings, file: Path, say: Callable[[str], None]) -> Backup:
    """Writes a backup. The local server is stopped meanwhile, if it runs.

    Args:
        settings: the installation's settings.
        file: the file to write, which is not there yet.
        say: told of progress.

    Raises:
        UserError: the database is not a local one; somebody uses the home; there is nothing to back up, or it is not
            whole; the file can't be written.
    """
    server = _local(settings, f"`neo4j-admin database dump` there, and a copy of {settings.lake} while nothing runs")
    with locks.alone(settings, "`spotify-graph backup`", say):
        forgetting.must_not_be_under_way(settings)
        lake = Lake(settings.lake).pin()
        if not lake.manifest.entries or not server.has_database():
            raise UserError(f"there is nothing to back up in {settings.home}: `spotify-graph materialize` first")
        with _running_as_before(server, say):
            with connect(settings, say) as driver:
                entries = ledger.read(driver, settings.neo4j_database)
                model = models.active(driver, settings.neo4j_database, RECOMMENDER)
            kept = [entry.version for entry in entries.values()]
            kept += [str(model.about["held_out"])] if model and model.about.get("held_out") else []
            content = Content(
                created=utc(datetime.now(UTC), "seconds"),
                versions=_versions(),
                manifest=lake.manifest.number,
                tables={name: _told(entry) for name, entry in entries.items()},
                history=_has_history(settings),
            )
            with archive.writing(file, lambda: content) as writer:
                with server.stopped(say), scratch_here(settings.lake) as folder:
                    writer.add(_DUMP, server.admin.dump(folder, say))
                say("Copying the lake")
                try:
                    for path in reach.files(lake, kept):
                        writer.add(f"{_LAKE}/{storage.relative(path, lake.root)}", path)
                except FileNotFoundError as error:
                    raise UserError(f"the lake is not whole: {error}; `spotify-graph doctor` says what to do") from None
                for name, folder in _beside(settings).items():
                    for path in sorted(it for it in folder.rglob("*") if it.is_file() and it.name != ".lock"):
                        writer.add(f"{name}/{path.relative_to(folder)}", path)
        backups.remember(settings, file)
    return Backup(file, content)


def restore(settings: Settings, file: Path, say: Callable[[str], None], *, replace: bool) -> Backup:
    """Puts what a backup holds in place of what the home has. Where that fails, the home is as it was.

    Args:
        settings: the installation's settings.
        file: the backup.
        say: told of progress.
        replace: whether what the home has may be replaced.

    Raises:
        UserError: the database is not a local one; somebody uses the home; it has something that is not to be replaced;
            the file is no whole backup; the database can't be made of it, or is not what was backed up.
    """
    server = _local(settings, f"`neo4j-admin database load` there, and put the lake's copy into {settings.lake}")
    with locks.alone(settings, "`spotify-graph restore`", say):
        if not replace and (manifest.kept(settings.lake) or server.has_database()):
            raise UserError(f"{settings.home} has a lake or a graph: --replace puts the backup in their place")
        with _running_as_before(server, say), replacement.new_folder(settings.home) as new:
            say(f"Checking and unpacking {file}")
            content = archive.unpack(file, new)
            _must_belong_together(file, content, new / _LAKE)
            people.carry_over(settings.lake, new / _LAKE)
            dump = new / "dump" / f"{settings.neo4j_database}.dump"
            dump.parent.mkdir()
            (new / _DUMP).rename(dump)
            server.admin.load(dump, new / "neo4j" / "data", say)
            dump.unlink()
            beside = [_IMPORTS, _HISTORY] if content.history and _has_history(settings) else [_IMPORTS]
            for name in beside:
                (new / name).mkdir(exist_ok=True)
            with server.stopped(say):
                replacement.install(settings.home, new, [_LAKE, *beside, *server.store_parts()])
            try:
                server.start(say)
                _verify(settings, content, say)
            except BaseException:
                say("It can't be restored: what was there before is put back")
                with server.stopped(say):
                    replacement.put_back(settings.home)
                raise
            replacement.done(settings.home)
        _have_forgotten_again(settings, say)
    return Backup(file, content)


def _have_forgotten_again(settings: Settings, say: Callable[[str], None]) -> None:
    """Has the next run take out people who were forgotten since the backup was made."""
    lake = Lake(settings.lake)
    returned = forgetting.returned(lake)
    models = lake.find("recommendation_evaluation") is not None
    for user_id in returned:
        people.begin(lake.root, Leaving(user_id, utc(datetime.now(UTC), "seconds"), models))
    if returned:
        say(f"{len(returned)} who were forgotten are in this backup: `spotify-graph materialize` takes them out again")


def _local(settings: Settings, instead: str) -> LocalNeo4j:
    if settings.neo4j_uri is not None:
        raise UserError(f"NEO4J_URI is {settings.neo4j_uri}, and only a local database is backed up: use {instead}")
    if settings.lake_address is not None:
        raise UserError(
            f"SPOTIFY_GRAPH_LAKE is {settings.lake}, and only a lake in the home is backed up: use what its store has"
            " for that, while nothing runs"
        )
    return LocalNeo4j(settings)


@contextmanager
def _running_as_before(server: LocalNeo4j, say: Callable[[str], None]) -> Iterator[None]:
    """Within the block the server may be started and stopped; after it, it runs if it ran before."""
    ran = server.find() is not None
    try:
        yield
    finally:
        if ran:
            server.start(say)
        elif server.find() is not None:
            say("Stopping Neo4j")
            server.stop()


def _versions() -> dict[str, str]:
    server = next(root for root in jars.ROOTS[jars.NEO4J] if root.startswith("org.neo4j.app:neo4j-server:"))
    return {"spotify_graph": version("spotify-graph"), "neo4j": server.rpartition(":")[2]}


def _has_history(settings: Settings) -> bool:
    """Whether Dagster's history is in the home's own folder for it, and nowhere else."""
    return Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home) == settings.dagster_home


def _beside(settings: Settings) -> Mapping[str, Path]:
    """What goes into a backup beside lake and database, by its name there."""
    there = {_IMPORTS: imports(settings), **({_HISTORY: settings.dagster_home} if _has_history(settings) else {})}
    return {name: folder for name, folder in there.items() if folder.is_dir()}


def _told(entry: ledger.Publication) -> dict[str, Any]:
    return {
        "version": entry.version,
        "rows": entry.rows,
        "fingerprint": entry.fingerprint,
        "status": str(entry.status),
    }


def _must_belong_together(file: Path, content: Content, lake: Path) -> None:
    """Makes sure that the lake has what the database is said to have been given."""
    for asset, known in content.tables.items():
        if known["status"] != Status.PUBLISHED:
            continue
        try:
            snapshot = Snapshot.load(lake / "graph" / asset / known["version"])
        except FileNotFoundError as error:
            raise UserError(f"{file} is not whole: {error}; take another backup") from None
        if (snapshot.rows, snapshot.fingerprint) != (known["rows"], known["fingerprint"]):
            raise UserError(f"{file} is not whole: {asset} in it is not what was published; take another backup")


def _verify(settings: Settings, content: Content, say: Callable[[str], None]) -> None:
    """Makes sure that the database is the one that was backed up; what somebody had changed in it before is told."""
    say("Verifying what the database holds")
    with connect(settings, say) as driver:
        entries = ledger.read(driver, settings.neo4j_database)
        if {name: _told(entry) for name, entry in entries.items()} != dict(content.tables):
            raise UserError("the restored database is not the one that was backed up: take another backup")
        for asset, entry in entries.items():
            if entry.status is not Status.PUBLISHED or asset not in TABLES:
                continue
            root = settings.lake / "graph"
            found = verification.verify_published(driver, settings.neo4j_database, TABLES[asset], root)
            if not found.holds:
                differs = "; ".join(found.differences)
                say(f"warning: {asset} was changed before it was backed up ({differs}): `spotify-graph reconcile`")
