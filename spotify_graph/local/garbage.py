"""What a service has loaded is no garbage: Python need not look through all of it every few minutes."""

import gc
from threading import Timer

_LOADED_SECONDS = 60


def spare_what_is_loaded() -> None:
    """Has Python look for garbage, from a minute after the start, only in what came later."""
    timer = Timer(_LOADED_SECONDS, _spare)
    timer.daemon = True
    timer.start()


def _spare() -> None:
    gc.collect()
    gc.freeze()
