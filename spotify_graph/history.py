"""Dagster's history of runs, in the SQLite files where Dagster has it, kept open from one use to the next.

Dagster opens a file for each event and closes it again, which takes several times as long as to write the event, and a
run of one small file has 300 events. dagster.yaml names the instance that is made here.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache, wraps
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

import dagster as dg
from dagster import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, make_url
from sqlalchemy.exc import OperationalError

_KEPT = 16
"""How many files are kept open: those of the latest runs, and the three that all runs share."""


class Instance(dg.DagsterInstance):
    """A Dagster instance whose history is kept open."""

    @classmethod
    def config_schema(cls) -> Mapping[str, dg.Field]:
        """What dagster.yaml may say of it beyond what it says of any instance: nothing."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """What an instance in the folder is made of where dagster.yaml says nothing else."""
        storage = ConfigurableClassData(__name__, Storage.__name__, json.dumps({"base_dir": base_dir}))
        return {**InstanceRef.config_defaults(base_dir), "storage": storage}


def keep_open() -> None:
    """Has files stay open in this process that no instance uses any more.

    The code server makes an instance for each look of a sensor, and the next one asks the same.
    """
    _Files.stay = True


class Storage(DagsterSqliteStorage):
    """Dagster's storage of runs, events and schedules, with its files kept open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        made = _made.get(base_dir)
        if made is None or not made.is_there():
            super().__init__(base_dir, inst_data)  # makes the files that are missing
            made = _made[base_dir] = _Made(
                self._run_storage._conn_string, self._schedule_storage._conn_string, self._event_log_storage._base_dir
            )
        else:
            self.base_dir, self._inst_data = base_dir, inst_data
            super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self._run_storage = _Runs(made.runs, made)
        self._event_log_storage = _Events(made)
        self._schedule_storage = _Schedules(made.schedules, made)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "Storage":
        """The storage that a configuration names; Dagster's own method makes one of Dagster's own class."""
        return cls(config_value["base_dir"], inst_data)


class _Made:
    """The files of a history that this process has made, or found to be whole.

    The code server makes a Dagster instance for each look of a sensor: to look at the files' form each time takes
    longer than most sensors do.

    Attributes:
        runs: the file of the runs, as an address.
        schedules: the file of the schedules and sensors, likewise.
        events: the folder of the events.
        files: what is open of them.
        shards: the files of events whose form is known to be whole.
        there: which tables, columns and indexes are known to be there.
    """

    def __init__(self, runs: str, schedules: str, events: str) -> None:
        self.runs, self.schedules, self.events = runs, schedules, events
        self.files = _Files()
        self.shards: set[Any] = set()
        self.there: set[tuple[Any, ...]] = set()
        self._numbers = self._found()

    def is_there(self) -> bool:
        """Whether the files are those that were found."""
        return self._found() == self._numbers

    def _found(self) -> list[int | None]:
        index = Path(self.events, f"{INDEX_SHARD_NAME}.db")
        return [it.stat().st_ino if it.exists() else None for it in (_file(self.runs), _file(self.schedules), index)]


_made: dict[str, _Made] = {}
"""By the folder of the history."""


class _Files:
    """SQLite files that are kept open, the latest used ones, until none uses them any more.

    Attributes:
        stay: whether they stay open in this process.
        used_by: the storages of events beside each of which a storage of runs and one of schedules use them, too.
    """

    stay = False

    def __init__(self) -> None:
        self.used_by: WeakSet[_Events] = WeakSet()
        self._by_process: dict[int, _Open] = {}

    def engine(self, url: str) -> tuple[Engine, int]:
        """The engine of the file, and the number that tells the file from one that is made in its place later."""
        # A connection of SQLite is of no use in a process that is forked, and must not even be closed there.
        return self._by_process.setdefault(os.getpid(), _Open()).engine(url)

    def close(self, used_by: "_Events") -> None:
        """Closes them once all have closed them that use them; the next use opens them again."""
        self.used_by.discard(used_by)
        if not (self.used_by or self.stay):
            self._by_process.get(os.getpid(), _Open()).close()


