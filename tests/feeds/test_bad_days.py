"""What goes wrong around feeds: the state that is told, what is logged, and what is decided."""

import json
import shutil
import signal
import time

import av
import cv2
import numpy as np
import pytest

from lab.errors import LabError
from lab.feeds.commands import send
from lab.feeds.feed_files import FeedFiles
from lab.feeds.status import last_status, read_status
from lab.feeds.watcher import Watcher
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import LabelRule, Rule
from lab.runs.execute import PlannedRun, execute
from lab.runs.make_detector import make_detector
from lab.score_log.parts import PartProblem, parts_of
from lab.score_log.score_log import read_log
from lab.score_log.seal import log_state
from lab.store.store import Store
from lab.video.sampling import Sampling
from lab.video.sources.recording import RecordingSource
from tests.feeds.lamp import Command, Lamp, wait_for
from tests.feeds.test_watcher import RULE, feed_of, replayed, stretches, watched
from tests.peers.http_server import HttpServer, sound

PASSWORD = "do-not-show-this"


@pytest.fixture
def lamp():
    with Lamp() as found:
        yield found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def state_of(one, feed_id="lamp"):
    return one.watcher.status()["feeds"][feed_id]


def until(one, state, words="", feed_id="lamp"):
    def is_so():
        found = state_of(one, feed_id)
        return found["state"] == state and words in (found["reason"] or "") and found

    return wait_for(is_so, f"{state} {words}, got {state_of(one, feed_id)}")


def assert_as_replayed(store, rule=RULE):
    for row in store.runs():
        of_run = stretches(store.sightings(run_id=row["run_id"]))
        assert of_run == replayed(store, row["run_id"], rule)


def test_a_second_feed_with_the_same_id_is_refused_and_the_first_goes_on(lamp, store, tmp_path):
    file = tmp_path / "feeds.json"

    def write(*feeds):
        file.write_text(json.dumps({"feeds": feeds}))

    write(lamp.feed())
    files = FeedFiles(store, file)
    with Watcher(files.read().feeds, {}, store, files=files) as watcher:
        run_id = wait_for(lambda: watcher.status()["feeds"]["lamp"]["run_id"], "a run")
        write(lamp.feed(), lamp.feed(every_s=7))
        said = wait_for(lambda: watcher.status()["problem"], "the problem")
        assert "feeds[1].id: 'lamp' is also the id of feeds[0]" in said
        (feed,) = watcher.status()["feeds"].values()
        assert (feed["run_id"], feed["every_s"]) == (run_id, 0.2)
        write(lamp.feed())
        wait_for(lambda: watcher.status()["problem"] is None, "the end of the problem")
        assert watcher.status()["feeds"]["lamp"]["run_id"] == run_id


def test_a_feed_that_was_never_started_is_stopped_since_it_is_known(lamp, store):
    with watched(store, [feed_of(lamp, is_started=False)]) as one:
        before = state_of(one)
        time.sleep(0.01)
        assert (before["state"], state_of(one)["since"]) == ("stopped", before["since"])


@pytest.mark.long
def test_a_camera_that_is_unplugged_in_a_sighting_goes_on_with_it(lamp, store):
    with watched(store, [feed_of(lamp)]) as one:
        lamp.is_on = True
        opened = one.event("alerted")
        lamp.is_plugged = False
        found = until(one, "reconnecting")
        assert found["retry_at"] >= found["since"]
        assert list(found["present"]) == ["brightness"]
        lamp.is_plugged = True
        assert until(one, "live")["reconnects"] >= 1
        lamp.is_on = False
        closed = one.event("closed")
        assert state_of(one)["run_id"] == opened.run_id
    assert closed.sighting_id == opened.sighting_id
    assert one.kinds() == ["opened", "alerted", "closed"]
    assert_as_replayed(store)


@pytest.mark.long
def test_pictures_of_another_size_are_decided_live_as_in_a_replay(lamp, store, tmp_path):
    """The lamp fills the picture, and the middle of that is in the zone, of whatever size it is."""
    zone = BoxFilter(include=[[(0, 0), (0.7, 0), (0.7, 1), (0, 1)]], min_area_fraction=0.9)
    rule = Rule(default=LabelRule(debounce=RULE.default.debounce, box_filter=zone))
    with watched(store, [feed_of(lamp, rule=rule)]) as one:
        lamp.is_on = True
        one.event("alerted")
        analysed = state_of(one)["analysed"]
        lamp.size = (128, 96)
        wait_for(lambda: state_of(one)["analysed"] > analysed + 10, "samples of the other size")
        found = state_of(one)
        assert found["present"], "it ended when the size changed"
        lamp.is_on = False
        closed = one.event("closed")
    (row,) = store.runs()
    log = read_log(store.log_folder(row["run_id"]))
    assert {tuple(box[2:]) for box in log.box_xyxy_px} == {(64, 48)}
    assert (found["width_px"], found["height_px"]) == (64, 48)
    assert (len(store.sightings()), closed.kind) == (1, "closed")
    assert_as_replayed(store, rule)
    # The packets, analysed again, give the same boxes.
    again = PlannedRun(
        row["run_id"], tmp_path / "again", row["recipe"],
        make_detector("visual", labels=["brightness"]), Sampling(every_s=0.2),
    )  # fmt: skip
    recording = RecordingSource(found["recording"])
    execute(recording, [again], media=recording.media())
    theirs = read_log(tmp_path / "again")
    same = min(len(log.box_xyxy_px), len(theirs.box_xyxy_px))
    assert same > 10
    assert np.array_equal(log.box_xyxy_px[:same], theirs.box_xyxy_px[:same])


