"""A clip with known answers, played into a feed's own path: what is found, and who is told."""

import dataclasses
import json
import re
import time

import pytest

from lab.detectors.detector import Detector
from lab.errors import LabError, SettingError
from lab.evaluation.matching import Matching
from lab.feeds.check import check_feeds
from lab.feeds.control import control_of
from lab.feeds.control_report import ControlReport
from lab.feeds.control_settings import ControlSettings
from lab.feeds.controls import LOG, Controls, WatchedFeed, keep_report, last_report
from lab.feeds.feed import Feed
from lab.feeds.feeds_file import read_feeds_file
from lab.feeds.play_control import play
from lab.feeds.shared_detector import SharedModels
from lab.feeds.watcher import Watcher
from lab.rules.rule import Debounce, Rule
from lab.runs.make_detector import make_detector
from lab.sinks.delivery import SinkThread
from lab.sinks.outbox import Outbox
from lab.sinks.sink import Sink, SinkRefused
from lab.store.store import Store
from tests.builders import make_detections
from tests.feeds.lamp import Lamp

RULE = Rule.coerce(Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=2, cooldown_s=120))


class Light(Detector):
    """Sees a light where the picture is bright."""

    labels = ("light", "dark")

    def detect(self, frames):
        return [
            make_detections(*[("light", 0.9, (1, 1, 20, 20))] * int(frame.image_bgr.mean() > 100))
            for frame in frames
        ]

    def recipe(self):
        return {"detector": "light"}


class Keeping(Sink):
    def __init__(self):
        self.events = []

    def write(self, rows):
        pass

    def deliver(self, event):
        self.events.append(event)


class Refusing(Keeping):
    def deliver(self, event):
        raise SinkRefused("not for us")


@pytest.fixture
def sinks_of(tmp_path):
    """sinks_of(name=sink, ...) gives deliver and fate, with real outboxes and threads."""
    threads = {}

    def made(**sinks):
        for name, sink in sinks.items():
            outbox = Outbox(tmp_path / f"{name}.sqlite")
            threads[name] = SinkThread(name, lambda sink=sink: sink, outbox)
            threads[name].start()
        return {
            "deliver": lambda name, event: threads[name].put(event),
            "fate": lambda name, event_id: threads[name].outbox.fate(event_id),
        }

    yield made
    for thread in threads.values():
        thread.stop(5.0)


@pytest.fixture(scope="module")
def lamp(encode):
    """Of 4 s, bright from 1 s to 3.5 s."""
    box = "drawbox=c=white:t=fill:enable='gte(t,1)*lt(t,3.5)'"
    source = f"color=black:size=160x120:rate=10:duration=4,{box}"
    return encode("lamp.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", source=source)


def truth_of(folder, *rows, name="lamp.mp4"):
    file = folder / "truth.csv"
    lines = [f"{name},{label},{start},{end}" for label, start, end in rows]
    file.write_text("\n".join(["media,label,start_s,end_s", *lines]) + "\n")
    return file


def control_for(clip, truth, **settings):
    """Told by a sample or two: a busy machine may skip many of them."""
    control = control_of(clip, truth, **settings)
    return dataclasses.replace(control, matching=Matching(tiou=0.05))


def feed_of(**settings):
    known = {"feed_id": "pond", "source": {"type": "stream", "url": "rtsp://x"}, "every_s": 0.2}
    return Feed(**{**known, "rule": RULE, "sinks": ("told",), **settings})


@pytest.mark.long
def test_what_is_there_is_found_and_told_once_as_a_test(lamp, tmp_path, sinks_of):
    told = Keeping()
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    report = play(control, feed_of(), Light(), **sinks_of(told=told))
    assert (report.state, report.reasons) == ("ok", ())
    assert (report.found, report.expected, report.false) == (1, 1, 0)
    assert (report.recall, report.recall_high) == (1.0, 1.0)
    assert report.recall_low == pytest.approx(0.025)
    assert report.by_label == {"light": (1, 1)}
    (delay_s,) = report.delays_s
    assert 0.1 <= delay_s < 2.5, "the second sample confirms it, in media time"
    (event,) = told.events
    assert (event.kind, event.is_test, event.feed, event.label) == (
        "alerted",
        True,
        "pond",
        "light",
    )
    assert event.run_id.startswith("control-")
    delivery = report.deliveries["told"]
    assert delivery.state == "delivered"
    assert delivery.after_s > 0
    assert ControlReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert re.fullmatch(
        r"the control found 1 of 1, \d\.\d s after they began; told 1 sink within \d+\.\d s",
        report.text,
    )


