"""Runs with a gate: what it holds back is on record, and counts for nothing else."""

import json
import re
from itertools import count

import numpy as np
import pytest

import lab
from lab.detectors.gate import gate_recipe, make_gate
from lab.errors import SettingError
from lab.rules.explain import explain
from lab.rules.rule import Debounce, Rule
from tests.builders import assert_same_log, make_detections

GATE = {"kind": "motion", "hold_s": 0.4, "hold_samples": 2, "warm_up_samples": 4}


class Everywhere:
    """Sees `x` in every picture that it is shown, and notes them."""

    default_score_floor, default_threshold, batch_size, labels = 0.05, 0.4, 4, ("x",)

    def __init__(self):
        self.shown = []

    def detect(self, frames):
        self.shown += [frame.index for frame in frames]
        return [make_detections(("x", 0.9, (0, 0, 9, 9))) for _ in frames]

    def recipe(self):
        return {"detector": "everywhere", "labels": ["x"], "score_floor": 0.05}

    def close(self):
        pass


@pytest.fixture(scope="module")
def clip(encode):
    """12 s of grey in which a square moves from 3 s to 5 s, and from 8 s to 10 s."""
    moving = "between(t,3,5)+between(t,8,10)"
    graph = (
        "color=gray:size=320x240:rate=10:duration=12[b];color=white:size=60x60:rate=10:duration=12[s];"
        f"[b][s]overlay=x='mod(t*90,260)':y=90:enable='{moving}'"
    )
    return encode("gate.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "12", source=graph)


@pytest.fixture(scope="module")
def made(clip, tmp_path_factory):
    """A gated run, and the detector that it showed its frames."""
    detector = Everywhere()
    store = tmp_path_factory.mktemp("gate") / "store"
    return lab.analyze(clip, detector=detector, gate=GATE, store=store, progress=False), detector


def test_frames_that_were_held_back_are_logged_with_the_reason_and_not_shown(made):
    run, detector = made
    log = run.log
    assert len(log.pts_us) == 60
    held = log.gated
    assert 20 < held.sum() < 45
    assert not log.ok[held].any()
    assert log.ok[~held].all()
    assert set(log.reasons) == set(np.flatnonzero(held))
    for reason in log.reasons.values():
        assert re.fullmatch(r"nothing moved: 0\.00[01]\d of the picture, minimum 0\.002", reason)
    assert detector.shown == log.frame_index[~held].tolist()


def test_what_moves_is_shown_from_its_first_sample_and_held_for_a_moment(made):
    log = made[0].log
    times_s, shown = log.pts_us / 1e6, ~log.gated
    for start_s, end_s in ((3, 5), (8, 10)):
        assert shown[(times_s >= start_s + 0.01) & (times_s <= end_s)].all()
        assert not shown[(times_s > start_s - 1) & (times_s < start_s - 0.01)].any()
    assert not shown[(times_s > 6.5) & (times_s < 8)].any()


def test_effort_and_summary_count_held_back_time_by_itself(made):
    run, _ = made
    effort, held = run.effort(), int(run.log.gated.sum())
    assert (effort.samples, effort.gated, effort.failed, effort.ok) == (60, held, 0, 60 - held)
    assert effort.gated_s == pytest.approx(held * 0.2)
    assert effort.analysed_s == pytest.approx((60 - held) * 0.2)
    assert effort.failed_s == 0
    assert run.summary()["gated"] == held
    assert run.store.run(run.run_id)["effort"]["gated"] == held


def test_scores_of_held_back_samples_are_missing(made):
    run, _ = made
    scores = run.scores()
    assert (scores["gated"] == run.log.gated).all()
    assert scores.loc[scores["gated"], "x"].isna().all()
    assert (scores.loc[~scores["gated"], "x"] == np.float32(0.9)).all()
    assert not scores["failed"].any()


def test_held_back_samples_move_no_streak(made):
    run, _ = made
    rule = Rule.coerce(Debounce(enter_threshold=0.5, enter_frames=3, exit_frames=2))
    (whole,) = run.find(rule)
    assert whole.onset_us == run.log.pts_us[0]
    assert whole.close_reason == "end"
    shown = np.flatnonzero(~run.log.gated)
    assert whole.offset_us == run.log.pts_us[shown[-1]]
    rows = explain(run.series("x", rule), Rule.coerce(rule).of("x"))
    assert all(
        (row["state"] == "gated") == held for row, held in zip(rows, run.log.gated, strict=True)
    )


def test_the_recipe_holds_the_gates_settings_and_another_hash(made, clip):
    run, _ = made
    assert run.recipe["gate"] == gate_recipe(make_gate(GATE))
    assert json.loads(json.dumps(run.recipe["gate"])) == run.recipe["gate"]
    plain = lab.analyze(clip, detector=Everywhere(), store=run.store, progress=False)
    default = lab.analyze(
        clip, detector=Everywhere(), gate="motion", store=run.store, progress=False
    )
    assert plain.recipe["gate"] is None
    assert plain.log.ok.all()
    assert default.recipe["gate"]["hold_s"] == 2.0
    assert len({r.recipe_hash for r in (run, plain, default)}) == 3
    assert len({r.protocol_hash for r in (run, plain, default)}) == 3
    again = lab.analyze(
        clip,
        detector=Everywhere(),
        gate=run.recipe["gate"],
        store=run.store,
        progress=False,
        reuse=True,
    )
    assert again.run_id == run.run_id


@pytest.mark.parametrize("stop", [3, 22, 40])
def test_a_gated_run_is_resumed_to_an_unbroken_log(made, clip, tmp_path, stop):
    whole, detector = made
    shown = count()
    part = lab.analyze(
        clip,
        detector=Everywhere(),
        gate=GATE,
        store=tmp_path,
        progress=False,
        cancelled=lambda: next(shown) >= stop,
    )
    assert part.state == "cancelled"
    assert 0 < len(part.log.pts_us) < 60
    again = lab.resume(part.store, part.run_id, detector=(second := Everywhere()), progress=False)
    assert again.state == "done"
    assert_same_log(again.log, whole.log)
    assert again.effort() == whole.effort()
    assert set(second.shown) <= set(detector.shown)


@pytest.mark.long
def test_a_gate_holds_frames_back_from_a_real_detector_on_a_real_clip(samples, tmp_path):
    run = lab.analyze(
        samples / "cat_comes_and_goes.mp4",
        labels=["cat"],
        gate={"kind": "motion", "hold_s": 0.4, "hold_samples": 1},
        store=tmp_path,
        progress=False,
    )
    log = run.log
    assert run.state == "done"
    assert log.gated.sum() + log.ok.sum() == len(log.pts_us)
    assert run.scores().loc[log.gated, "cat"].isna().all()


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("moton", "unknown gate 'moton'; known: motion"),
        ("", "unknown gate ''"),
        ({}, "unknown gate None"),
        ({"hold_s": 1}, "unknown gate None; known: motion"),
        ({"kind": "motion", "hold": 1}, "does not take these settings: .*'hold'"),
        ({"kind": "motion", "hold_s": -1}, "hold_s"),
        ({"kind": "motion", "hold_s": "long"}, "hold_s"),
        ({"kind": "motion", "least_share": 0}, "least_share"),
        ({"kind": "motion", "warm_up_samples": 0}, "warm_up_samples"),
        ({"kind": ["motion"]}, "unknown gate"),
        (3, "gate must be a name, or settings with a kind, got 3; known: motion"),
        (["motion"], "gate must be a name"),
        ({"kind": "motion", "processing_version": 0}, "are for its version 0, this is version"),
    ],
)
def test_gates_that_cannot_be_meant_are_refused_before_anything_is_written(
    clip, tmp_path, gate, words
):
    with pytest.raises(SettingError, match=words):
        lab.analyze(
            clip, detector=Everywhere(), gate=gate, store=tmp_path / "store", progress=False
        )
    assert not (tmp_path / "store").exists()
