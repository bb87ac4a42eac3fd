"""The app's routes behind its guard, in a process of its own, without pages: to be killed."""

import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

APP = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from lab.access.tokens import Tokens
from lab.app.server.guard import Guard
from lab.app.server.routes import routes
from lab.app.server.state import app_state
here = app_state()
ours = routes(here)
here.analyses.go_on()
guard = Middleware(Guard, token="start", tokens=Tokens(here.store.folder), routes=ours,
                   limits=here.config.limits)
app = Starlette(routes=ours, middleware=[guard])
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
here.close()
"""


class App:
    """Over a store; its port stays its own while it is killed and started again."""

    def __init__(self, env):
        self._env = env
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.start()

    def start(self):
        command = [sys.executable, "-c", APP, self.url.rpartition(":")[2]]
        self.process = subprocess.Popen(command, env=self._env, start_new_session=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None
            with suppress(OSError):
                asked = urllib.request.Request(
                    f"{self.url}/api/health", headers={"Authorization": "Bearer start"}
                )
                urllib.request.urlopen(asked, timeout=60).close()
                return
            time.sleep(0.05)
        raise TimeoutError("the app did not begin")

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self._socket.close()
