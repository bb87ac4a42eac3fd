"""What the process that watches is asked to do: a file each, in a folder of the store."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import LabError, SettingError
from lab.feeds.status import feeds_folder, is_watched

_POLL_S = 0.05
_KEEP_S = 60.0
MAX_BYTES = 1 << 20


def send(store_folder: str | Path, command: Mapping[str, Any], timeout_s: float = 10.0) -> None:
    """Have something done, and wait until it was; docs/architecture.md lists what can be asked.

    timeout_s: 0 to wait for nothing. Raises LabError with the reason if it was refused, nobody
    watches, or no answer comes in time.
    """
    if not is_watched(store_folder):
        raise LabError("nobody watches the feeds of this store; start `lab watch`")
    folder = feeds_folder(store_folder)
    name = f"{time.time_ns()}-{secrets.token_hex(4)}.json"
    try:
        for part in ("commands", "answers"):
            (folder / part).mkdir(exist_ok=True)
        write_atomically(folder / "commands" / name, json.dumps(command))
    except OSError as error:
        raise LabError(f"{folder} cannot be written: {error.strerror}") from None
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        answer = _read(folder / "answers" / name)
        if answer is not None:
            with suppress(OSError):
                (folder / "answers" / name).unlink()
            if not answer.get("ok"):
                raise SettingError(str(answer.get("error") or "it was refused"))
            return
        time.sleep(_POLL_S)
    if timeout_s:
        raise LabError(f"the process that watches gave no answer in {timeout_s:g} s")


def serve(store_folder: str | Path, handle: Callable[[Mapping[str, Any]], None]) -> int:
    """Do what was asked, in order. handle: raises LabError for what it refuses.

    Returns how many there were.
    """
    folder = feeds_folder(store_folder)
    files = sorted(file for file in (folder / "commands").glob("*.json"))
    for file in files:
        command = _read(file)
        with suppress(OSError):
            file.unlink()
        answer: dict[str, Any] = {"ok": True}
        try:
            if command is None:
                raise SettingError("the command is not a JSON object")
            handle(command)
        except LabError as error:
            answer = {"ok": False, "error": str(error)}
        with suppress(OSError):
            (folder / "answers").mkdir(exist_ok=True)
            write_atomically(folder / "answers" / file.name, json.dumps(answer))
    return len(files)


def forget_old(store_folder: str | Path) -> None:
    """Remove answers that nobody waited for, and commands from before this process began."""
    for part in ("commands", "answers"):
        for file in (feeds_folder(store_folder) / part).glob("*.json"):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > _KEEP_S:
                    file.unlink()


def _read(file: Path) -> dict[str, Any] | None:
    try:
        if file.stat().st_size > MAX_BYTES:
            return {}
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