@pytest.mark.long
def test_a_first_picture_that_is_damaged_leaves_the_size_to_the_next_one(lamp, store, tmp_path):
    folder = tmp_path / "pictures"
    put_pictures(folder, range(8), 200)
    (folder / "0.jpg").write_bytes(b"\xff\xd8\xffno picture\xff\xda\xff\xd9")
    zone = BoxFilter(include=[[(0, 0), (0.7, 0), (0.7, 1), (0, 1)]], min_area_fraction=0.9)
    rule = Rule(default=LabelRule(debounce=RULE.default.debounce, box_filter=zone))
    source = {"type": "images", "path": str(folder), "fps": 5, "watch": True, "settle_s": 0.1}
    with watched(store, [feed_of(lamp, feed_id="folder", source=source, rule=rule)]) as one:
        one.event("alerted")
        wait_for(lambda: state_of(one, "folder")["analysed"] == 7, "all pictures")
        found = state_of(one, "folder")
        assert (found["failed"], found["width_px"], found["height_px"]) == (1, 64, 48)
        media = store.media(found["media_id"])
        assert (media["width_px"], media["height_px"]) == (64, 48)
    assert_as_replayed(store, rule)


@pytest.mark.long
def test_what_cannot_be_had_says_why_in_the_status_and_shows_no_password(lamp, store):
    def page(to):
        to.begin("text/html")
        to.send(b"<html><body>" + b"<p>Log in</p>" * 2000 + b"</body></html>")

    def refused(to):
        to.begin("text/plain", 401, WWW_Authenticate='Basic realm="camera"')

    def sounding(to):
        to.begin("video/mp2t")
        to.send(sound())

    words = {
        "page": "what it answers is no video",
        "login": "user or password are wrong",
        "sound": "only audio",
        "nothing": "there is no such stream",
    }
    with HttpServer({"/page": page, "/login": refused, "/sound": sounding}) as server:
        at = f"http://me:{PASSWORD}@127.0.0.1:{server.port}"
        feeds = [
            feed_of(lamp, feed_id=name, source={"type": "stream", "url": f"{at}/{name}"})
            for name in words
        ]
        with watched(store, [*feeds, feed_of(lamp)]) as one:
            for name, why in words.items():
                found = until(one, "reconnecting", why, name)
                assert found["retry_at"] > 0
                assert (found["run_id"], found["analysed"], found["decoded"]) == (None, 0, 0)
            lamp.is_on = True
            one.event("alerted")  # the others hinder nothing
            wait_for(lambda: read_status(store.folder), "a status")
    assert PASSWORD not in json.dumps(last_status(store.folder))
    assert [row["environment"]["feed"] for row in store.runs()] == ["lamp"]
    everything = [file for file in store.folder.rglob("*") if file.is_file()]
    assert not [file for file in everything if PASSWORD.encode() in file.read_bytes()]


@pytest.mark.long
def test_a_folder_that_disappears_is_told_and_gone_on_with_once_it_is_back(lamp, store, tmp_path):
    folder = tmp_path / "pictures"
    put_pictures(folder, range(6), 200)
    source = {"type": "images", "path": str(folder), "fps": 5, "watch": True, "settle_s": 0.1}
    feed = feed_of(lamp, feed_id="folder", source=source)
    with watched(store, [feed]) as one:
        opened = one.event("alerted")
        wait_for(lambda: state_of(one, "folder")["analysed"] == 6, "all pictures")
        shutil.rmtree(folder)
        until(one, "reconnecting", f"there is no folder {folder}", "folder")
        put_pictures(folder, range(6, 12), 0)
        closed = one.event("closed")
        wait_for(lambda: state_of(one, "folder")["analysed"] == 12, "the new pictures")
        assert state_of(one, "folder")["run_id"] == opened.run_id
    assert closed.sighting_id == opened.sighting_id
    assert_as_replayed(store)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["images", "segments"])
