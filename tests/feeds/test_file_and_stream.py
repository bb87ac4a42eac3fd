"""A clip as a file and the same clip as a camera's stream: the same sightings."""

import numpy as np
import pytest

import lab
from lab.feeds.feed import Feed
from lab.feeds.session import sighting_id
from lab.feeds.watcher import Watcher
from lab.rules.rule import Debounce, Rule
from lab.runs.execute import PlannedRun, execute
from lab.runs.make_detector import make_detector
from lab.runs.run import Run
from lab.score_log.score_log import read_log
from lab.store.store import Store
from lab.video.sampling import Sampling
from lab.video.sources.recording import RecordingSource
from tests.builders import assert_same_log
from tests.peers.programs import rtsp_server, wait_for

EVERY_S = 1.0
CLIP_S = 139.4
RULE = Rule.coerce(Debounce(enter_threshold=0.3, enter_frames=2, exit_frames=3, cooldown_s=0))


def boundaries_s(sightings):
    return np.array([(one.onset_us / 1e6, one.offset_us / 1e6) for one in sightings])


@pytest.mark.long
def test_six_visits_are_the_same_six_sightings_from_a_file_and_over_rtsp(clips, models, tmp_path):
    """Played at its own pace, for that is what is claimed: it takes as long as the clip."""
    clip = clips / "one-by-one-person-detection.mp4"
    settings = {
        "weights": str(models / "yolo26n.pt"),
        "labels": ["person"],
        "image_size": 320,
    }
    file = lab.analyze(
        clip, detector="yolo", every_s=EVERY_S, store=tmp_path / "file", progress=False, **settings
    )
    of_file = file.find(RULE)
    assert len(of_file) == 6
    store, told = Store(tmp_path / "live"), []
    with rtsp_server() as server:
        server.do(f"clip {clip.resolve()}")
        feed = Feed(
            feed_id="table",
            source={"type": "stream", "url": f"{server.url}/clip"},
            detector="yolo",
            detector_settings=settings,
            every_s=EVERY_S,
            rule=RULE,
        )
        with Watcher([feed], {}, store, tell=told.append) as watcher:
            wait_for(
                lambda: [event.kind for event in told].count("closed") == 6,
                lambda: f"six visits, got {told} {watcher.status()['feeds']}",
                timeout_s=CLIP_S + 60,
            )
    (row,) = store.runs()
    run = Run(store, row["run_id"])
    of_stream = run.find(RULE)
    assert [one.label for one in of_stream] == [one.label for one in of_file]
    assert np.abs(boundaries_s(of_stream) - boundaries_s(of_file)).max() <= EVERY_S
    # What was stored and told at the time is what the log gives again.
    stored = [(s["onset_us"], s["offset_us"], s["alert_us"]) for s in store.sightings()]
    assert sorted(stored) == [(s.onset_us, s.offset_us, s.alert_us) for s in of_stream]
    replayed = {sighting_id(run.run_id, RULE, one) for one in of_stream if one.alert_us is not None}
    alerted = [event.sighting_id for event in told if event.kind == "alerted"]
    assert len(alerted) == 6
    assert set(alerted) == replayed
    # The packets that were kept, analysed again, give the same log.
    live = read_log(store.log_folder(row["run_id"]), with_skipped=True)
    skipped = [int(t) for t, gated in zip(live.pts_us, live.gated, strict=True) if gated]
    recording = RecordingSource(told[0].recording, skipped_us=skipped)
    again = PlannedRun(
        row["run_id"],
        tmp_path / "again",
        row["recipe"],
        make_detector("yolo", **settings),
        Sampling(every_s=EVERY_S),
    )
    execute(recording, [again], media=recording.media())
    assert_same_log(live, read_log(tmp_path / "again", with_skipped=True))
