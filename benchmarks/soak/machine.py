"""What a machine may lack, and do: a small disk, less memory than is wanted, and a clock that jumps."""

import ctypes
import mmap
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DISK_BYTES = 3 << 30
_GROUPS = Path("/sys/fs/cgroup/memory")


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small file system on the folder, where that is allowed."""
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "soak", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(["mount", *options], check=False).returncode == 0  # noqa: S607
    try:
        yield bool(mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S607


@dataclass(frozen=True)
class MemoryGroup:
    """A control group, whose memory can be limited.

    Attributes:
        path: its folder.
    """

    path: Path

    def take_in(self, pid: int) -> None:
        """A process, and what it starts from now on, belong to it."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def leave(self, size: int) -> None:
        """Limits the processes that are yet to come to so many bytes together."""
        # What ended processes left on a disk in memory is counted, and is no memory of processes.
        (self.path / "memory.force_empty").write_text("0")
        left = int((self.path / "memory.usage_in_bytes").read_text())
        self._limit(str(left + size))

    def leave_all(self) -> None:
        """Limits nothing any more."""
        self._limit("-1")

    def _limit(self, text: str) -> None:
        (self.path / "memory.limit_in_bytes").write_text(text)


@contextmanager
def memory_group() -> Iterator[MemoryGroup | None]:
    """A control group of its own, where that is allowed."""
    path = _GROUPS / f"soak-{os.getpid()}"
    try:
        path.mkdir()
    except OSError:
        yield None
        return
    try:
        yield MemoryGroup(path)
    finally:
        with suppress(OSError):
            path.rmdir()


class Clock:
    """The time as processes see it that have `environment`: it jumps."""

    def __init__(self, library: Path, offset: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
        with offset.open("r+b") as file:
            self._seconds = ctypes.c_int64.from_buffer(mmap.mmap(file.fileno(), 8))

    @classmethod
    def made(cls, root: Path) -> Self | None:
        """The clock, where there is a C compiler."""
        library, offset = root / "clock.so", root / "clock"
        offset.write_bytes(bytes(8))
        compiler = shutil.which("cc")
        command = [
            str(compiler),
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            str(library),
            str(Path(__file__).with_name("clock.c")),
        ]
        if not compiler or subprocess.run([*command, "-ldl"], check=False).returncode:
            return None
        return cls(library, offset)

    def jump(self, seconds: int) -> None:
        """It is so many seconds ahead from now on."""
        self._seconds.value = seconds
