"""The clock of an RTSP camera is in the log, and in the log that is derived from the packets."""

import numpy as np
import pytest

from lab.feeds.feed import Feed
from lab.feeds.watcher import Watcher
from lab.runs.execute import PlannedRun, execute
from lab.runs.make_detector import make_detector
from lab.score_log.parts import part_files
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import Store
from lab.video.sampling import Sampling
from lab.video.sources.recording import RecordingSource
from tests.builders import make_detections
from tests.peers.programs import rtsp_server, wait_for

BALL = "made ball videotestsrc is-live=true pattern=ball ! video/x-raw,framerate=10/1"


@pytest.mark.long
def test_the_clock_of_a_camera_is_in_the_log_and_derived_again(tmp_path):
    store = Store(tmp_path / "store")
    with rtsp_server() as server:
        server.do(BALL)
        feed = Feed(
            feed_id="ball",
            source={"type": "stream", "url": f"{server.url}/ball"},
            detector="visual",
            detector_settings={"labels": ["brightness"]},
            every_s=0.5,
        )

        def known():
            runs = store.runs()
            log = read_log(store.log_folder(runs[0]["run_id"])) if runs else None
            clock = None if log is None else log.camera_time
            return clock is not None and (~np.isnan(clock)).sum() > 3

        with Watcher([feed], {}, store):
            wait_for(known, "the camera's clock")
    (row,) = store.runs()
    live = read_log(store.log_folder(row["run_id"]))
    skipped = [int(t) for t, gated in zip(live.pts_us, live.gated, strict=True) if gated]
    recording = RecordingSource(store.media(row["media_id"])["path"], skipped_us=skipped)
    detector = make_detector("visual", labels=["brightness"])
    folder, sampling = tmp_path / "again", Sampling(every_s=0.5)
    again = PlannedRun(row["run_id"], folder, row["recipe"], detector, sampling)
    execute(recording, [again], media=recording.media())
    derived = read_log(folder)
    # The first frames may have come before somebody took them.
    _, mine, theirs = np.intersect1d(live.pts_us, derived.pts_us, return_indices=True)
    assert len(mine) == len(live.pts_us)
    assert np.array_equal(live.camera_time[mine], derived.camera_time[theirs], equal_nan=True)


def test_a_log_of_before_and_one_that_goes_on_are_read(tmp_path):
    import pyarrow.parquet as pq

    about = {"run_id": "r", "labels": ["cat"], "recipe": {}}
    folder = tmp_path / "log"
    with ScoreLogWriter(folder, about) as log:
        log.add_sample(0, 0, make_detections())
        log.flush()
        ((samples, _),) = part_files(folder)
        pq.write_table(pq.read_table(samples).drop_columns(["camera_time"]), samples)
        assert read_log(folder).camera_time is None
        log.add_sample(1, 1_000_000, make_detections(), camera_time=1e9)
        log.flush()
        for _ in ("in parts", "as one"):
            clock = read_log(folder).camera_time
            assert np.array_equal(clock, [np.nan, 1e9], equal_nan=True)
            log.compact()
