"""How a time is written for programs and people to read."""

from datetime import UTC, datetime


def utc(time: datetime, timespec: str = "auto") -> str:
    """A time as ISO 8601 in UTC, such as 2026-11-28T04:18:17Z.

    Args:
        time: the time, with its zone.
        timespec: how fine, as `datetime.isoformat` has it.
    """
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
