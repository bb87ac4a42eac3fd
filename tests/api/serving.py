"""The API on a port of its own, for curl and browsers."""

import threading
import time

import uvicorn

from tests.guarded import TOKEN, guard


class Served:
    """A context manager that gives the address of these routes behind the guard."""

    def __init__(self, routes, **more):
        self._server = uvicorn.Server(
            uvicorn.Config(
                guard(routes, **more), host="127.0.0.1", port=0, log_level="error", lifespan="off"
            )
        )

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 60
        while not self._server.started:
            assert time.monotonic() < until
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(20)


__all__ = ["TOKEN", "Served"]
