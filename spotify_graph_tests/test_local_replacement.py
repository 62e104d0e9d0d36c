"""Restored parts in place of a home's: what a process that dies in between leaves is put back by the next one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from spotify_graph.errors import UserError
from spotify_graph.local import locks, replacement
from spotify_graph.settings import Settings
from spotify_graph_tests.dying import DiedError

PARTS = ("lake", "imports", "neo4j/data/databases/neo4j")
_RENAMES = 6
"""Of `install`: the lake and the database go and come, imports come, and the note is renamed into its place first."""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a lake and a database, and no imports."""
    home = tmp_path / "home"
    _write(home / "lake" / "file", "former")
    _write(home / "neo4j" / "data" / "databases" / "neo4j" / "file", "former")
    _write(home / "neo4j" / "data" / "databases" / "system" / "file", "system")
    return home


def prepared(new: Path) -> None:
    for part in PARTS:
        _write(new / part / "file", "new")


def held(home: Path) -> list[str]:
    return [file.read_text() if (file := home / part / "file").exists() else "" for part in PARTS]


def everything(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_new_parts_take_the_place_of_the_former_ones_and_leave_no_debris(home: Path) -> None:
    before = everything(home)
    with replacement.new_folder(home) as new:
        prepared(new)
        replacement.install(home, new, PARTS)
        assert replacement.is_under_way(home)
        replacement.done(home)
    assert held(home) == ["new", "new", "new"]
    assert everything(home) == before | {"imports/file"}


@pytest.mark.parametrize("step", range(_RENAMES + 1))
@pytest.mark.parametrize("again", range(_RENAMES + 1))
def test_a_replacement_that_dies_is_put_back_by_the_next_run_also_where_that_dies_too(
    home: Path, step: int, again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, done = everything(home), iter(range(100))
    renames = {name: getattr(Path, name) for name in ("rename", "replace")}

    def dying(name: str, at: int, count: Iterator[int]) -> object:
        def move(path: Path, to: Path) -> object:
            if next(count) == at:
                raise DiedError
            return renames[name](path, to)

        return move

    def dies(patch: pytest.MonkeyPatch) -> None:
        with replacement.new_folder(home) as new:
            prepared(new)
            for name in renames:
                patch.setattr(Path, name, dying(name, step, done))
            replacement.install(home, new, PARTS)
            raise DiedError  # between the last step and `done`

    with monkeypatch.context() as patch, pytest.raises(DiedError):
        dies(patch)
    if replacement.is_under_way(home):
        with monkeypatch.context() as patch:
            count = iter(range(100))
            for name in renames:
                patch.setattr(Path, name, dying(name, again, count))
            try:
                replacement.put_back(home)
            except DiedError:
                assert replacement.is_under_way(home)
    settings = Settings.load().model_copy(update={"home": home})
    said: list[str] = []
    with locks.turn(settings, "the next run", said.append):
        assert held(home) == ["former", "", "former"]
    ours = {"runs.lock", "neo4j/lock", "up.lock", "code.json", ".restoring.json.new"}
    assert everything(home) - ours == before
    assert not list(home.glob("restore-*")) or not said


def test_a_home_is_somebody_s_alone_only_where_nobody_uses_it(tmp_path: Path) -> None:
    settings = Settings.load().model_copy(update={"home": tmp_path})

    def refused() -> str:
        with pytest.raises(UserError) as error, locks.alone(settings, "`a backup`", print):
            pass
        return str(error.value)

    with locks.turn(settings, "`a run`", print):
        assert refused().startswith("`a run` (process ")
    with locks.up(settings):
        assert refused().startswith("`spotify-graph up` (process ")
        assert refused().endswith(f" uses {tmp_path}: wait for its end, or end it")
    with locks.alone(settings, "`a backup`", print):
        with pytest.raises(UserError, match="`a backup`"), locks.up(settings):
            pass
        assert locks.running_run(settings)
    lock = FileLock(tmp_path / "runs.lock", timeout=0)
    with lock:
        assert refused().startswith("another process uses ")
    with locks.alone(settings, "`a backup`", print):
        pass
