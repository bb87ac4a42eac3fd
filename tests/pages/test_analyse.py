"""What to look for decides the detector; the queue says how long it takes and what can be done."""

import contextlib
import shutil
import sqlite3
import time
from dataclasses import replace

import pytest
import streamlit as st

import lab
from lab.app.server import state as desks
from lab.app.ui.widgets.queue_rows import in_words, left_s, names_of, row_of
from lab.app.ui.widgets.wanted import as_labels, decide
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work
from lab.jobs.queue.queued_job import QueuedJob, Stamp
from tests.builders import ended_jobs, make_media
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


def queued(state, **more):
    values = {"job_id": 1, "work_id": "w", "path": "/cards/a.mp4", "state": state, "priority": 0,
              "tries": 0, "claims": 1, "not_before": 0.0, "media_id": None, "stamp": Stamp(),
              "run_ids": (), "was_there": False, "reason": None, "seconds": None, "done": None,
              "total": None}  # fmt: skip
    return QueuedJob(**(values | more))


WHAT = {
    "by": "app",
    "analyses": [{"name": "yolo", "detector": {"labels": ["cat"]}, "interval_s": 0.5}],
}


def test_the_time_left_is_that_of_what_runs_and_of_what_waits():
    assert left_s([10.0], 0, None, 1) == 10
    assert left_s([10.0], 2, 6.0, 1) == 22
    assert left_s([10.0, 4.0], 2, 6.0, 2) == 13
    assert left_s([60.0, 0.0], 1, 6.0, 2) == 60  # the longest one alone
    assert left_s([None], 0, None, 1) is None
    assert left_s([], 1, None, 1) is None
    words = [in_words(one) for one in (20, 130, 4 * 3600)]
    assert words == ["less than 1 min left", "about 2 min left", "about 4 h left"]


def test_a_row_says_state_progress_speed_and_what_can_be_done():
    row = row_of(queued("running", done=50, total=200, rate_hz=10.0), WHAT, "a.mp4", None)
    assert (row["count"], row["share"]) == ("50 of 200", 0.25)
    assert row["speed"] == "10 samples/s · 5 × real time"
    assert (row["left"], row["what"]) == ("15.0 s", "yolo (cat)")
    assert [one["text"] for one in row["acts"]] == ["Cancel"]
    acts = {
        state: [one["text"] for one in row_of(queued(state), WHAT, "a", None)["acts"]]
        for state in ("waiting", "failed", "cancelled", "done")
    }
    assert acts == {"waiting": ["↑", "↓", "Cancel"], "failed": ["Retry"], "cancelled": ["Resume"],
                    "done": []}  # fmt: skip
    never = row_of(queued("cancelled", claims=0), WHAT, "a", None)
    assert [one["text"] for one in never["acts"]] == ["Retry"]
    failed = row_of(queued("failed", reason="no ‮video"), WHAT, "a", None)
    assert "‮" not in failed["reason"]
    again = queued("waiting", tries=2, not_before=time.time() + 3.4, reason="was killed")
    assert row_of(again, WHAT, "a", None)["words"] == "tried again in 3 s"
    theirs = {"analyses": []}
    assert row_of(queued("waiting"), theirs, "a", None)["words"] == "waits for lab batch"
    done = queued("done", total=40, seconds=2.0, run_ids=("r",))
    assert row_of(done, WHAT, "a", None)["review"] == "r"
    assert row_of(done, WHAT, "a", None)["count"] == "40 samples in 2.0 s"


def test_two_clips_of_one_name_are_told_apart_by_their_folders():
    jobs = [queued("done", job_id=1), queued("done", job_id=2, path="/more/a.mp4")]
    assert names_of(jobs, {}) == {1: "cards/a.mp4", 2: "more/a.mp4"}
    assert names_of([replace(jobs[0], clip_id="m")], {"m": "the clip"}) == {1: "the clip"}


@pytest.fixture
def page(store, samples):
    st.cache_data.clear()
    lab.open_store(store).store.add_media(lab.probe(samples / "nothing.mp4"))
    return show("analyse")


def press(page, label):
    return next(b for b in page.button if b.label == label).click().run()


def jobs():
    return ended_jobs(desks.app_state())


def detector_of(page):
    return next(box for box in page.selectbox if box.label == "Detector")