@pytest.mark.long
def test_what_is_not_found_fails_the_control(lamp, tmp_path, sinks_of):
    truth = truth_of(tmp_path, ("light", 1, 3.4), ("dark", 0, 0.9))
    control = control_for(lamp, truth, min_recall=0.9)
    report = play(control, feed_of(), Light(), **sinks_of(told=Keeping()))
    assert (report.state, report.found, report.expected) == ("failed", 1, 2)
    assert "1 of 2 were found, 90% must be" in report.text
    assert report.by_label == {"light": (1, 1), "dark": (0, 1)}


@pytest.mark.long
def test_a_sink_that_takes_nothing_fails_the_control(lamp, tmp_path, sinks_of):
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    feed = feed_of(sinks=("refusing", "told"))
    report = play(control, feed, Light(), **sinks_of(refusing=Refusing(), told=Keeping()))
    assert report.state == "failed"
    assert report.reasons == ("sink refusing: refused the marked event",)
    assert report.deliveries["told"].state == "delivered"


@pytest.mark.long
def test_a_rule_that_sees_nothing_and_a_label_that_is_not_known_fail_it(lamp, tmp_path, sinks_of):
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    told = sinks_of(told=Keeping())
    report = play(control, feed_of(rule=RULE.changed(enter_threshold=0.95)), Light(), **told)
    assert (report.state, report.found, report.deliveries["told"].state) == (
        "failed",
        0,
        "not sent",
    )
    assert "sink told: was sent nothing, for there was no alert" in report.reasons
    other = control_for(lamp, truth_of(tmp_path, ("otter", 1, 1.9)))
    report = play(other, feed_of(), Light(), **told)
    assert report.text == (
        "the control failed: the feed looks for nothing that is in the clip: otter"
    )


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        ([("light", 1, 2)], {"every": "often"}, "try 6h"),
        ([("light", 1, 2)], {"every": 0}, "try 6h"),
        ([("light", 1, 2)], {"min_recall": 80}, "min_recall must be in"),
        ([("light", "", "")], {}, "a control must show something"),
        ([("light", 2, 99)], {}, "99"),
        ([("light", 1, 2)], {"every": "4s"}, "lasts 4 s, which is not less than the 4 s after"),
        ([("light", 1, 2)], {"deliver_within_s": 0}, "deliver_within_s must be above 0"),
    ],
)
def test_what_cannot_be_a_control_is_said(lamp, tmp_path, rows, settings, says):
    with pytest.raises(SettingError, match=says):
        control_of(lamp, truth_of(tmp_path, *rows), **settings)


def test_a_clip_or_labels_that_are_wrong_are_said_in_one_line(lamp, tmp_path):
    truth = truth_of(tmp_path, ("light", 1, 3.4))
    for clip, labels, says in [
        (tmp_path / "no.mp4", truth, "no.mp4"),
        (truth, truth, "truth.csv"),
        (lamp, tmp_path / "no.csv", "no.csv"),
        (lamp, lamp, "lamp.mp4"),
        (lamp, truth_of(tmp_path, ("light", 1, 2), name="other.mp4"), "got 'other.mp4'"),
    ]:
        with pytest.raises(LabError, match=says) as caught:
            control_of(clip, labels)
        assert "\n" not in str(caught.value)


@pytest.mark.long
def test_a_label_that_the_feed_does_not_look_for_is_left_out_and_named(lamp, tmp_path, sinks_of):
    truth = truth_of(tmp_path, ("light", 1, 3.4), ("otter", 0, 0.9))
    report = play(control_for(lamp, truth), feed_of(), Light(), **sinks_of(told=Keeping()))
    assert (report.state, report.expected, report.left_out) == ("ok", 1, ("otter",))
    assert "otter left out, the feed does not look for that" in report.text


@pytest.mark.long
def test_while_the_feed_itself_sees_nothing_a_control_cannot_go_well(lamp, tmp_path, sinks_of):
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    down = lambda: "reconnecting: no frame for 15 s"  # noqa: E731
    report = play(control, feed_of(), Light(), **sinks_of(told=Keeping()), down=down)
    assert (report.state, report.found) == ("failed", 1)
    assert report.reasons == ("the feed itself sees nothing now (reconnecting: no frame for 15 s)",)


def controls_of(folder, feed, looked=None, **settings):
    """looked: takes something whenever the feeds are looked at."""
    looked = [] if looked is None else looked
    models = SharedModels(lambda *_: Light())
    watched = {feed.feed_id: WatchedFeed(feed)}
    return Controls(
        folder,
        models,
        lambda: looked.append(1) or watched,
        lambda *_: None,
        lambda *_: None,
        **settings,
    )