def test_kills_lose_no_picture_of_a_folder_and_log_none_twice(tmp_path, kind):
    """The process that watches is killed while it reads, again and again."""
    folder, store, count = tmp_path / "in", Store(tmp_path / "store"), 60
    source = {"type": kind, "path": str(folder), "time_pattern": "%Y%m%d-%H%M%S", "settle_s": 0.1}
    if kind == "images":
        source["watch"] = True
    put_files(folder, kind, 0, count)
    every_s = 1 if kind == "images" else 0.1
    feed = {"id": "folder", "source": source, "detector": {"type": "visual"}, "every_s": every_s}
    file = tmp_path / "feeds.json"
    file.write_text(json.dumps({"feeds": [feed]}))

    def watch():
        return Command("watch", file, "--store", store.folder)

    for _ in range(2):
        before = len(logged(store))
        with watch() as command:
            wait_for(lambda: len(logged(store)) > before, "some to be logged")  # noqa: B023
            command.process.kill()
            command.process.wait()
        if len(logged(store)) == count:
            break
    with watch() as command:
        wait_for(lambda: len(logged(store)) >= count, "the rest")
        assert command.end(signal.SIGTERM) == 0, command.said
    put_files(folder, kind, count, count + 20)
    with watch() as command:  # the rest is in a log, and is not read again
        wait_for(lambda: len(logged(store)) >= count + 20, "what is new")
        assert command.end(signal.SIGTERM) == 0, command.said
    found = logged(store)
    assert len(found) == count + 20
    assert sorted(set(found)) == found
    for row in store.runs():
        assert log_state(store.log_folder(row["run_id"])).damaged == ()
        with RecordingSource(store.media(row["media_id"])["path"]) as recording:
            times = [frame.pts_us for frame in recording.frames(every_s)]
        pts_us = read_log(store.log_folder(row["run_id"])).pts_us.tolist()
        assert times[: len(pts_us)] == pts_us


def logged(store):
    """When each sample of all runs was taken, in the order of the runs."""
    folders = sorted(file.parent for file in (store.folder / "logs").glob("*/manifest.json"))
    try:
        parts = [part for folder in folders for part in parts_of(folder)]
        return [t for part in parts for t in part.read_samples()["wall_time"].to_pylist()]
    except (LabError, PartProblem):
        return []  # it is being begun, or compacted


def put_pictures(folder, names, level=20):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        part = folder / f".{name}.part"
        image = np.full((48, 64, 3), level + number, np.uint8)
        part.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        part.rename(folder / f"{name}.jpg")


def put_files(folder, kind, begin, end):
    """A picture each second, or segments of two seconds with ten frames each."""
    if kind == "images":
        put_pictures(folder, [f"20260101-00{n // 60:02d}{n % 60:02d}" for n in range(begin, end)])
        return
    folder.mkdir(exist_ok=True)
    for first in range(begin, end, 20):
        with av.open(str(folder / f"20260101-0000{first // 10:02d}.ts"), "w") as out:
            stream = out.add_stream("libx264", rate=10, options={"g": "10", "bf": "2"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for at in range(first, first + 20):
                image = np.full((48, 64, 3), 20 + at, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            out.mux(stream.encode())


CLOCK = """
import os, pathlib, time
_real, _by = time.time, pathlib.Path(os.environ["CLOCK_OFFSET"])
time.time = lambda: _real() + float(_by.read_text() or 0)
"""


@pytest.mark.long
@pytest.mark.parametrize("by_s", [-3600.0, 3600.0])
def test_a_change_of_the_wall_clock_moves_no_media_time(lamp, store, tmp_path, monkeypatch, by_s):
    """Of this process and of its reader, in the middle of a sighting."""
    site, offset = tmp_path / "site", tmp_path / "offset"
    site.mkdir()
    (site / "sitecustomize.py").write_text(CLOCK)
    offset.write_text("0")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("CLOCK_OFFSET", str(offset))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + float(offset.read_text() or 0))
    with watched(store, [feed_of(lamp)]) as one:
        lamp.is_on = True
        opened = one.event("alerted")
        part = tmp_path / "part"
        part.write_text(str(by_s))
        part.replace(offset)
        analysed = state_of(one)["analysed"]
        wait_for(lambda: state_of(one)["analysed"] > analysed + 5, "samples after it")
        found = state_of(one)
        assert (found["state"], found["reconnects"]) == ("live", 0)
        assert abs(found["last_frame_at"] - time.time()) < 60
        assert found["lag_s"] < 60
        send(store.folder, {"do": "analyse_now", "feed": "lamp"})  # commands are done as well
        lamp.is_on = False
        closed = one.event("closed")
        found = state_of(one)
        assert found["day"]["date"] == time.strftime("%Y-%m-%d")
        written = read_status(store.folder)["written"]
        assert abs(written - time.time()) < 60
    assert closed.sighting_id == opened.sighting_id
    assert 0 < closed.offset_s - closed.onset_s < 60
    (row,) = store.runs()
    steps_us = np.diff(read_log(store.log_folder(row["run_id"])).pts_us)
    assert steps_us.min() > 0
    assert steps_us.max() < 60e6
    assert_as_replayed(store)
