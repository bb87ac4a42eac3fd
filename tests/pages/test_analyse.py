"""What to look for decides the detector; the queue says how long it takes and what can be done."""

import shutil
import time

import pytest
import streamlit as st

import lab
from lab.app.server import state as desks
from lab.app.ui.widgets.queue import again, seconds_left
from lab.app.ui.widgets.wanted import as_labels, decide
from lab.jobs.job import Job
from tests.pages.test_pages import show

KNOWN = ["person", "cat", "dog"]


@pytest.mark.parametrize(
    ("words", "known", "detector", "why"),
    [
        ([], KNOWN, "yolo", "Everything that yolo knows (3 labels)"),
        (["Cat"], KNOWN, "yolo", "yolo knows this"),
        (["cat", "DOG"], KNOWN, "yolo", "all of these"),
        (["cat", "sea otter"], KNOWN, "yolo-world", "does not know 'sea otter'"),
        (list("abcde"), KNOWN, "yolo-world", "'a', 'b', 'c' and others"),
        (["cat"], None, "yolo-world", "any words"),
        ([], None, "yolo", "Everything"),
    ],
)
def test_the_words_decide_the_detector(words, known, detector, why):
    found = decide(words, known)
    assert found.detector == detector
    assert why in found.why


def test_labels_are_written_as_the_model_writes_them():
    assert as_labels(["DOG", "cat", "Dog"], KNOWN) == ["dog", "cat"]


def job(state, started=None, ended=None, done=0, total=None, **payload):
    one = Job("analyze", "clip", {"store": "s", "analyses": [{}], **payload})
    one.state, one.started, one.ended, one.done, one.total = state, started, ended, done, total
    return one


def test_the_time_left_is_that_of_the_one_that_runs_and_of_those_that_wait():
    now = time.monotonic()
    running = job("running", started=now - 10, done=50, total=100)
    done = [job("done", 100.0, 104.0), job("done", 200.0, 208.0)]
    assert seconds_left([running, *done]) == pytest.approx(10, rel=0.05)
    assert seconds_left([running, job("queued"), job("queued"), *done]) == pytest.approx(22, 0.05)
    assert seconds_left([running, job("queued")]) == pytest.approx(30, rel=0.05)
    assert seconds_left([job("queued")]) is None
    assert seconds_left([job("running", started=now)]) is None


def test_a_job_that_ended_early_is_resumed_if_it_has_logged_something_and_else_tried_again():
    one = job("cancelled", done=5)
    one.run_id = "20260101-000000-aaaaaa"
    assert again(one) == ("resume", {"run_id": one.run_id, "store": "s"}, "Resume")
    failed = job("failed", path="a.mp4")
    assert again(failed) == ("analyze", failed.payload, "Retry")
    several = job("cancelled", done=5, analyses=[{}, {}])
    several.run_id = one.run_id
    assert again(several)[2] == "Retry"


@pytest.fixture
def page(store, samples):
    st.cache_data.clear()
    lab.open_store(store).store.add_media(lab.probe(samples / "nothing.mp4"))
    return show("analyse")


def press(page, label):
    return next(b for b in page.button if b.label == label).click().run()


def jobs():
    return [j for j in desks.app_state().engine.jobs() if j.kind == "analyze"]


def detector_of(page):
    return next(box for box in page.selectbox if box.label == "Detector")


def test_words_that_the_default_model_knows_are_its_labels_and_the_same_run_is_offered(page):
    page.multiselect[0].set_value(["cat"]).run()
    assert any("yolo knows this" in c.value for c in page.caption)
    page.segmented_control[0].set_value("quick look").run()
    assert any("every 1 s" in c.value for c in page.caption)
    press(page, "Start")
    (first,) = jobs()
    assert first.finished.wait(60)
    assert first.payload["analyses"] == [
        {
            "name": "yolo",
            "detector": {
                "name": "yolo",
                "image_size": 416,
                "runtime": "onnx",
                "labels": ["cat"],
            },
            "interval_s": 1.0,
        }
    ]
    press(page, "Start")
    second = jobs()[0]
    assert second.finished.wait(60)
    assert (second.run_id, second.result["was_there"]) == (first.run_id, True)
    page.run()
    assert any("the same run was there" in m.value for m in page.markdown)
    next(t for t in page.toggle if t.label.startswith("Analyse again")).set_value(True).run()
    press(page, "Start")
    assert jobs()[0].finished.wait(60)
    assert jobs()[0].run_id != first.run_id


def test_words_win_over_a_detector_that_was_remembered(page):
    detector_of(page).set_value("motion").run()
    (media,) = desks.app_state().store.all_media()
    page.session_state["chosen"] = [media["media_id"]]
    page = page.switch_page("pages/library.py").run()
    words = next(m for m in page.multiselect if m.label == "What to look for")
    words.set_value(["cat"]).run()
    page = page.switch_page("pages/analyse.py").run()
    assert detector_of(page).value == "automatic"
    assert any("yolo knows this" in c.value for c in page.caption)


def test_a_detector_that_takes_no_words_says_that_they_are_not_used(page):
    page.multiselect[0].set_value(["cat"]).run()
    detector_of(page).set_value("motion").run()
    assert any("the words above are not used" in i.value for i in page.info)


def test_words_that_nobody_here_can_look_for_say_what_is_missing(page, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    page.multiselect[0].set_value(["sea otter"]).run()
    assert any("does not know 'sea otter'" in c.value for c in page.caption)
    assert any("No weights of yolo-world are here" in e.value for e in page.error)
    assert next(b for b in page.button if b.label == "Start").disabled
    detector_of(page).set_value("yolo").run()
    assert any("do not know 'sea otter'" in e.value for e in page.error)


def test_a_failed_analysis_can_be_tried_again_from_its_row(page, samples, tmp_path):
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    state = desks.app_state()
    failed = state.engine.submit(
        "analyze",
        "clip",
        path=str(tmp_path / "gone.mp4"),
        analyses=[],
        store=str(state.store.folder),
    )
    assert failed.finished.wait(60)
    page.run()
    assert any("1 failed" in m.value for m in page.markdown)
    press(page, "Retry")
    assert len(jobs()) == 2
    assert jobs()[0].finished.wait(60)
    page.run()
    assert any("1 of 1" in m.value for m in page.markdown)  # in place of the first