@pytest.mark.long
def test_a_sink_that_takes_no_alerts_is_not_tried_and_fails_nothing(lamp, tmp_path, sinks_of):
    class Whole(Keeping):
        def wants(self, event):
            return event.kind == "closed"

    whole, told = Whole(), Keeping()
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    feed = feed_of(sinks=("whole", "told"))
    sinks = sinks_of(whole=whole, told=told)
    report = play(control, feed, Light(), **sinks)
    assert report.state == "ok", report.text
    assert {name: one.state for name, one in report.deliveries.items()} == {
        "whole": "not tried",
        "told": "delivered",
    }
    assert whole.events == []


def test_a_control_of_a_feeds_file_that_cannot_be_had_is_loud(tmp_path):
    settings = ControlSettings(clip=tmp_path / "gone.mp4", labels=tmp_path / "gone.csv")
    looked = []
    controls = controls_of(tmp_path, feed_of(control=settings), looked)
    controls.start()
    try:
        wait_for(lambda: controls.problem("pond"))
        seen = len(looked)
        wait_for(lambda: len(looked) > seen + 2)
    finally:
        controls.stop()
    assert "gone.mp4" in controls.problem("pond")
    assert len((tmp_path / "pond" / LOG).read_text().splitlines()) == 1, "not again at once"
    assert controls.status("pond")["report"]["state"] == "failed"


@pytest.mark.parametrize(
    ("changes", "is_soon"),
    [
        ({}, False),
        ({"state": "failed"}, True),
        ({"rule_hash": "another"}, True),
        ({"clip": "another.mp4"}, True),
        ({"began": time.time() - 1e5}, True),
        ({"began": time.time() + 7200}, True),
    ],
)
def test_a_restart_is_no_reason_to_play_again_what_went_well(lamp, tmp_path, changes, is_soon):
    feed = feed_of()
    known = {"feed": "pond", "clip": "lamp.mp4", "began": time.time() - 60, "ended": time.time(),
             "rule_hash": feed.rule.rule_hash, "state": "ok"}  # fmt: skip
    keep_report(tmp_path / "pond", ControlReport(**{**known, **changes}))
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    control = dataclasses.replace(control, first_after_s=1000.0)
    controls = controls_of(tmp_path, feed, control=control)
    controls.start()
    try:
        wait_for(lambda: controls.status("pond"))
        in_s = controls.status("pond")["next_at"] - time.time()
    finally:
        controls.stop()
    assert (in_s < 1001) == is_soon


def test_a_feeds_file_gives_each_feed_its_control(lamp, tmp_path):
    truth_of(tmp_path, ("light", 1, 3.4))
    (tmp_path / "lamp.mp4").write_bytes(lamp.read_bytes())
    row = {"id": "pond", "source": {"type": "file", "path": "lamp.mp4"},
           "detector": {"type": "visual", "labels": ["brightness"]}}  # fmt: skip

    def read(control):
        file = tmp_path / "feeds.yaml"
        file.write_text(json.dumps({"feeds": [{**row, "control": control}]}))
        return read_feeds_file(file, environ={})

    given = {"clip": "lamp.mp4", "labels": "truth.csv", "every": "30m", "min_recall": 0.5}
    found = read(given)
    assert found.feeds[0].control == ControlSettings(
        clip=tmp_path / "lamp.mp4", labels=tmp_path / "truth.csv", every_s=1800, min_recall=0.5
    )
    checked = {one.what: one.problem for one in check_feeds(found)}
    assert checked["feed pond: control lamp.mp4"] is None
    wrong = {one.what: one.problem for one in check_feeds(read({**given, "clip": "no.mp4"}))}
    assert "no.mp4" in wrong["feed pond: control no.mp4"]
    for changes, says in [
        ({"every": "often"}, r"feeds\[0\].control.every: .*try 6h"),
        ({"min_recall": 80}, r"feeds\[0\].control.min_recall: expected a share of at most 1"),
        ({"clip": None}, r"feeds\[0\].control.clip: it is empty"),
        ({"evry": "6h"}, "unknown key 'evry'; .*every"),
    ]:
        with pytest.raises(SettingError, match=says):
            read({**given, **changes})


def test_an_interval_is_seconds_or_has_its_unit(lamp, tmp_path):
    truth = truth_of(tmp_path, ("light", 1, 3.4))
    given = ["6h", "30m", "1.5d", "90", 90, 90.5]
    found = [control_of(lamp, truth, every).every_s for every in given]
    assert found == [21600, 1800, 129600, 90, 90, 90.5]


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)


