"""Which frames each analysis of a pass is given, compared with the definition by brute force."""

from collections import Counter
from fractions import Fraction
from itertools import count, pairwise
from math import floor

import av
import numpy as np
import pytest

import lab
import lab.video.sources.file
from lab.errors import DetectorError, SettingError
from lab.runs.analyze import Analysis, analyze_all
from lab.video.sampling import Sampling
from tests.builders import assert_same_log, make_detections

SOURCE = "testsrc2=size=160x120:rate=30:duration=4"
X264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30", "-bf", "3")
CLIPS = {
    "constant.mp4": X264,
    "variable.mp4": (
        *X264,
        "-vf",
        "select='not(mod(n\\,7))+lt(mod(n\\,50)\\,10)'",
        "-vsync",
        "vfr",
    ),
    "late.mkv": (*X264, "-output_ts_offset", "5.5"),
    "reordered.avi": X264,
    "bare.h264": X264,
}
LINEAR = ("reordered.avi", "bare.h264")  # no usable times: decoded in line
# interval_s, frame_count, frame_step, and whether the detector takes windows.
RHYTHMS = [
    (0.2, 1, 1, False),
    (0, 1, 1, False),
    (0.5, 4, 1, False),
    (0.1, 5, 1, False),
    (0.3, 3, 4, True),
    (0, 2, 7, True),
    (1.0, 1, 3, True),
    (1.7, 8, 5, False),
]


class Recorder:
    """Notes the frames of every call; its score of a frame tells the frame's index."""

    default_score_floor, default_threshold, batch_size = 0.01, 0.4, 3
    labels = ("x",)

    def __init__(self, name="recorder", takes_windows=False):
        self.name, self.takes_windows = name, takes_windows
        self.calls = []

    def detect(self, frames):
        self.calls.append([frame.index for frame in frames])
        seen = frames[-1:] if self.takes_windows else frames
        return [
            make_detections(("x", 0.1 + f.index / 1000, (f.index, 0, f.index + 1, 5))) for f in seen
        ]

    def recipe(self):
        return {"detector": self.name, "labels": ["x"], "score_floor": 0.01}

    def close(self):
        pass


class Painter(Recorder):
    def detect(self, frames):
        for frame in frames:
            frame.image_bgr[:] = 0
        return super().detect(frames)


def test_what_a_detector_paints_on_a_picture_is_not_seen_by_another(samples, tmp_path):
    def brightness(*others):
        one = Analysis(
            name="light", detector="visual", settings={"labels": ["brightness"]}, interval_s=1.0
        )
        runs = analyze_all(samples / "nothing.mp4", [*others, one], store=tmp_path, progress=False)
        return runs[-1].log.scores("brightness")

    alone = brightness()
    painter = Analysis(name="painter", detector=Painter(), interval_s=1.0)
    windows = Analysis(
        name="windows",
        detector=Painter("windows", takes_windows=True),
        interval_s=1.0,
        frame_count=3,
    )
    assert (brightness(painter, windows) == alone).all()
    assert alone.max() > 0.1


class Broken(Recorder):
    def detect(self, frames):
        raise RuntimeError("the model is broken")


@pytest.fixture(params=CLIPS)
def clip(request, encode):
    return encode(f"rhythm_{request.param}", *CLIPS[request.param], source=SOURCE)


