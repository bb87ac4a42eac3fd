"""Joining a Ray cluster, or starting one on this machine; what goes wrong is told in one line."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from lab.errors import JobError, SettingError

_REACH_S = 5.0
# What Ray writes to standard output of the driver when a worker or a node is lost.
_TOLD_BY_US = "worker died or was killed|node with node id|killed due to|[Rr]aylet|state-dump"
_STORE_BYTES = 150_000_000  # of a cluster that is started here; results are small


def join(address: str) -> None:
    """Connect this process to a cluster. Raises JobError, SettingError for what is no address."""
    _check_reachable(address)
    _init(address, {"address": address})


def start_here(folder: str, cores: int | None) -> None:
    """Start a cluster of this machine alone, with its files in a folder. Raises JobError."""
    options = {
        "address": "local",
        "num_cpus": cores or os.cpu_count() or 1,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": folder,
    }
    _init(None, options)


def prepare_ray() -> bool:
    """Have Ray say little and report to nobody; whether this process is connected already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", _TOLD_BY_US)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    import ray

    return bool(ray.is_initialized())


def _init(address: str | None, options: dict[str, Any]) -> None:
    import ray

    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "error",
        "configure_logging": False,
    }
    try:
        with _silence(), _sigterm_kept():
            ray.init(**options, **quiet)
    except Exception as error:
        raise JobError(_why_not(address, error)) from None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Ray writes warnings from compiled code while it connects; what matters it raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray takes the signal to end, and answers it with a trace of the stack; this ends tidily."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    after = before
    try:
        yield
        after = _leave if before in (signal.SIG_DFL, None) else before
    finally:
        signal.signal(signal.SIGTERM, after)


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


def _check_reachable(address: str) -> None:
    """Raises JobError in seconds, where Ray itself would wait for minutes."""
    if address == "auto":
        return
    place = address.removeprefix("ray://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise SettingError(f"--address must be auto, HOST:PORT or ray://HOST:PORT, got {address!r}")
    begun = time.monotonic()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S) as there:
            speaks = "RAY_USE_TLS" in os.environ or _speaks_grpc(there)
    except (OSError, OverflowError) as error:
        spent_s = time.monotonic() - begun
        why = getattr(error, "strerror", None) or error
        raise JobError(
            f"the cluster at {address} cannot be reached ({why}, after {spent_s:.0f} s); "
            "start its head with: ray start --head, or leave --address out for this machine alone"
        ) from None
    if not speaks:
        raise JobError(_not_ray(address))


def _speaks_grpc(there: socket.socket) -> bool:
    """Whether a server greets as Ray's do: Ray waits for minutes, and stops for no signal."""
    settings = b"\0\0\0\4\0\0\0\0\0"  # of HTTP/2, empty; a server sends its own at once
    try:
        there.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        head = b""
        while len(head) < len(settings):
            if not (more := there.recv(len(settings) - len(head))):
                return False
            head += more
    except OSError:
        return False
    return head[3] == settings[3]


def _not_ray(address: str | None) -> str:
    return (
        f"the cluster at {address} cannot be reached: what is there does not answer as Ray; "
        "give the address that ray start --head said"
    )


def _why_not(address: str | None, error: Exception) -> str:
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        return (
            f"the cluster at {address} runs another Ray or Python: {text[:300]}; "
            "install the same versions on all machines"
        )
    if address is None:
        again = "if it is busy, try again; or " if "timed out" in text else ""
        return f"Ray could not be started on this machine: {text[:300]}; {again}use --engine local"
    if isinstance(error, ConnectionError) and address == "auto":
        return (
            "no Ray cluster runs on this machine; start one with: ray start --head, or leave "
            "--address out for this machine alone"
        )
    if "ailed to connect" in text or "client connection timeout" in text:
        return _not_ray(address)
    return f"the cluster at {address} cannot be used: {text[:300]}; see there: ray status"