@pytest.mark.long
def test_feeds_are_tried_at_their_times_and_the_outcome_is_kept(lamp, tmp_path, sinks_of):
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    control = dataclasses.replace(control, first_after_s=0, every_s=0.1)
    models = SharedModels(lambda name, settings: Light())
    running = {"pond": WatchedFeed(feed_of())}
    told = sinks_of(told=Keeping())
    controls = Controls(tmp_path, models, lambda: dict(running), **told, control=control)
    assert controls.status("pond") is None
    controls.start()
    try:
        wait_for(lambda: (controls.status("pond") or {}).get("report"))
        shown = json.loads(json.dumps(controls.status("pond")))
        assert shown["state"] in ("ok", "playing")
        assert shown["report"]["found"] == 1
        assert controls.problem("pond") is None
        wait_for(lambda: len((tmp_path / "pond" / LOG).read_text().splitlines()) == 2)
    finally:
        controls.stop()
    kept = [json.loads(line) for line in (tmp_path / "pond" / LOG).read_text().splitlines()]
    assert [line["state"] for line in kept] == ["ok", "ok"]


def test_a_control_that_failed_is_loud_also_after_a_restart(lamp, tmp_path):
    failed = ControlReport(
        feed="pond", clip="lamp.mp4", began=1.0, ended=2.0, rule_hash="0", state="failed",
        reasons=("sink told: refused the marked event",),
    )  # fmt: skip
    keep_report(tmp_path / "pond", failed)
    with (tmp_path / "pond" / LOG).open("a") as file:
        file.write('{"feed": "po')
    assert last_report(tmp_path / "pond") == failed
    control = control_for(lamp, truth_of(tmp_path, ("light", 1, 3.4)))
    controls = Controls(
        tmp_path, SharedModels(lambda *_: Light()), lambda: {"pond": WatchedFeed(feed_of())},
        lambda *_: None, lambda *_: None, control,
    )  # fmt: skip
    controls.start()
    try:
        wait_for(lambda: controls.problem("pond"))
    finally:
        controls.stop()
    assert controls.problem("pond") == ("the control failed: sink told: refused the marked event")
    assert controls.status("pond")["state"] == "failed"


@pytest.mark.long
def test_a_real_detector_finds_the_cat_and_the_person(samples, tmp_path, sinks_of):
    clip = samples / "cat_then_person.mp4"
    control = control_of(clip, samples / "ground_truth.csv")
    rule = Rule.coerce(Debounce(enter_threshold=0.4, enter_frames=2, exit_frames=3))
    told = Keeping()
    report = play(
        control,
        feed_of(rule=rule, every_s=0.5),
        make_detector("yolo", image_size=320),
        **sinks_of(told=told),
    )
    assert report.state == "ok", report.text
    assert report.found == report.expected == 2
    assert report.analysed >= 12
    assert all(0 <= delay_s < 3 for delay_s in report.delays_s)
    assert told.events[0].picture_jpeg


@pytest.mark.long
def test_a_feed_that_is_watched_is_tried_while_it_goes_on(lamp, tmp_path):
    """Its log, its sightings and its events are as without the control; the sink has both."""
    store, told = Store(tmp_path / "store"), tmp_path / "told.jsonl"
    control = control_for(lamp, truth_of(tmp_path, ("brightness", 1, 3.4)), every="1h")
    control = dataclasses.replace(control, first_after_s=0.0)
    with Lamp() as camera:
        feed = feed_of(
            feed_id="lamp",
            source={"type": "stream", "url": camera.url},
            detector="visual",
            detector_settings={"labels": ["brightness"]},
        )
        sinks = {"told": {"type": "jsonl", "path": str(told)}}
        with Watcher([feed], sinks, store, control=control) as watcher:
            shown = lambda: watcher.status()["feeds"]["lamp"]  # noqa: E731
            wait_for(lambda: (shown()["control"] or {}).get("report"))
            camera.is_on = True
            wait_for(lambda: shown()["present"])
            status = shown()
            camera.is_on = False
            wait_for(lambda: not shown()["present"])
    report = status["control"]["report"]
    assert (status["control"]["state"], report["found"], report["expected"]) == ("ok", 1, 1), report
    assert report["deliveries"]["told"]["state"] == "delivered"
    assert status["problem"] is None
    rows = [json.loads(line) for line in told.read_text().splitlines()]
    assert [row["kind"] for row in rows if row["is_test"]] == ["alerted"]
    real = [row for row in rows if not row["is_test"]]
    assert {"opened", "alerted", "closed"} <= {row["kind"] for row in real}
    assert all(row["run_id"] == status["run_id"] for row in real)
    assert [run["run_id"] for run in store.runs()] == [status["run_id"]]
    assert len(store.sightings()) == 1
    assert (store.folder / "feeds" / "lamp" / LOG).is_file()