@pytest.mark.long
def test_words_that_the_default_model_knows_are_its_labels_and_the_same_run_is_offered(page):
    page.multiselect[0].set_value(["cat"]).run()
    assert any("yolo knows this" in c.value for c in page.caption)
    thorough = next(s for s in page.segmented_control if s.label == "How thoroughly")
    thorough.set_value("quick look").run()
    assert any("every 1 s" in c.value for c in page.caption)
    press(page, "Start")
    (first,) = jobs()
    assert first.state == "done", first.reason
    queue = desks.app_state().analyses.queue
    assert queue.work([first.work_id])[first.work_id]["analyses"] == [
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
    (second,) = jobs()
    assert (second.run_ids, second.was_there) == (first.run_ids, True)
    page.run()
    assert row_of(second, {}, "clip", None)["words"] == "the same run was there"
    next(t for t in page.toggle if t.label.startswith("Analyse again")).set_value(True).run()
    press(page, "Start")
    _, again = jobs()
    assert not again.was_there
    assert again.run_ids != first.run_ids


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


def labelled(page, beginning):
    (found,) = [button for button in page.button if button.label.startswith(beginning)]
    return found


def feed_and_clips(store, clips):
    """A recording of a feed, added last, and clips; their ids, the oldest first."""
    kept = lab.open_store(store).store
    media = [make_media(f"clip{i}") for i in range(clips)]
    place = str(store / "feeds" / "garden" / "recording" / "one")
    media.append(replace(make_media("one"), path=place, size_bytes=0, container="stream"))
    for one in media:
        kept.add_media(one)
    return [one.media_id for one in media]


def test_what_was_recorded_of_a_feed_is_no_clip_to_analyse(store):
    clip, recording = feed_and_clips(store, 1)
    page = show("analyse")
    (clips,) = [box for box in page.multiselect if box.label == "Clips"]
    assert clips.value == [clip]
    assert len(clips.options) == 1
    page = show("library", media=f"{clip},{recording}")
    (link,) = [one.proto for one in page.get("page_link") if "Analyse" in one.proto.label]
    assert link.label == "**Analyse 1 clip**"
    assert link.query_string == f"media={clip}"
    page = show("analyse", media=f"{recording},{clip}")
    assert [box.value for box in page.multiselect if box.label == "Clips"] == [[clip]]
    assert any("recorded of a feed is left out" in one.value for one in page.caption)
    page = show("library", media=recording)
    (link,) = [one.proto for one in page.get("page_link") if "Analyse" in one.proto.label]
    assert link.disabled


def test_a_store_with_feeds_alone_has_no_clip_to_analyse(store):
    feed_and_clips(store, 0)
    page = show("analyse")
    assert not page.exception
    assert any("No clips yet" in one.value for one in page.info)
    assert labelled(page, "Start").disabled


def test_start_says_how_many_clips_and_analyses_there_are(store):
    first, *others, _ = feed_and_clips(store, 52)
    page = show("analyse", media=first)
    assert labelled(page, "Start").label == "Start"
    page = show("analyse", media=",".join(others))
    assert labelled(page, "Start").label == "Start 51 clips"
    labelled(page, "Add to the list").click().run()
    assert labelled(page, "Start").label == "Start 1 analysis of 51 clips"


def test_an_analysis_is_not_listed_for_no_clip(store):
    feed_and_clips(store, 2)
    page = show("analyse")
    (clips,) = [box for box in page.multiselect if box.label == "Clips"]
    assert not labelled(page, "Add to the list").disabled
    clips.set_value([]).run()
    assert labelled(page, "Start").disabled
    assert labelled(page, "Add to the list").disabled


@pytest.mark.long
def test_a_failed_analysis_can_be_tried_again(page, store, samples, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path))
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    analyses = desks.app_state().analyses
    gone = QueuedClip(str(samples / "gone.mp4"), Stamp())
    work = Work([{"name": "visual", "detector": {"name": "visual"}, "interval_s": 1.0}])
    analyses.start([gone, QueuedClip(str(samples / "nothing.mp4"), Stamp())], work)
    failed, done = jobs()
    assert (failed.state, done.state) == ("failed", "done")
    assert "gone.mp4" in failed.reason
    page.run()
    assert any("**2 of 2** · 1 failed" in m.value for m in page.markdown)
    press(page, "Retry the failed")
    assert [job.state for job in jobs()] == ["failed", "done"]
    press(page.run(), "Clear ended")
    assert not jobs()
    assert len(desks.app_state().store.runs()) == 1


@pytest.mark.long
def test_two_thousand_jobs_are_a_page_of_them_and_a_few_queries(page):
    state = desks.app_state()
    state.analyses.start([], Work([]))
    queue = state.analyses.queue
    queue.pause()
    work = Work([{"name": "visual", "detector": {"name": "visual"}, "interval_s": 1.0}])
    state.analyses.start([QueuedClip(f"/cards/{i:04}.mp4", Stamp(1, 1)) for i in range(2000)], work)
    asked = []
    queue._db.set_trace_callback(asked.append)
    page.run()
    queue._db.set_trace_callback(None)
    assert not page.exception
    assert any("**0 of 2,000**" in m.value and "paused" in m.value for m in page.markdown)
    assert any("1–25 of 2,000" in m.value for m in page.markdown)
    assert len(asked) < 20
    press(page, "Cancel all")
    assert queue.counts()["cancelled"] == 2000
    press(page.run(), "Go on")
    assert not queue.is_paused


@pytest.mark.long
def test_a_damaged_queue_is_said_on_the_page_and_a_newer_one_too(page, store):
    state = desks.app_state()
    state.analyses.start([], Work([]))
    state.close()
    (store / "jobs.sqlite").write_bytes(b"x" * 9000)
    desks.app_state.cache_clear()
    page = show("analyse")
    assert not page.exception
    assert any("was damaged and is now" in w.value.replace("\\", "") for w in page.warning)
    desks.app_state().close()
    with contextlib.closing(sqlite3.connect(store / "jobs.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
    desks.app_state.cache_clear()
    for name in ("analyse", "home"):
        page = show(name)
        assert not page.exception
        assert any("of a newer version" in e.value for e in page.error), name


@pytest.mark.long
def test_several_analyses_are_listed_and_run_over_one_decode(page, store):
    press(page, "Add to the list")
    assert any(b.label == "Start 1 analysis" for b in page.button)
    press(page, "Add to the list")
    assert any("already named" in said.value for said in page.error)
    detector_of(page).set_value("motion").run()
    press(page, "Add to the list")
    press(page, "Start 2 analyses")
    assert [job.state for job in jobs()] == ["done"]
    runs = lab.open_store(store).store.runs()
    assert {run["environment"]["analysis"] for run in runs} == {"yolo", "motion"}
    assert len({run["environment"]["pass_id"] for run in runs}) == 1
