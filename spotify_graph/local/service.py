"""Where the HTTP service of a home is: kept when it starts, for the links that lead there."""

from contextlib import suppress
from pathlib import Path

from spotify_graph.local.files import write_private
from spotify_graph.settings import SERVE_PORT, Settings

_FILE = "service.url"


def remember(url: str, settings: Settings) -> None:
    """Keeps the address of an HTTP service that has started."""
    with suppress(OSError):  # a service that reads alone needs no home that it can write to
        write_private(settings.home / _FILE, url)


def address(home: Path, otherwise: str) -> str:
    """Where the service was last, or else where it is unless told otherwise."""
    with suppress(OSError):
        return (home / _FILE).read_text(encoding="utf-8")
    return otherwise


def default_address(settings: Settings) -> str:
    """Where the service is unless its port is taken."""
    return f"http://127.0.0.1:{settings.serve_port or SERVE_PORT}"
