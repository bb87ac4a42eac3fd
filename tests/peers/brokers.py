"""Mosquitto and Redis on a free port of this machine, which end with the test."""

import ctypes
import signal
import subprocess

from tests.peers.programs import free_port, is_open, needs_program, wait_for

_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


class Server:
    """A process that answers on a port, which it keeps over restarts. A context manager."""

    def __init__(self, command, port):
        self._command, self.port = command, port
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        die = ctypes.CDLL(None).prctl
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: die(_DIE_WITH_PARENT, signal.SIGKILL),
        )
        wait_for(self._answers, f"{self._command[0]} to answer")

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self):
        assert self._process.poll() is None, f"{self._command[0]} ended at once"
        return is_open(self.port)


def mosquitto(folder, *, password=None, certificate=None) -> Server:
    """password: of the user `lab`; without it anybody may come in. certificate: (file, key)."""
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", "user root"]
    if password is None:
        lines.append("allow_anonymous true")
    else:
        users = folder / "users"
        users.touch(0o600)
        command = [
            needs_program("mosquitto_passwd", "mosquitto"),
            "-b",
            str(users),
            "lab",
            password,
        ]
        subprocess.run(command, check=True, capture_output=True)
        lines += ["allow_anonymous false", f"password_file {users}"]
    if certificate is not None:
        lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
    settings = folder / "mosquitto.conf"
    settings.write_text("\n".join(lines) + "\n")
    return Server([needs_program("mosquitto", "mosquitto"), "-c", str(settings)], port)


def redis_server(folder, *, password=None) -> Server:
    port = free_port()
    command = [
        needs_program("redis-server", "redis-server"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
    ]
    command += ["--dir", str(folder)]
    return Server([*command, *(["--requirepass", password] if password else [])], port)
