"""The HTTP service on a port of its own, in a thread of this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests
import uvicorn
from fastapi import FastAPI

_SECONDS = 180


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serves an application, and gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def get(url: str, **parameters: object) -> requests.Response:
    return requests.get(url, params={name: str(value) for name, value in parameters.items()}, timeout=_SECONDS)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
