"""Logs as JSON lines: one object on a line, with the same names whoever writes it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any


def line(at: float, level: str, logger: str, message: str, **about: Any) -> str:
    """A line of a log: time (UTC), level, logger, message, and what else is known of it.

    Args:
        at: when it was, in seconds since 1970.
        level: how grave it is, as Python calls it.
        logger: who says it.
        message: what it says.
        about: further names with their values; None is left out.
    """
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {name: value for name, value in about.items() if value is not None}
    return json.dumps({"time": time, "level": level, "logger": logger, "message": message, **told}, default=str)


class JsonFormatter(logging.Formatter):
    """Formats a record of Python's logging as such a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        error = self.formatException(record.exc_info) if record.exc_info else None
        return line(record.created, record.levelname, record.name, record.getMessage(), error=error)


def write_json() -> None:
    """Has this process write all that Python's logging passes on to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(capture=True)
