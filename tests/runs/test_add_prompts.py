"""Prompts added to a finished run: only what is new is computed, and nothing else moves."""

import json

import numpy as np
import pytest

import lab
from lab.app.cli.doctor import check_health
from lab.app.cli.main import main
from lab.detection import Detections
from lab.detectors.make import detector_settings, make_detector
from lab.errors import DetectorError, SettingError
from lab.runs.add_prompts import discard_unfinished
from lab.store.store import Store

EVERY_S = 1.0


@pytest.fixture(scope="module")
def world(models, tmp_path_factory):
    """Settings of `lab.analyze` for YOLO-World, its graphs exported once."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LAB_MODELS", str(tmp_path_factory.mktemp("models")))
    yield {
        "detector": "yolo-world",
        "weights": str(models / "yolov8s-world.pt"),
        "embeddings": str(models / "vocab_clip_vitb32.npz"),
        "image_size": 320,
        "every_s": EVERY_S,
        "progress": False,
    }
    patch.undo()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def run(world, store, samples):
    return lab.analyze(samples / "cat_then_person.mp4", labels=["cat"], store=store, **world)


class Watched:
    """A detector that notes which moments it was shown, and fails on some."""

    def __init__(self, run, prompts, fails=lambda pts_us: False):
        settings = detector_settings(run.recipe, run.environment) | {"labels": prompts}
        self._inner, self._fails, self.shown_us = (
            make_detector(store=run.store, **settings),
            fails,
            [],
        )

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def detect(self, frames):
        self.shown_us += [frame.pts_us for frame in frames]
        found = self._inner.detect(frames)
        return [
            Detections.failed("made to fail") if self._fails(f.pts_us) else d
            for f, d in zip(frames, found)
        ]


@pytest.mark.long
def test_the_run_is_what_it_would_be_with_all_prompts_from_the_start(run, world, store, samples):
    before = run.log
    after = lab.add_prompts(store, run.run_id, ["dog", "person"], progress=False)
    assert after.labels == ("cat", "dog", "person")
    keep = after.log.label == 0
    for name in ("confidence", "box_xyxy_px", "sample"):
        assert np.array_equal(getattr(after.log, name)[keep], getattr(before, name))
    whole = lab.analyze(
        samples / "cat_then_person.mp4", labels=["cat", "dog", "person"], store=store, **world
    )
    assert (after.recipe, after.recipe_hash) == (whole.recipe, whole.recipe_hash)
    for label in whole.labels:
        assert np.array_equal(after.log.scores(label), whole.log.scores(label))
    assert after.sightings().equals(whole.sightings())
    assert after.effort("dog") == whole.effort("dog")
    assert check_health(store) == []


@pytest.mark.long
def test_the_nearest_stretch_is_looked_at_first(run, store):
    looker = Watched(run, ["dog"])
    lab.add_prompts(store, run.run_id, ["dog"], from_s=8.0, detector=looker, progress=False)
    assert sorted(looker.shown_us) == run.log.pts_us.tolist()
    assert abs(looker.shown_us[0] - 8_000_000) <= abs(looker.shown_us[-1] - 8_000_000)
    assert looker.shown_us != sorted(looker.shown_us)


@pytest.mark.long
def test_a_cancelled_pass_shows_what_it_saw_and_goes_on_where_it_stopped(run, store):
    first = Watched(run, ["dog"])
    half = lab.add_prompts(
        store,
        run.run_id,
        ["dog"],
        detector=first,
        progress=False,
        cancelled=lambda: len(first.shown_us) >= 4,
    )
    assert half.log.adding == ("dog",)
    assert half.recipe["labels"] == ["cat"]
    assert half.labels == ("cat", "dog")
    assert half.effort("dog").ok == 4
    assert half.effort("cat") == run.effort("cat")
    assert len(half.log.scores("dog")) == 4
    assert {row["state"] for row in half.explain("dog").to_dict("records")} >= {"failed"}
    second = Watched(run, ["dog"])
    whole = lab.add_prompts(store, run.run_id, ["dog"], detector=second, progress=False)
    assert not set(first.shown_us) & set(second.shown_us)
    assert whole.log.adding == ()
    assert whole.effort("dog").ok == len(run.log.pts_us)


@pytest.mark.long
def test_commands_say_what_was_not_looked_for_everywhere(run, store, capsys):
    looker = Watched(run, ["dog"])
    lab.add_prompts(
        store,
        run.run_id,
        ["dog"],
        detector=looker,
        progress=False,
        cancelled=lambda: bool(looker.shown_us),
    )
    assert main(["sightings", run.run_id, "--store", str(store.folder)]) == 0
    note = capsys.readouterr().err
    assert f"not run on every sample yet: dog; continue with: lab prompts {run.run_id} dog" in note
    assert main(["analyze", "--resume", run.run_id, "--store", str(store.folder)]) == 2
    assert "ask for these prompts again" in capsys.readouterr().err
    assert main(["prompts", run.run_id, "person", "--json", "--store", str(store.folder)]) == 0
    done = capsys.readouterr()
    assert json.loads(done.out)["unfinished"] == ["dog"]
    assert "not run on every sample yet: dog" in done.err


@pytest.mark.parametrize("from_s", [float("nan"), float("inf"), -5, "soon"])
def test_a_moment_that_is_none_is_refused_and_leaves_nothing(run, store, from_s):
    with pytest.raises(SettingError, match="from_s must be seconds"):
        lab.add_prompts(store, run.run_id, ["dog"], from_s=from_s, progress=False)
    assert lab.open_store(store.folder).run(run.run_id).labels == ("cat",)


def test_a_stopped_prompt_can_be_forgotten(run, store):
    looker = Watched(run, ["dog"])
    lab.add_prompts(
        store,
        run.run_id,
        ["dog"],
        detector=looker,
        progress=False,
        cancelled=lambda: bool(looker.shown_us),
    )
    assert discard_unfinished(store, run.run_id) == ["dog"]
    again = lab.open_store(store.folder).run(run.run_id)
    assert again.labels == ("cat",)
    assert np.array_equal(again.log.scores("cat"), run.log.scores("cat"))


@pytest.mark.long
def test_samples_that_failed_for_the_new_label_alone_move_no_streak_of_it(run, store):
    failing = [3_000_000, 4_000_000]
    looker = Watched(run, ["dog"], lambda pts_us: pts_us in failing)
    after = lab.add_prompts(store, run.run_id, ["dog"], detector=looker, progress=False)
    assert after.effort("dog").failed == 2
    assert after.effort("cat").failed == after.effort().failed == 0
    scores = after.scores()
    assert scores[scores["pts_s"].isin([3.0, 4.0])]["dog"].isna().all()
    assert scores["cat"].notna().all()
    assert set(failing).isdisjoint(after.log.pts_of("dog").tolist())


def test_a_detector_that_fails_on_everything_leaves_the_run_as_it_was(run, store):
    with pytest.raises(DetectorError, match="failed on all 12 samples: made to fail"):
        lab.add_prompts(
            store,
            run.run_id,
            ["dog"],
            detector=Watched(run, ["dog"], lambda t: True),
            progress=False,
        )
    again = lab.open_store(store.folder).run(run.run_id)
    assert again.labels == ("cat",)
    assert again.log.adding == ()


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        (["cat"], "already has the prompt 'cat'"),
        ([], "no prompt given"),
        (["dog", "dog"], "given twice"),
        (["  "], "is empty"),
    ],
)
def test_prompts_that_cannot_be_added(run, store, prompts, words):
    with pytest.raises(SettingError, match=words):
        lab.add_prompts(store, run.run_id, prompts, progress=False)


def test_a_joint_run_takes_no_more_prompts(world, store, samples):
    run = lab.analyze(
        samples / "nothing.mp4", labels=["cat", "dog"], prompt_mode="joint", store=store, **world
    )
    with pytest.raises(SettingError, match="joint, in which prompts influence each other"):
        lab.add_prompts(store, run.run_id, ["person"], progress=False)


def test_a_detector_without_prompts_takes_none(quick_run):
    with pytest.raises(SettingError, match="'yolo', which takes no prompts"):
        lab.add_prompts(quick_run.store, quick_run.run_id, ["dog"], progress=False)


@pytest.mark.long
def test_a_bundle_carries_the_added_labels(run, store, tmp_path):
    from lab.experiments.bundle import bundle_of
    from lab.experiments.entry import Experiment
    from lab.experiments.reproduce import reproduce

    after = lab.add_prompts(store, run.run_id, ["person"], progress=False)
    (row,) = store.entries()
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle_of(Experiment(store, row)))
    found = reproduce(path, share=0.0)
    assert found["sightings"]["identical"]
    assert found["sightings"]["count"] == len(after.find())


@pytest.mark.long
def test_a_stopped_prompt_and_a_new_one_are_both_looked_for(run, store):
    looker = Watched(run, ["dog", "person"])
    lab.add_prompts(
        store,
        run.run_id,
        ["dog", "person"],
        detector=looker,
        progress=False,
        cancelled=lambda: bool(looker.shown_us),
    )
    after = lab.add_prompts(
        lab.open_store(store.folder), run.run_id, ["dog", "car"], progress=False
    )
    assert after.labels == ("car", "cat", "dog", "person")
    assert after.effort("car").ok == after.effort("dog").ok == len(run.log.pts_us)


@pytest.mark.long
def test_the_order_of_prompts_is_no_other_recipe(world, store, samples, run):
    both = [lab.analyze(samples / "nothing.mp4", labels=labels, store=store, **world).recipe_hash
            for labels in (["cat", "dog"], ["dog", "cat"])]  # fmt: skip
    assert both[0] == both[1]
