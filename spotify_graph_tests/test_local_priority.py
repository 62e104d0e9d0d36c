import subprocess
import sys

_STEPS_BACK = """
import os, subprocess, threading
import numpy as np
import psutil
from spotify_graph.local.priority import stepped_back

np.ones((300, 300)) @ np.ones((300, 300))  # by threads of its own
ended = threading.Event()
threading.Thread(target=ended.wait).start()
with stepped_back():
    threads = {os.getpriority(os.PRIO_PROCESS, it.id) for it in psutil.Process().threads()}
    child = subprocess.run(["nice"], capture_output=True, text=True).stdout.strip()
ended.set()
# Only some users may take it back.
after = os.getpriority(os.PRIO_PROCESS, 0) in ([0] if os.getuid() == 0 else [0, 10])
print(*threads, child, after)
"""


def test_what_steps_back_gives_way_with_all_its_threads_and_all_that_it_starts_meanwhile() -> None:
    done = subprocess.run([sys.executable, "-c", _STEPS_BACK], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["10", "10", "True"]
