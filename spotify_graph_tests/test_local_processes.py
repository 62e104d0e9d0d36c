"""A process is told from a later one of the same number, and is the same one whatever the clock says."""

import os

import psutil
import pytest

from spotify_graph.local.processes import identity, is_alive


def test_a_process_is_alive_also_once_the_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    this, boot = identity(), psutil.boot_time()
    # What the kernel says of its own start follows the clock.
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: boot + 3600)
    assert psutil.boot_time() == boot + 3600
    assert is_alive(this)


def test_another_process_of_the_same_number_is_not_it() -> None:
    assert not is_alive(f"{os.getpid()}:0.00")