class _Open:
    """What one process keeps open."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._engines: OrderedDict[str, tuple[Engine, int]] = OrderedDict()

    def engine(self, url: str) -> tuple[Engine, int]:
        number = _number(_file(url))
        with self._lock:
            if url in self._engines and self._engines[url][1] != number:
                self._engines.pop(url)[0].dispose()
            if url not in self._engines:
                self._engines[url] = _engine(url), number
            self._engines.move_to_end(url)
            while len(self._engines) > _KEPT:
                self._engines.popitem(last=False)[1][0].dispose()
            return self._engines[url]

    def close(self) -> None:
        with self._lock:
            while self._engines:
                self._engines.popitem()[1][0].dispose()


@lru_cache(maxsize=2 * _KEPT)
def _file(url: str) -> Path:
    return Path(str(make_url(url).database))


def _number(file: Path) -> int:
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        file.touch(mode=0o644)  # as SQLite makes it
        return file.stat().st_ino


def _engine(url: str) -> Engine:
    # As many connections as there are threads that want one, as in Dagster; one of them is kept.
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
    )
    event.listen(engine, "connect", _without_waiting_for_the_disk)
    return engine


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    """Has SQLite wait for the disk now and then, and not three times for each event.

    Dagster's files have a write-ahead log, where that puts no file at risk: killed processes lose nothing, and a power
    cut the last events. What they told the automation, the hourly reconciliation finds in the lake.
    """
    connection.execute("PRAGMA synchronous = NORMAL")


def _remembered(look: Callable[..., bool]) -> Callable[..., bool]:
    """A look at whether the history has a table, a column or an index: Dagster takes it at every turn, and it stays."""

    @wraps(look)
    def has(storage: Any, *asked: Any) -> bool:
        there, it = storage._made.there, (look, *(each for each in asked if not isinstance(each, Connection)))
        if it not in there and look(storage, *asked):
            there.add(it)
        return it in there

    return has


class _InOneFile:
    """What runs and schedules have in common: a storage that connects to one file."""

    _conn_string: str

    def __init__(self, conn_string: str, made: _Made) -> None:
        super().__init__(conn_string)  # type: ignore[call-arg] # of the storage that it is mixed into
        self._made = made

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._made.files.engine(self._conn_string)[0].begin() as connection:
            yield connection


class _Runs(_InOneFile, SqliteRunStorage):
    has_built_index = _remembered(SqliteRunStorage.has_built_index)
    has_run_stats_index_cols = _remembered(SqliteRunStorage.has_run_stats_index_cols)
    has_backfill_id_column = _remembered(SqliteRunStorage.has_backfill_id_column)


class _Schedules(_InOneFile, SqliteScheduleStorage):
    has_built_index = _remembered(SqliteScheduleStorage.has_built_index)
    has_instigators_table = _remembered(SqliteScheduleStorage.has_instigators_table)
    _has_instigators_table = _remembered(SqliteScheduleStorage._has_instigators_table)


class _Events(SqliteEventLogStorage):
    _initialized_dbs: set[Any]

    def __init__(self, made: _Made) -> None:
        self._made = made  # used by the next line
        super().__init__(made.events)
        made.files.used_by.add(self)
        self._initialized_dbs = made.shards

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine, number = self._made.files.engine(self.conn_string_for_shard(shard))
            if (shard, number) not in self._initialized_dbs:
                if shard == INDEX_SHARD_NAME or not self._laid_out(engine):
                    self._initdb(engine)
                self._initialized_dbs.add((shard, number))
            with engine.begin() as connection:
                yield connection

    def _laid_out(self, new: Engine) -> bool:
        """Gives an empty file of a run the tables that the file of all runs has; whether it did.

        Dagster reads its migrations for each run's file, which takes as long as a small run's own work.
        """
        with self._made.files.engine(self.conn_string_for_shard(INDEX_SHARD_NAME))[0].connect() as known:
            tables = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
            made_by = known.exec_driver_sql(tables).scalars().all()
            revision = known.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        # Another process may be at it: that one, or Dagster's way, which waits for it, then does what is left to do.
        with suppress(OperationalError), new.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar():
                return False
            for sql in made_by:
                connection.exec_driver_sql(sql)
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (revision,))
            connection.commit()
            return True
        return False

    has_secondary_index = _remembered(SqliteEventLogStorage.has_secondary_index)
    _has_asset_key_col_on_connection = _remembered(SqliteEventLogStorage._has_asset_key_col_on_connection)

    @_remembered
    def has_table(self, table_name: str) -> bool:
        with self._made.files.engine(self.conn_string_for_shard(INDEX_SHARD_NAME))[0].connect() as connection:
            return inspect(connection).has_table(table_name)

    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(event)
        # Who watches a run waits for its file to change. What is new is in another one beside it while it is open.
        with suppress(FileNotFoundError):
            os.utime(self.path_for_shard(event.run_id))

    def dispose(self) -> None:
        super().dispose()
        self._made.files.close(self)
