"""Putting an imported database in its place: what a process that dies in between leaves behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spotify_graph.local import store
from spotify_graph_tests.dying import DiedError

PARTS = ("databases", "transactions")
_STEPS = 4
"""The old store and its log removed, the new ones put there."""


def a_store(data: Path, what: str) -> None:
    for part in PARTS:
        (data / part / "neo4j").mkdir(parents=True)
        (data / part / "neo4j" / "file").write_text(what)


def held(root: Path) -> list[str]:
    return [file.read_text() if (file := root / "data" / part / "neo4j" / "file").exists() else "" for part in PARTS]


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """What an import has built whose process died before it was installed or removed."""
    a_store(tmp_path / "data", "old")
    (tmp_path / "data" / "databases" / "system").mkdir()
    a_store(tmp_path / "import-1" / "data", "new")
    return tmp_path / "import-1"


def test_an_import_that_was_not_installed_changes_nothing_and_goes_with_the_next_one(tmp_path: Path, new: Path) -> None:
    store.finish(tmp_path)
    assert held(tmp_path) == ["old", "old"]
    with store.new_folder(tmp_path) as folder:
        assert folder != new
        assert {path.name for path in tmp_path.iterdir()} == {"data", folder.name}
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_what_is_installed_takes_the_place_and_leaves_no_debris(tmp_path: Path, new: Path) -> None:
    store.install(tmp_path, new, "neo4j")
    assert held(tmp_path) == ["new", "new"]
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
    assert (tmp_path / "data" / "databases" / "system").exists(), "users and passwords stay"


@pytest.mark.parametrize("step", range(1, _STEPS + 1))
@pytest.mark.parametrize("before", [True, False])
def test_an_installation_that_dies_is_finished_at_the_next_start(
    tmp_path: Path, new: Path, step: int, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = 0

    def dying(work: Callable[..., object]) -> Callable[..., None]:
        def at_a_step(path: Path, *arguments: object, **more: object) -> None:
            nonlocal done
            done += "neo4j" in Path(path).parts
            if before and done == step:
                raise DiedError
            work(path, *arguments, **more)
            if done == step:
                raise DiedError

        return at_a_step

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", dying(shutil.rmtree))
        patch.setattr(Path, "rename", dying(Path.rename))
        with pytest.raises(DiedError):
            store.install(tmp_path, new, "neo4j")
    store.finish(tmp_path)
    assert held(tmp_path) == ["new", "new"]
    store.finish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
