"""Which process it is: an id is used again, with the time of its process's start it is not."""

import psutil


def identity(pid: int | None = None) -> str:
    """Names a process of this machine for good; None is this one."""
    process = psutil.Process(pid)
    # Since the machine's start: the time of day would be another one once the clock is set.
    return f"{process.pid}:{process.create_time() - psutil.boot_time():.2f}"


def is_alive(process: str) -> bool:
    """Whether the process with that identity still runs; a zombie does not."""
    pid, _ = process.split(":")
    try:
        return identity(int(pid)) == process and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
