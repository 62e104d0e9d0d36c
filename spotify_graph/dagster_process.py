"""Dagster's webserver and daemon beside a code server that lives as long as they do.

`python -m spotify_graph.dagster_process MODULE ARGUMENT...` runs one of Dagster's modules. Each asks the code server
every second whether it is still the same, and the daemon has it describe everything anew each minute, which is a third
of what they take while nothing happens. Under `up` the definitions are loaded once, and where the code server ends, all
end.
"""

import runpy
import sys

from dagster._daemon import controller
from dagster._grpc import server_watcher

from spotify_graph.local.garbage import spare_what_is_loaded

_WATCH_SECONDS = 15
_RELOAD_SECONDS = 24 * 60 * 60


def main() -> None:
    """Runs the module that the arguments name, with the arguments after it."""
    server_watcher.WATCH_INTERVAL = _WATCH_SECONDS
    controller.RELOAD_WORKSPACE_INTERVAL = _RELOAD_SECONDS
    spare_what_is_loaded()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
