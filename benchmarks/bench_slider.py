"""What a move of a slider costs on a run with 80 labels: sightings of a new rule.

    python benchmarks/bench_slider.py

The other side takes every label's scores out of the log anew, as each move had to before the
scores of a label were kept as a series. Times are of the processor, not of the wall.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from lab.detection import Detections
from lab.formats.detections.earlier import Sample
from lab.formats.detections.write_run import write_run
from lab.rules.replay import replay, warm_up
from lab.rules.rule import Debounce
from lab.rules.series import ScoreSeries
from lab.store.store import Store
from lab.video.media import Media

LABELS, SAMPLES, BOXES = 80, 6000, 5


def make_run(folder):
    """Ten minutes at ten samples a second, five boxes each, over 80 labels."""
    dice = np.random.default_rng(5)
    names = [f"label {i:02d}" for i in range(LABELS)]
    samples = []
    for i in range(SAMPLES):
        labels = [names[j] for j in dice.integers(0, LABELS, BOXES)]
        boxes = np.tile(np.array([10, 10, 50, 50], np.float32), (BOXES, 1))
        confidence = dice.uniform(0.1, 0.9, BOXES).astype(np.float32)
        samples.append(Sample(i, i * 100_000, Detections(labels, confidence, boxes)))
    media = Media(
        media_id="0" * 16, path="/nowhere/made.mp4", size_bytes=1, container="mp4", codec="h264",
        width_px=640, height_px=360, rotation_deg=0, frames=SAMPLES, frame_rate=10.0,
        is_variable_rate=False, first_pts_us=0, end_us=SAMPLES * 100_000,
        is_browser_playable=True, warning=None,
    )  # fmt: skip
    recipe = {"detector": "made", "labels": names, "score_floor": 0.05}
    return write_run(Store(folder), media, recipe, samples, every_s=0.1, threshold=0.4)


def anew(run, rule):
    found = []
    for label in run.labels:
        series = ScoreSeries.from_log(run.log, label, recipe=run.recipe, media=run.media)
        found += replay(series, rule)
    return found


def timed(work, moves=25):
    times = []
    for i in range(moves):
        rule = Debounce(enter_threshold=0.2 + i / 100, enter_frames=3, exit_frames=5)
        begun = time.process_time()
        work(rule)
        times.append(time.process_time() - begun)
    return sorted(times)[len(times) // 2] * 1e3


def main():
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder))
        rule = Debounce(enter_threshold=0.3)
        assert run.find(rule) == anew(run, rule)
        kept_ms, anew_ms = timed(run.find), timed(lambda rule: anew(run, rule))
    print(
        f"{LABELS} labels, {SAMPLES} samples: series kept {kept_ms:.1f} ms, "
        f"taken anew {anew_ms:.1f} ms, ratio {kept_ms / anew_ms:.2f}"
    )


if __name__ == "__main__":
    main()
