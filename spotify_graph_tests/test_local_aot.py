"""Java's caches, with the shortest-lived JVM there is: it tells its version."""

import os
import subprocess
from pathlib import Path

import pytest

from spotify_graph.local import aot, neo4j_java
from spotify_graph.settings import Settings


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(aot, "default_cache", lambda: tmp_path / "aot")
    return tmp_path / "aot"


def java(*more: str) -> subprocess.CompletedProcess[str]:
    command = neo4j_java.command(Settings.load(), "org.neo4j.cli.AdminTool", "--version", cache=aot.IMPORT)
    environment = os.environ | {"NEO4J_HOME": str(Settings.load().home)}
    return subprocess.run(
        [command[0], *more, *command[1:]], env=environment, capture_output=True, text=True, check=False
    )


def test_without_a_training_run_a_jvm_starts_as_ever(cache: Path) -> None:
    assert aot.options(Settings.load(), aot.SPARK, "4.3.0") == ()
    assert not cache.exists()


def test_a_training_run_makes_a_cache_that_the_next_start_uses(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with aot.training() as environment:
        with monkeypatch.context() as patch:
            for name in environment.keys() - os.environ.keys():
                patch.setenv(name, environment[name])
            assert java().returncode == 0
        assert not list(cache.glob("*.aot")), "nobody uses one that is being written"
    (made,) = cache.iterdir()
    assert made.name.startswith(f"{aot.IMPORT}-")
    told = java("-Xlog:class+load:file=" + str(cache / "classes.log"))
    assert told.returncode == 0
    assert told.stdout == java().stdout
    assert "source: shared objects file" in (cache / "classes.log").read_text()
    assert "org.neo4j" in (cache / "classes.log").read_text()


def test_a_cache_that_is_damaged_is_no_hindrance_and_no_news(cache: Path) -> None:
    with aot.training():
        pass
    options = _named(cache)
    options.write_bytes(b"no cache of any Java")
    told = java()
    assert told.returncode == 0
    assert "2026.08.1" in told.stdout
    assert "aot" not in told.stderr.lower()


def test_another_jvm_than_the_environments_starts_without(cache: Path, tmp_path: Path) -> None:
    _named(cache).write_bytes(b"")
    other = Settings.load().model_copy(update={"java_home": tmp_path})
    command = neo4j_java.command(Settings.load(), "x", cache=aot.IMPORT)
    assert any(option.startswith("-XX:AOTCache=") for option in command)
    assert aot.options(other, aot.IMPORT, "any") == ()


def _named(cache: Path) -> Path:
    """The file that the import's cache would be."""
    cache.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_AOT_TRAINING", "1")
        command = neo4j_java.command(Settings.load(), "x", cache=aot.IMPORT)
    (option,) = (option for option in command if option.startswith("-XX:AOTCacheOutput="))
    return Path(option.partition("=")[2].removesuffix(".new"))
