"""The process that plays a camera's video, started again where it dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.child_process import lab_environment
from lab.errors import LabError, SourceError
from lab.video.camera.player import RECORD, Played
from lab.video.camera.settings import CameraSettings

_BUFFER_BYTES = 1 << 20
_START_S = 60.0


class PlayerProcess:
    """`lab.video.camera.player` over a file, as a child that ends with this process.

    facts: what it told of the video: width, height, rate, frames, duration_s, codec.
    """

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        self._path, self._settings = path, settings
        self._process: asyncio.subprocess.Process | None = None
        self.facts: dict[str, Any] = {}

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(
        self, zero: float | None = None, from_s: float = 0.0, after_s: float | None = None
    ) -> None:
        """Return when it has its first frame. zero: when the camera began, of `time.monotonic`;
        where it goes on, from_s: from where, and after_s: when the last frame was due.

        Raises SourceError if the video cannot be played, LabError if the process fails.
        """
        fps = self._settings.fps
        order = {
            "video": str(self._path),
            "fps": None if fps is None else f"{fps.numerator}/{fps.denominator}",
            "loop": self._settings.loop,
            "quality": self._settings.jpeg_quality,
            "zero": zero,
            "from_s": from_s,
            "after_s": after_s,
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lab.video.camera.player",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=lab_environment(),
            limit=_BUFFER_BYTES,
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), _START_S)
            facts = json.loads(line)
        except TimeoutError:
            raise LabError(
                f"the player of {self._path.name} gave nothing in {_START_S:g} s"
            ) from None
        except ValueError:
            code = await self._process.wait()
            raise LabError(f"the player of {self._path.name} ended with code {code}") from None
        if "error" in facts:
            raise SourceError(facts["error"])
        self.facts = facts

    async def next(self) -> Played:
        """The next frame, as soon as it is there. Raises EOFError if the process has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            head = await self._process.stdout.readexactly(RECORD.size)
            due_s, pts_us, loop_index, skipped, size = RECORD.unpack(head)
            jpeg = await self._process.stdout.readexactly(size) if size else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EOFError from None
        return Played(due_s, pts_us, loop_index, skipped, jpeg)

    async def end(self) -> None:
        """Kill it; what it had ready is lost. Nobody may wait for `next`."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()  # its end is seen only once its output was read
