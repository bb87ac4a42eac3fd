"""The clip that comes next is opened and decoded while a worker does another one."""

import os
import shutil
import threading

import numpy as np
import pytest

import lab
from lab.frame import Frame
from lab.jobs.batch.feeder import Feeder
from lab.jobs.job import Job
from lab.jobs.queue.queued_job import QueuedJob, Stamp
from lab.jobs.worker import _Worker
from lab.runs.begun import BegunClip
from lab.runs.pipeline import _room_for
from lab.runs.run import Run
from lab.store.store import Store
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource
from tests.builders import assert_same_log
from tests.jobs.clips import copy_with

EVERY_S = 0.5


def job_of(clip, store, job_id="1", **more):
    analyses = [{"name": "light", "detector": {"name": "visual"}, "interval_s": EVERY_S}]
    return {"kind": "analyze", "job_id": job_id, "path": str(clip), "store": str(store),
            "analyses": analyses, "reuse": True, **more}  # fmt: skip


def analyse(worker, job):
    said = []
    result = worker.analyze(job, lambda **told: said.append(told))
    return result, [told for told in said if "decoded" in told]


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that are opened from here on."""
    names = []
    init = FileSource.__init__

    def noted(self, path):
        names.append(os.path.basename(path))
        init(self, path)

    monkeypatch.setattr(FileSource, "__init__", noted)
    return names


def test_what_was_begun_gives_the_same_log_and_is_opened_once(samples, tmp_path, opened):
    clip = samples / "nothing.mp4"
    worker = _Worker(trust=True)
    job = job_of(clip, tmp_path / "s")
    worker.upcoming.expect(job)
    result, decoded = analyse(worker, job)
    assert opened == ["nothing.mp4"]
    assert len(decoded) == 1
    alone = lab.analyze(clip, detector="visual", every_s=EVERY_S, store=tmp_path / "alone")
    run = Run(Store(tmp_path / "s"), result["run_id"])
    assert_same_log(run.log, alone.log)
    assert run.recipe == alone.recipe
    again = job_of(clip, tmp_path / "s", "2")
    worker.upcoming.expect(again)
    assert analyse(worker, again)[0]["was_there"]
    assert not [t for t in threading.enumerate() if t.name == "decode"]


def test_it_is_not_taken_where_another_file_lies_there_now(samples, tmp_path):
    clip, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    copy_with(samples / "nothing.mp4", clip, 1)
    copy_with(samples / "nothing.mp4", other, 2)
    before = clip.stat()
    worker = _Worker(trust=True)
    job = job_of(clip, tmp_path / "s")
    worker.upcoming.expect(job)
    worker.upcoming._opening.join()
    other.replace(clip)
    os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same size and time
    result, _ = analyse(worker, job)
    run = Run(Store(tmp_path / "s"), result["run_id"])
    assert run.media["media_id"] == BegunClip(clip).media().media_id
    assert BegunClip(clip).is_current


def test_a_damaged_one_fails_by_itself_with_the_same_words(samples, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes((samples / "nothing.mp4").read_bytes()[:200])
    said = []
    for is_expected in (True, False):
        worker, job = _Worker(trust=True), job_of(bad, tmp_path / "s")
        if is_expected:
            worker.upcoming.expect(job)
        with pytest.raises(lab.SourceError) as error:
            analyse(worker, job)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_one_that_is_cancelled_or_not_the_next_is_dropped(samples, tmp_path):
    clips = [tmp_path / f"{i}.mp4" for i in range(3)]
    for clip in clips:
        shutil.copy(samples / "cat_comes_and_goes.mp4", clip)
    worker = _Worker(trust=True)
    jobs = [job_of(clip, tmp_path / "s", clip.stem) for clip in clips]
    worker.upcoming.expect(jobs[0])
    worker.upcoming.forget("0")
    assert worker.upcoming.take(jobs[0]) is None
    worker.upcoming.expect(jobs[1])
    worker.upcoming.expect(jobs[2])
    assert worker.upcoming.take(jobs[1]) is None
    with worker.upcoming.take(jobs[2]) as taken:
        assert taken.name == "2.mp4"
        # Decoded for other samplings than were wanted in the end.
        wanted = [Sampling(every_s=1.0)]
        times = [sample.frame.pts_us for sample in taken.samples(wanted)]
        assert times == [s.frame.pts_us for s in FileSource(clips[2]).samples(wanted)]
        assert taken.decoded.done()
    for thread in threading.enumerate():
        if thread.name in ("decode", "dropped clip"):
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("size_px", "frames"), [((3840, 2160), 8), ((1920, 1080), 16), ((640, 360), 32)]
)
def test_as_many_pictures_wait_as_fit_in_memory(size_px, frames):
    picture = np.broadcast_to(np.uint8(0), (*size_px[::-1], 3))
    assert _room_for(Frame(picture, 0, 0, 0.0)) == frames
    assert _room_for(Frame(None, 0, 0, 0.0, "damaged")) == 32


class Engine:
    """Jobs that end when the test says so."""

    def __init__(self):
        self.jobs = []
        self.came = threading.Semaphore(0)

    def submit(self, kind, title, **payload):
        self.jobs.append(Job(kind, title, payload))
        self.jobs[-1].begin()
        self.came.release()
        return self.jobs[-1]


def queued(job_id, tries=0):
    return QueuedJob(job_id, "w", f"{job_id}.mp4", "running", 0, tries, 1, 0.0, None, Stamp(), (),
                     False, None, None, None, None)  # fmt: skip


def fed(feeder, one, at):
    """Has a feeder do one clip, in a thread; `at` notes when it has begun and ended."""

    def do():
        with feeder.turn():
            at.append(("begun", one.job_id))
            feeder.queued = one
            feeder.submit("analyze", one.path)
            feeder.queued = None
        at.append(("ended", one.job_id))

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def test_the_next_one_is_begun_when_one_is_decoded_and_no_third(samples):
    engine, at = Engine(), []
    one, two = Feeder.pair(engine)
    first = fed(one, queued(1), at)
    assert engine.came.acquire(timeout=20)
    second = fed(two, queued(2), at)
    assert not engine.came.acquire(timeout=0.05)
    assert at == [("begun", 1)]
    engine.jobs[0].decoded.set()
    assert engine.came.acquire(timeout=20)
    assert at == [("begun", 1), ("begun", 2)]
    engine.jobs[0].end("done")
    first.join(20)
    third = fed(one, queued(3), at)
    assert not engine.came.acquire(timeout=0.05)
    engine.jobs[1].end("failed", "its worker died")
    assert engine.came.acquire(timeout=20)
    engine.jobs[2].end("done")
    for thread in (second, third):
        thread.join(20)
    assert {one for what, one in at if what == "ended"} == {1, 2, 3}


def test_one_that_is_tried_again_has_the_engine_to_itself(samples):
    engine, at = Engine(), []
    one, two = Feeder.pair(engine)
    fed(one, queued(1), at)
    assert engine.came.acquire(timeout=20)
    engine.jobs[0].decoded.set()
    fed(two, queued(2, tries=1), at)
    assert not engine.came.acquire(timeout=0.05)
    engine.jobs[0].end("done")
    assert engine.came.acquire(timeout=20)
    engine.jobs[1].decoded.set()
    third = fed(one, queued(3), at)
    assert not engine.came.acquire(timeout=0.05)
    engine.jobs[1].end("done")
    assert engine.came.acquire(timeout=20)
    engine.jobs[2].end("done")
    third.join(20)
