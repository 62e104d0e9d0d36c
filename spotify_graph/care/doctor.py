"""The doctor: looks at every part of an installation, changes nothing, and says what is wrong and how to mend it.

What one examination stumbles over is its own diagnosis, and keeps no other from being made.
"""

from collections.abc import Callable, Iterator

from spotify_graph.care import graph, lake, machine
from spotify_graph.care.diagnosis import Diagnosis, problem, reason
from spotify_graph.settings import Settings

_EXAMINATIONS: dict[str, Callable[[Settings], Iterator[Diagnosis]]] = {
    "Java": machine.java,
    "home": machine.home,
    "ports": machine.ports,
    "locks": machine.lock_files,
    "secrets": machine.secrets,
    "landing folder": machine.landing,
    "leftovers": machine.leftovers,
    "Dagster's history": machine.history,
    "lake": lake.examine,
    "graph": graph.examine,
}


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Every diagnosis, as it is made."""
    for what, examination in _EXAMINATIONS.items():
        try:
            yield from examination(settings)
        except Exception as error:  # noqa: BLE001 whatever is broken, the rest is looked at
            yield problem(what, f"it can't be examined: {reason(error)} ({type(error).__name__})", "see what it names")
