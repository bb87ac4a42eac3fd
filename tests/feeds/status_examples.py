"""Status files as the process that watches writes them, without such a process."""

import threading
import time

from lab.errors import SettingError
from lab.feeds import status as status_files
from lab.feeds.commands import serve
from lab.feeds.status import watch_lock
from lab.rules.rule import Rule

STATES = ("live", "reconnecting", "frozen", "stopped", "failed", "starting", "ended")
# A JPEG of one pixel.
JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300"
    + "03" * 64
    + "ffc0000b080001000101011100ffc40014000100000000000000000000000000000009"
    "ffc40014100100000000000000000000000000000000ffda0008010100003f0054dfffd9"
)


def feed_row(feed_id, *, now=None, state="live", **changes):
    """The row of a feed that was started an hour ago and has seen two cats and a person."""
    now = time.time() if now is None else now
    rule = Rule()
    is_going = state in ("live", "frozen")
    return {
        "name": feed_id.replace("_", " ").capitalize(),
        "source": f"rtsp://camera.example/{feed_id}",
        "source_type": "stream",
        "state": state,
        "since": now - 3600 if is_going else now - 75,
        "reason": {"reconnecting": "no answer within 10 s", "failed": "no such folder"}.get(state),
        "retry_at": now + 12 if state == "reconnecting" else None,
        "run_id": f"run_{feed_id}",
        "media_id": f"media_{feed_id}",
        "recording": f"/store/feeds/{feed_id}/recording/media_{feed_id}",
        "detector": "yolo",
        "labels": ["cat", "person"],
        "every_s": 2.0,
        "rule": rule.to_dict(),
        "rule_hash": rule.rule_hash,
        "width_px": 1280,
        "height_px": 720,
        "decoded": 90_000,
        "analysed": 1800,
        "skipped": 2,
        "failed": 1,
        "reconnects": 3,
        "lag_s": 0.41,
        "inference_s": 0.06,
        "last_frame_at": now - 1,
        "last_pts_s": 3600.0,
        "day": {"date": "2026-11-22", "sightings": {"cat": 2, "person": 1}, "alerts": 2},
        "present": {"cat": 3590.0} if is_going else {},
        "problem": None,
        "picture": None,
        "picture_at": None,
        "viewer": None,
        "drift": [],
        "control": None,
        "events": [],
        **changes,
    }


def sink_row(kind, **changes):
    return {
        "type": kind,
        "state": "ok",
        "waiting": 0,
        "delivered": 12,
        "failed": 0,
        "dropped": 0,
        "reason": None,
        "last_delivery_at": time.time() - 40,
        **changes,
    }


def status_of(feeds, *, sinks=None, now=None, pid=1, **changes):
    """A whole status file. feeds: rows by id."""
    now = time.time() if now is None else now
    totals = {
        feed_id: {
            "sightings": row["day"]["sightings"],
            "alerts": row["day"]["alerts"],
            "samples": {"ok": 1797, "failed": 1, "skipped": 2, "gated": 0},
        }
        for feed_id, row in feeds.items()
    }
    buckets = [[0.05, 700], [0.1, 1700], [0.25, 1797]]
    return {
        "pid": pid,
        "started": now - 3700,
        "written": now,
        "state": "running",
        "file": None,
        "feeds": feeds,
        "sinks": sinks or {},
        "metrics": {
            "inference": {"yolo": {"count": 1800, "sum_s": 108.5, "buckets": buckets}},
            "totals": totals,
        },
        **changes,
    }


def many(count, *, now=None):
    """Rows of so many feeds, in all states."""
    return {
        f"camera_{i:03d}": feed_row(f"camera_{i:03d}", now=now, state=STATES[i % len(STATES)])
        for i in range(count)
    }


def write_status(store, status, pictures=()):
    """Put the file into a store's folder, and last pictures of some of its feeds."""
    for feed_id in pictures:
        folder = store / "feeds" / feed_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "last.jpg").write_bytes(JPEG)
        status["feeds"][feed_id] |= {
            "picture": str(folder / "last.jpg"),
            "picture_at": status["written"] - 2,
        }
    (store / "feeds").mkdir(parents=True, exist_ok=True)
    status_files.write_status(store, status)


class Watching:
    """Watches the feeds of a store as far as pages can tell; a context manager.

    status: what it writes. taken: the commands that it was asked for. refuses: what it answers, in
    place of doing it.
    """

    def __init__(self, store, status):
        self.store, self.status = store, status
        self.taken, self.refuses = [], None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        (self.store / "feeds").mkdir(parents=True, exist_ok=True)
        self._lock = watch_lock(self.store)
        self._lock.acquire()
        write_status(self.store, self.status)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()
        self._lock.release()

    def _serve(self):
        while not self._stopping.wait(0.02):
            serve(self.store, self._take)
            self.status["written"] = time.time()
            write_status(self.store, self.status)

    def _take(self, command):
        self.taken.append(command)
        if self.refuses:
            raise SettingError(self.refuses)
