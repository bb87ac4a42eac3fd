"""Which files of a folder were read already, also after a restart."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically

_Key = tuple[str, int, int]


@dataclass(frozen=True)
class FoundFile:
    """A file as it was when the folder was looked at. name: relative to the folder."""

    path: Path
    name: str
    mtime_ns: int
    size_bytes: int

    @property
    def key(self) -> _Key:
        return (self.name, self.mtime_ns, self.size_bytes)


class FileLog:
    """A line for each file that was begun or done, in the order in which they were read.

    path: where it is kept; None for as long as this lives.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines = [] if path is None else _read(path)
        self._collect()

    @property
    def is_kept(self) -> bool:
        return self._path is not None

    @property
    def last_ticks(self) -> int | None:
        """When the last file ended."""
        return self._lines[-1]["ticks"] if self._lines else None

    def resume(self, ticks: int) -> None:
        """Forget what was read after a time: it was not analysed.

        Where the times of files step back, what came after the one next before that time.
        """
        times = [line["ticks"] for line in self._lines]
        last = max((one for one in times if one <= ticks), default=None)
        kept = max((at + 1 for at, one in enumerate(times) if one == last), default=0)
        del self._lines[kept:]
        self._collect()

    def is_done(self, file: FoundFile) -> bool:
        return file.key in self._done

    def begun_at(self, file: FoundFile) -> int | None:
        """When a file began that was read before; None for a new one."""
        return self._begun.get(file.key)

    def begin(self, file: FoundFile, ticks: int) -> None:
        """ticks: the time of its first picture."""
        self._note(file, ticks, "begun")
        self._begun[file.key] = ticks

    def finish(self, file: FoundFile, ticks: int) -> None:
        """ticks: when it ended."""
        self._note(file, ticks, "done")
        self._done.add(file.key)

    def forget_all_but(self, files: list[FoundFile]) -> None:
        """Leave out what is not in the folder any more, but for the last line."""
        there = {file.key for file in files}
        last = self._lines[-1:]
        self._lines = [one for one in self._lines[:-1] if _key(one) in there] + last
        self._collect()
        if self._path is not None and self._path.parent.is_dir():
            write_atomically(self._path, "".join(json.dumps(one) + "\n" for one in self._lines))

    def _collect(self) -> None:
        self._done = {_key(one) for one in self._lines if one["state"] == "done"}
        self._begun = {_key(one): one["ticks"] for one in self._lines if one["state"] == "begun"}

    def _note(self, file: FoundFile, ticks: int, state: str) -> None:
        line = {"name": file.name, "mtime_ns": file.mtime_ns, "size_bytes": file.size_bytes}
        self._lines.append({**line, "ticks": ticks, "state": state})
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(self._lines[-1]) + os.linesep)


def _key(line: dict[str, Any]) -> _Key:
    return (line["name"], line["mtime_ns"], line["size_bytes"])


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    lines = []
    for text in texts:
        try:
            line = json.loads(text)
            _key(line)
            lines.append({**line, "ticks": int(line["ticks"]), "state": str(line["state"])})
        except (ValueError, KeyError, TypeError):
            continue  # the process was killed while it wrote
    return lines
