"""Dagster's SQLite files, kept open: to open and close one for each event is most of what a small run takes."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, QueuePool, create_engine, event, make_url

_KEPT = 16
"""How many files are kept open: those of the latest runs, and what all runs share."""


@contextmanager
def kept_open() -> Iterator[None]:
    """Within the block, this process keeps the files open, and no test's history has to outlive a power cut."""
    kept: OrderedDict[tuple[str, int], Engine] = OrderedDict()

    def close(engine: Engine) -> None:
        del vars(engine)["dispose"]
        engine.dispose()

    def engine(url: str, **options: Any) -> Engine:
        try:
            # A file that was deleted and made anew is another one.
            file = (url, os.stat(str(make_url(url).database)).st_ino)  # noqa: PTH116 the path of a URL
        except FileNotFoundError:
            return create_engine(url, **options)
        if file not in kept:
            made = create_engine(url, **{**options, "poolclass": QueuePool})
            event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
            vars(made)["dispose"] = lambda: None  # which Dagster does after each event
            kept[file] = made
        kept.move_to_end(file)
        while len(kept) > _KEPT:
            close(kept.popitem(last=False)[1])
        return kept[file]

    with pytest.MonkeyPatch.context() as patch:
        for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
            patch.setattr(module, "create_engine", engine)
        yield
    for each in kept.values():
        close(each)
