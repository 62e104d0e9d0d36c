"""A stand-in for a module whose code was changed since: what names the code sees another one."""

from collections.abc import Callable, Iterator

import pytest

from spotify_graph import code_versions


@pytest.fixture(name="edit")
def an_edit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Changes a module's code, as far as its version goes, until the test ends."""

    def change(module: str) -> None:
        source = code_versions.source
        monkeypatch.setattr(
            code_versions, "source", lambda name: source(name) + ("\nEDITED = True\n" if name == module else "")
        )
        _look_again()

    yield change
    monkeypatch.undo()
    _look_again()


def _look_again() -> None:
    code_versions.code_of.cache_clear()
    code_versions._read.cache_clear()
