"""Clips in an object store that a worker elsewhere analyses: it opens them itself."""

import pytest

import lab
from lab.app.ui.widgets.start_analyses import clip_of
from lab.jobs.batch.work import Work
from lab.runs.run import Run
from lab.store.store import Store
from tests.builders import assert_same_log, ended_jobs
from tests.jobs.remote_app import VISUAL
from tests.jobs.test_remote_queue import worker
from tests.video.test_remote_store import s3  # noqa: F401


@pytest.mark.long
def test_a_clip_in_an_object_store_is_opened_by_the_worker(app, s3, samples, tmp_path):  # noqa: F811
    s3.put(str(samples / "nothing.mp4"), f"{s3.name}/cards/nothing.mp4")
    place = f"s3://{s3.name}/cards/nothing.mp4"
    store = app.here.store
    first = lab.analyze(place, detector="visual", every_s=2, store=Store(store.folder),
                        progress=False)  # fmt: skip
    row = app.here.media(first.media["media_id"])
    app.here.analyses.start([clip_of(app.here, row)], Work([VISUAL]))
    with worker(app.url, app.environment(), tmp_path / "worker"):
        (job,) = ended_jobs(app.here)
    assert (job.state, job.reason) == ("done", None)
    run = Run(store, job.run_ids[0])
    assert run.media["path"] == place
    own = lab.analyze(
        samples / "nothing.mp4", detector="visual", every_s=0.1, store=tmp_path / "own",
        progress=False,
    )  # fmt: skip
    assert_same_log(run.log, own.log)