def frame_times(path):
    """Ticks of every presented frame, and the time base: from the packets, or by counting."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = [packet.pts for packet in container.demux(stream) if packet.size]
        if path.name.endswith(".h264"):
            step = int(1 / (stream.average_rate * stream.time_base))
            ticks = [i * step for i in range(len(ticks))]
        return sorted(ticks), stream.time_base


def windows_by_hand(ticks, time_base, interval_s, frame_count, frame_step):
    """The definition, point by point: each takes the first frame that counts at or after it."""
    counting = [i for i in range(len(ticks)) if i % frame_step == 0]
    times = {i: (ticks[i] - ticks[0]) * time_base for i in counting}
    if interval_s == 0:
        chosen = counting
    else:
        steps = sorted(b - a for a, b in pairwise(ticks))
        half_a_frame = steps[len(steps) // 2] * time_base / 2
        early = min(max(Fraction(1, 1000), time_base), half_a_frame)
        point, points = Fraction(0), []
        while point - early <= times[counting[-1]]:
            points.append(point)
            point += Fraction(str(interval_s))
        chosen = sorted({next(i for i in counting if times[i] >= p - early) for p in points})
    places = [counting.index(i) for i in chosen]
    return [counting[p + 1 - frame_count : p + 1] for p in places if p + 1 >= frame_count]


def analyses(recorders):
    return [
        Analysis(
            detector=recorder,
            name=recorder.name,
            interval_s=interval_s,
            frame_count=n,
            frame_step=step,
        )
        for recorder, (interval_s, n, step, _) in zip(recorders, RHYTHMS, strict=True)
    ]


def recorders():
    return [Recorder(f"number {i}", takes_windows) for i, (*_, takes_windows) in enumerate(RHYTHMS)]


@pytest.fixture
def decoded(monkeypatch):
    """How often each frame was made a picture, beside the first one for the facts of the clip."""
    times, real = Counter({0: -1}), lab.video.decoder.picture

    def spy(frame, index, pts_us):
        times[index] += 1
        return real(frame, index, pts_us)

    monkeypatch.setattr("lab.video.decoder.picture", spy)
    monkeypatch.setattr("lab.video.sources.file.picture", spy)
    return times


def test_every_analysis_is_given_the_frames_of_its_rhythm_and_each_is_decoded_once(
    clip, decoded, tmp_path
):
    ticks, time_base = frame_times(clip)
    assert len(ticks) > 30
    made = recorders()
    runs = analyze_all(clip, analyses(made), store=tmp_path, progress=False)
    needed = set()
    for recorder, run, (interval_s, n, step, takes_windows) in zip(
        made, runs, RHYTHMS, strict=True
    ):
        windows = windows_by_hand(ticks, time_base, interval_s, n, step)
        frames = sorted({i for window in windows for i in window})
        needed |= set(frames)
        if takes_windows:
            assert recorder.calls == windows
            frames = [window[-1] for window in windows]
        else:
            assert [i for call in recorder.calls for i in call] == frames
        assert run.log.frame_index.tolist() == frames
        assert run.log.pts_us.tolist() == [
            floor(ticks[i] * time_base * 1_000_000 + Fraction(1, 2)) for i in frames
        ]
        assert np.allclose(run.log.confidence, [0.1 + i / 1000 for i in frames])
        assert run.state == "done"
    assert set(decoded.values()) == {1}
    assert set(decoded) >= needed
    assert (lab.video.sources.file.FileSource(clip).index.linear is not None) == clip.name.endswith(
        LINEAR
    )


@pytest.mark.parametrize("name", ["constant.mp4", "variable.mp4"])
def test_only_the_frames_that_an_analysis_needs_are_decoded(encode, decoded, tmp_path, name):
    clip = encode(f"rhythm_{name}", *CLIPS[name], source=SOURCE)
    ticks, time_base = frame_times(clip)
    chosen = [(1.0, 2, 3), (0.7, 1, 1)]
    wanted = {i for r in chosen for window in windows_by_hand(ticks, time_base, *r) for i in window}
    several = [
        Analysis(
            detector=Recorder(), name=f"{r}", interval_s=r[0], frame_count=r[1], frame_step=r[2]
        )
        for r in chosen
    ]
    analyze_all(clip, several, store=tmp_path, progress=False)
    assert decoded == dict.fromkeys(wanted, 1)


def test_runs_of_one_pass_know_each_other_and_keep_their_rhythm(encode, tmp_path):
    clip = encode("rhythm_constant.mp4", *CLIPS["constant.mp4"], source=SOURCE)
    made = recorders()
    runs = analyze_all(clip, analyses(made), store=tmp_path, progress=False)
    assert [run.analysis for run in runs] == [recorder.name for recorder in made]
    assert len({run.pass_id for run in runs}) == 1
    assert len({run.recipe_hash for run in runs}) == len(runs)
    for run, (interval_s, n, step, _) in zip(runs, RHYTHMS, strict=True):
        kept = run.recipe
        assert (kept["every_s"], kept.get("frame_count", 1), kept.get("frame_step", 1)) == (
            interval_s,
            n,
            step,
        )
    alone = lab.analyze(
        clip, detector=Recorder("number 0"), every_s=0.2, store=tmp_path, progress=False
    )
    assert alone.pass_id is None
    assert alone.recipe_hash == runs[0].recipe_hash
    assert_same_log(alone.log, runs[0].log)


def test_a_detector_that_raises_on_everything_fails_alone(encode, tmp_path):
    clip = encode("rhythm_constant.mp4", *CLIPS["constant.mp4"], source=SOURCE)
    several = [
        Analysis(detector=d, name=d.name)
        for d in (Recorder("one"), Broken("broken"), Recorder("two"))
    ]
    one, broken, two = analyze_all(clip, several, store=tmp_path, progress=False)
    assert [run.state for run in (one, broken, two)] == ["done", "failed", "done"]
    assert broken.error == (
        f"the detector failed on all {len(one.log.pts_us)} samples: detector: the model is broken"
    )
    assert (one.log.ok.all(), broken.log.ok.any()) == (True, False)
    assert one.effort().failed == 0
    with pytest.raises(DetectorError, match="the model is broken"):
        analyze_all(clip, several[1:2], store=tmp_path, progress=False)


def test_names_of_analyses_are_unique(encode, tmp_path):
    clip = encode("rhythm_constant.mp4", *CLIPS["constant.mp4"], source=SOURCE)
    for names, words in (
        (("a", "a"), "two analyses are named 'a'"),
        ((None, None), "two analyses"),
        (("a", " "), "1 to 100"),
    ):
        several = [Analysis(detector=Recorder(), name=name) for name in names]
        with pytest.raises(SettingError, match=words):
            analyze_all(clip, several, store=tmp_path, progress=False)
    with pytest.raises(SettingError, match="no analysis given"):
        analyze_all(clip, [], store=tmp_path, progress=False)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("variable.mp4", 17),
        pytest.param("constant.mp4", 1, marks=pytest.mark.long),
        pytest.param("bare.h264", 60, marks=pytest.mark.long),
    ],
)
def test_a_run_of_a_cancelled_pass_is_resumed_to_an_unbroken_log(encode, tmp_path, name, stop):
    clip = encode(f"rhythm_{name}", *CLIPS[name], source=SOURCE)
    unbroken = analyze_all(clip, analyses(recorders()), store=tmp_path / "whole", progress=False)
    shown = count()
    broken = analyze_all(
        clip,
        analyses(recorders()),
        store=tmp_path / "broken",
        progress=False,
        cancelled=lambda: next(shown) >= stop,
    )
    for whole, part, recorder in zip(unbroken, broken, recorders(), strict=True):
        assert part.state == "cancelled"
        assert len(part.log.pts_us) < len(whole.log.pts_us)
        again = lab.resume(part.store, part.run_id, detector=recorder, progress=False)
        assert again.state == "done"
        assert_same_log(again.log, whole.log)
        assert again.effort() == whole.effort()
        earlier = set(part.log.frame_index.tolist())
        assert all(call[-1] not in earlier for call in recorder.calls)


@pytest.mark.parametrize(
    ("name", "sampling"),
    [
        ("variable.mp4", {}),
        ("late.mkv", {"frame_step": 2}),
        ("reordered.avi", {"frame_count": 3, "interval_s": 0.5}),
    ],
)
def test_a_detector_with_a_memory_is_resumed_to_an_unbroken_log(encode, tmp_path, name, sampling):
    clip = encode(f"rhythm_{name}", *CLIPS[name], source=SOURCE)
    motion = Analysis(
        detector="motion", settings={"warm_up_samples": 2, "least_region_fraction": 0}, **sampling
    )
    beside = Analysis(detector=Recorder(), interval_s=0)
    (whole,) = analyze_all(clip, [motion], store=tmp_path / "whole", progress=False)
    shown = count()
    part, _ = analyze_all(
        clip,
        [motion, beside],
        store=tmp_path / "broken",
        progress=False,
        cancelled=lambda: next(shown) >= 25,
    )
    assert 2 < len(part.log.pts_us) < len(whole.log.pts_us)
    again = lab.resume(part.store, part.run_id, progress=False)
    assert len(whole.log.confidence) > 0
    assert_same_log(again.log, whole.log)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every_s": -1}, "every_s must be 0 or more"),
        ({"every_s": float("nan")}, "every_s must be a number"),
        ({"every_s": 100_000}, "at most a day"),
        ({"frame_count": 0}, "frame_count must be a whole number from 1 to 1000"),
        ({"frame_count": 2.0}, "frame_count must be a whole number"),
        ({"frame_step": True}, "frame_step must be a whole number"),
        ({"frame_step": 1001}, "frame_step must be a whole number"),
    ],
)
def test_rhythms_that_cannot_be_meant_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        Sampling(**settings)
