"""A live source that is analysed into a real log, and its recording that is analysed again."""

import threading
import zlib
from contextlib import ExitStack

import numpy as np

import lab.video.sources.live as live
from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.runs.execute import PlannedRun, execute
from lab.score_log.score_log import read_log
from lab.video.live.backoff import Backoff
from lab.video.live.connection import Connection
from lab.video.sampling import Sampling
from lab.video.sources.live import ConnectedSource
from lab.video.sources.recording import RecordingSource
from tests.builders import assert_same_log
from tests.peers.programs import wait_for

SHORT = (0.3,)


class Fingerprint(Detector):
    """Sees every bit: the confidence comes from all of a picture, the box is its size."""

    labels = ("picture",)

    def detect(self, frames):
        found = []
        for frame in frames:
            image = np.ascontiguousarray(frame.image_bgr)
            height, width = image.shape[:2]
            confidence = 0.1 + 0.9 * zlib.crc32(image.data) / 2**32
            box = np.array([[0, 0, width, height]], np.float32)
            found.append(Detections(["picture"], np.array([confidence], np.float32), box))
        return found

    def recipe(self):
        return {"detector": "fingerprint", "labels": ["picture"], "score_floor": 0.05}


class Noted(Connection):
    """Remembers all that it was."""

    def __init__(self, *given, **settings):
        super().__init__(*given, **settings)
        self.conditions = [self.condition]

    def _become(self, *given):
        super()._become(*given)
        self.conditions.append(self.condition)


class Watched:
    """A context manager: a source under analysis in a thread, with short waits between tries."""

    def __init__(self, folder, kind, settings, every_s=0.2, delays_s=SHORT, **limits):
        self.folder, self.every_s = folder, every_s
        self.recording = folder / "recording"
        backoff = Backoff(delays_s=delays_s)
        self.source = ConnectedSource(
            kind, settings, name="camera", media_id="m", recording=self.recording,
            backoff=backoff, **limits,
        )  # fmt: skip
        self.error = None
        self._thread = threading.Thread(target=self._analyse)

    def _analyse(self):
        planned = self._planned("live")
        try:
            execute(self.source, [planned], media=self.source.media())
        except Exception as error:
            self.error = error

    def _planned(self, name):
        recipe = {"every_s": self.every_s, **Fingerprint().recipe()}
        return PlannedRun(
            name, self.folder / name, recipe, Fingerprint(), Sampling(every_s=self.every_s)
        )

    def __enter__(self):
        with ExitStack() as stack:
            was, live.Connection = live.Connection, Noted
            stack.callback(setattr, live, "Connection", was)
            self._thread.start()
            wait_for(lambda: self.source.connection or self.error, "the connection")
        assert self.error is None, self.error
        self.connection = self.source.connection
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        self.source.stop()
        self._thread.join()

    def join(self):
        self._thread.join(60)
        assert not self._thread.is_alive()

    @property
    def conditions(self):
        return list(self.connection.conditions)

    @property
    def states(self):
        """Each state that it was in, once in a row."""
        states = [one.state for one in self.conditions]
        return [b for a, b in zip([None, *states], states) if a != b]

    @property
    def reasons(self):
        return [one.reason for one in self.conditions if one.reason]

    def until(self, state, reason=""):
        """Wait until it was in a state for such a reason, and give that condition."""

        def found():
            return [
                one
                for one in self.conditions
                if one.state == state and reason in (one.reason or "")
            ]

        return wait_for(found, lambda: f"{state} {reason}, got {self.conditions}")[0]

    def until_frames(self, count):
        wait_for(
            lambda: self.connection.frames >= count,
            lambda: f"{count} frames, got {self.conditions}",
        )

    @property
    def log(self):
        return read_log(self.folder / "live", with_skipped=True)

    def again(self):
        """The log of the recording, where the same samples are passed over."""
        log = self.log
        skipped = [int(t) for t, gated in zip(log.pts_us, log.gated) if gated]
        source = RecordingSource(self.recording, media=self.source.media(), skipped_us=skipped)
        execute(source, [self._planned("again")], media=self.source.media())
        return read_log(self.folder / "again", with_skipped=True)

    def assert_recorded(self, least=1):
        """The recording gives the same log."""
        assert self.connection.unrecorded is None
        assert len(self.log.pts_us) >= least
        assert_same_log(self.log, self.again())

    def everything_written(self):
        """All that was kept or told, as bytes."""
        texts = [repr(self.conditions).encode(), repr(self.error).encode()]
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return b"".join([*texts, *(path.read_bytes() for path in files)])
