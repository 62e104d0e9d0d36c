"""The set-up's answers to a machine that it can't work on."""

import os
import subprocess
from pathlib import Path

from spotify_graph.settings import PROJECT_ROOT


def install(python: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHON": str(python)}
    return subprocess.run(
        [PROJECT_ROOT / ".ci" / "install"], env=environment, capture_output=True, text=True, check=False
    )


def test_too_old_a_python_is_named_with_its_version_and_what_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$*" in *platform*) echo 3.9.18 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    result = install(old)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "Python 3.11" in line
    assert "3.9.18" in line
    assert str(old) in line


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = install(tmp_path / "nowhere")
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert str(tmp_path / "nowhere") in line
