"""What a feed decides is stored, then told, and can be derived again from its log and packets."""

import json
import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lab.errors import SettingError, StoreBusyError
from lab.feeds.commands import send
from lab.feeds.current_run import left_run
from lab.feeds.feed import Feed
from lab.feeds.newest_samples import NAME as NEWEST
from lab.feeds.newest_samples import SamplesReader
from lab.feeds.pictures import jpeg
from lab.feeds.status import feeds_folder, read_status
from lab.feeds.watcher import Watcher
from lab.rules.rule import Debounce, Rule
from lab.runs.execute import PlannedRun, execute
from lab.runs.make_detector import make_detector
from lab.runs.run import Run
from lab.score_log.score_log import read_log
from lab.store.store import Store
from lab.video.live.cutting import picture_at
from lab.video.registered import open_source
from lab.video.sampling import Sampling
from lab.video.sources.recording import RecordingSource
from tests.feeds.lamp import Command, Lamp, wait_for

RULE = Rule.coerce(Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=2, cooldown_s=0))
VISUAL = {"labels": ["brightness"]}


@pytest.fixture
def lamp():
    with Lamp() as found:
        yield found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def feed_of(lamp, **changes):
    given = {
        "feed_id": "lamp",
        "source": {"type": "stream", "url": lamp.url},
        "detector": "visual",
        "detector_settings": VISUAL,
        "every_s": 0.2,
        "rule": RULE,
    }
    return Feed(**{**given, **changes})


class Watched:
    """A watcher, and what it told."""

    def __init__(self, store, feeds, sinks=None):
        self.told = []
        self.watcher = Watcher(feeds, sinks or {}, store, tell=self.told.append)

    def kinds(self):
        return [event.kind for event in self.told]

    def event(self, kind, number=1):
        def find():
            found = [event for event in self.told if event.kind == kind]
            return found[number - 1] if len(found) >= number else None

        return wait_for(find, f"{kind}; it told {self.kinds()}, {self.watcher.status()['feeds']}")


@contextmanager
def watched(store, feeds, sinks=None):
    one = Watched(store, feeds, sinks)
    with one.watcher:
        yield one


def stretches(sightings):
    return sorted(
        (s["label"], s["onset_us"], s["offset_us"], s["peak_us"], s["alert_us"], s["close_reason"])
        for s in sightings
    )


def replayed(store, run_id, rule=RULE):
    return stretches([vars(one) for one in Run(store, run_id).find(rule)])


def flash(lamp, one, number=1):
    """The light goes on and off again, and it is told."""
    lamp.is_on = True
    one.event("alerted", number)
    lamp.is_on = False
    one.event("closed", number)


@pytest.mark.long
def test_what_was_decided_live_is_derived_again_from_the_log_and_from_the_packets(
    lamp, store, tmp_path
):
    with watched(store, [feed_of(lamp)]) as one:
        flash(lamp, one)
        wait_for(lambda: _sampled_between_turns(store), "a sample that was asked for")
        lamp.is_on = True
        opened = one.event("opened", 2)
    (row,) = store.runs()
    assert row["state"] == "cancelled"
    assert Run(store, row["run_id"]).state_in_words == "stopped"
    assert (store.count_runs(of_feed=True), store.count_runs(of_feed=False)) == (1, 0)
    assert [s["close_reason"] for s in store.sightings()] == ["exit", "cancelled"]
    assert stretches(store.sightings()) == replayed(store, row["run_id"])
    assert opened.picture_jpeg.startswith(b"\xff\xd8")
    # A sighting has one time of day, in the store and where it is told.
    start = store.media(row["media_id"])["start_utc"]
    at = start + timedelta(seconds=opened.onset_s)
    assert opened.onset_utc == at.isoformat(timespec="microseconds") + "Z"
    # The packets, decoded and analysed again, give the same log, part for part.
    logs = store.log_folder(row["run_id"])
    live = read_log(logs, with_skipped=True)
    skipped = [int(t) for t, gated in zip(live.pts_us, live.gated, strict=True) if gated]
    assert open_source(opened.recording).media().media_id == row["media_id"]
    recording = RecordingSource(opened.recording, skipped_us=skipped)
    again = PlannedRun(
        row["run_id"], tmp_path / "again", row["recipe"], make_detector("visual", **VISUAL),
        Sampling(every_s=0.2),
    )  # fmt: skip
    execute(recording, [again], media=recording.media())
    for kind in ("samples", "detections"):
        mine, theirs = (_parts(folder, kind) for folder in (logs, tmp_path / "again"))
        assert mine.num_rows
        assert mine.equals(theirs.slice(0, mine.num_rows))


def _sampled_between_turns(store):
    send(store.folder, {"do": "analyse_now", "feed": "lamp"})
    (row,) = store.runs()
    return (np.diff(read_log(store.log_folder(row["run_id"])).pts_us) < 140_000).any()


def _parts(folder, kind):
    (file,) = folder.glob(f"{kind}-*.parquet")
    table = pq.read_table(file)
    return table.drop_columns([c for c in table.column_names if c == "wall_time"])


def test_a_sighting_is_in_the_store_while_it_is_open_and_before_it_is_told(lamp, store):
    seen = []

    def look(event):
        seen.append((event.kind, [s["close_reason"] for s in store.sightings()]))

    with Watcher([feed_of(lamp)], {}, store, tell=look):
        lamp.is_on = True
        wait_for(lambda: [kind for kind, _ in seen] == ["opened", "alerted"], "an alert")
        lamp.is_on = False
        wait_for(lambda: seen[-1][0] == "closed", "its end")
    assert seen[0] == ("opened", ["open"])
    assert seen[-1] == ("closed", ["exit"])


def test_who_watches_has_a_sample_before_the_log_has_its_part(lamp, store):
    file = feeds_folder(store.folder) / "lamp" / NEWEST
    with watched(store, [feed_of(lamp, every_s=0.1)]) as one:

        def analysed():
            feed = one.watcher.status()["feeds"]["lamp"]
            return feed if feed["analysed"] else None

        feed = wait_for(analysed, "a sample")
        assert not file.exists(), "nobody watches"
        send(store.folder, {"do": "view", "feed": "lamp", "for_s": 60, "height": 90}, 30)
        wait_for(file.exists, "the first sample")
        with SamplesReader(file) as reader:

            def is_ahead():
                logged = read_log(store.log_folder(feed["run_id"])).pts_us
                new = reader.read(feed["run_id"])
                return bool(new) and (not len(logged) or new[-1]["pts_us"] > logged[-1])

            wait_for(is_ahead, "a sample that the log lacks")


@pytest.mark.long
def test_another_rule_holds_for_all_of_the_session_without_a_restart(lamp, store):
    never = Rule.coerce(Debounce(enter_threshold=0.99, enter_frames=2, exit_frames=2))
    with watched(store, [feed_of(lamp, rule=never)]) as one:
        lamp.is_on = True
        wait_for(lambda: one.watcher.status()["feeds"]["lamp"]["analysed"] > 5, "samples")
        lamp.is_on = False
        before = one.watcher.status()["feeds"]["lamp"]
        wait_for(lambda: one.watcher.status()["feeds"]["lamp"]["analysed"] > 10, "samples")
        assert one.kinds() == []
        send(store.folder, {"do": "rule", "feed": "lamp", "rule": RULE.to_dict()})
        wait_for(lambda: store.sightings(), "what the rule sees in the past")
        after = one.watcher.status()["feeds"]["lamp"]
        flash(lamp, one)
    assert after["run_id"] == before["run_id"]
    assert after["rule_hash"] == RULE.rule_hash
    (row,) = store.runs()
    assert stretches(store.sightings()) == replayed(store, row["run_id"])
    assert len(store.sightings()) == 2
    # It is still the feed's rule after a restart.
    with watched(store, [feed_of(lamp, rule=never)]) as one:
        assert one.watcher.status()["feeds"]["lamp"]["rule_hash"] == RULE.rule_hash


OTHER = RULE.changed(enter_threshold=0.7)


def test_a_rule_that_is_set_stands_in_place_of_the_files_until_that_gives_another(lamp, store):
    def rule_now(given, *do):
        """After a start with this rule in the file, and commands."""
        feed = feed_of(lamp, rule=given, rule_is_given=True, is_started=False)
        with watched(store, [feed]) as one:
            for command in do:
                one.watcher.handle({"feed": "lamp", **command})
            one.watcher.apply([feed], {})  # its file was saved again
            shown = one.watcher.status()["feeds"]["lamp"]
        return shown["rule_hash"], shown["rule_is_set_here"]

    set_here = {"do": "rule", "rule": OTHER.to_dict()}
    assert rule_now(RULE) == (RULE.rule_hash, False)
    assert rule_now(RULE, set_here) == (OTHER.rule_hash, True)
    assert rule_now(RULE) == (OTHER.rule_hash, True), "after a restart, too"
    assert rule_now(RULE, {"do": "rule_of_file"}) == (RULE.rule_hash, False)
    assert rule_now(RULE) == (RULE.rule_hash, False)
    assert rule_now(RULE, set_here) == (OTHER.rule_hash, True)
    third = RULE.changed(enter_threshold=0.9)
    assert rule_now(third) == (third.rule_hash, False), "the file gives another one"
    assert rule_now(RULE) == (RULE.rule_hash, False), "what was set then is over"
    assert rule_now(RULE, {"do": "rule", "rule": RULE.to_dict()}) == (RULE.rule_hash, False)


def test_what_is_asked_for_and_cannot_be_is_refused_in_words(lamp, store):
    with pytest.raises(SettingError, match="nobody watches"):
        raise_as_setting(store, {"do": "start", "feed": "lamp"})
    with watched(store, [feed_of(lamp, is_started=False)]):
        for command, words in [
            ({"do": "start", "feed": "lmap"}, "no feed is called 'lmap'.*lamp"),
            ({"do": "begin"}, "unknown command 'begin'"),
            ({"do": "rule", "feed": "lamp", "rule": {"defualt": {}}}, "defualt"),
            ({"do": "rule", "feed": "lamp"}, "no rule"),
            ({"do": "add", "feed": {"id": "new"}}, "in no file"),
        ]:
            with pytest.raises(SettingError, match=words):
                send(store.folder, command)
        assert read_status(store.folder)["feeds"]["lamp"]["state"] == "stopped"
        with pytest.raises(StoreBusyError, match="watched by another process"):
            Watcher([], {}, store).start()
    assert read_status(store.folder) is None


def raise_as_setting(store, command):
    from lab.errors import LabError

    try:
        send(store.folder, command)
    except LabError as error:
        raise SettingError(str(error)) from None


def test_a_feed_whose_detector_cannot_be_made_is_tried_again_and_the_others_go_on(lamp, store):
    broken = feed_of(lamp, feed_id="broken", detector="yolo", detector_settings={"weights": "no"})
    with watched(store, [broken, feed_of(lamp)]) as one:
        flash(lamp, one)
        feeds = one.watcher.status()["feeds"]
    assert feeds["broken"]["state"] == "failed"
    assert "no" in feeds["broken"]["reason"]
    assert feeds["broken"]["retry_at"]


def watch_command(store, lamp, tmp_path, **more_sinks):
    file = tmp_path / "feeds.yaml"
    feed = lamp.feed(sinks=["kept", *more_sinks])
    sinks = {"kept": {"type": "jsonl", "path": str(tmp_path / "told.jsonl")}, **more_sinks}
    file.write_text(json.dumps({"feeds": [feed], "sinks": sinks}))
    return Command("watch", file, "--store", store.folder, "--json")


def told(tmp_path):
    file = tmp_path / "told.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def check_after_kills(store, tmp_path):
    """Each run's sightings are those of its log, nothing is open, and nothing was told twice.

    No two events have one number.
    """
    for row in store.runs():
        of_run = stretches(store.sightings(run_id=row["run_id"]))
        found = replayed(store, row["run_id"])
        assert [one[:-1] for one in of_run] == [one[:-1] for one in found], row["run_id"]
        assert row["state"] == "cancelled"
        assert Run(store, row["run_id"]).state_in_words in ("stopped", "cut off")
    events = told(tmp_path)
    ids = [event["event_id"] for event in events]
    assert len(ids) == len(set(ids))
    numbers = [event["sequence"] for event in events]
    assert numbers == sorted(set(numbers))
    opened = {e["sighting_id"] for e in events if e["kind"] == "opened"}
    assert opened == {e["sighting_id"] for e in events if e["kind"] == "closed"}
    assert opened == {s["sighting_id"] for s in store.sightings()}


def kill_in_the_middle(store, lamp, tmp_path, **more_sinks):
    lamp.is_on = False
    before = {row["run_id"] for row in store.runs()}
    with watch_command(store, lamp, tmp_path, **more_sinks) as command:
        lamp.is_on = True

        def has_opened():  # in this run: what was not told of the last one is told first
            return [
                event
                for event in command.events()
                if event["kind"] == "opened" and event["run_id"] not in before
            ]

        wait_for(has_opened, f"a sighting; it said {command.said}")
        command.process.send_signal(signal.SIGKILL)
        command.process.wait()
    assert left_run(feeds_folder(store.folder) / "lamp") is not None


@pytest.mark.long
def test_after_a_kill_the_next_start_closes_what_was_open_and_goes_on(lamp, store, tmp_path):
    """With the picture of the peak, which the recording has."""
    clips = {"clips": {"type": "clips", "dir": str(tmp_path / "clips"), "pre_s": 0, "post_s": 0}}
    kill_in_the_middle(store, lamp, tmp_path, **clips)
    assert [s["close_reason"] for s in store.sightings()] == ["open"]
    lamp.is_on = False
    with watch_command(store, lamp, tmp_path, **clips) as command:
        closed = command.event("closed")
        assert closed["close_reason"] == "error"
        assert (closed["width_px"], closed["height_px"]) == lamp.size
        assert len(closed["boxes"]) == len(closed["box_confidences"]) == 1
        wait_for(lambda: len(store.runs()) == 2, "the next run")
        wait_for(lambda: list((tmp_path / "clips" / "lamp").glob("*.jpg")), "the picture")
        assert command.end(signal.SIGTERM) == 0, command.said
    assert [s["close_reason"] for s in store.sightings()] == ["error"]
    (picture,) = (tmp_path / "clips" / "lamp").glob("*.jpg")
    assert picture.with_suffix(".mp4").is_file()
    at_peak = picture_at(Path(closed["recording"]), round(closed["peak_s"] * 1e6))
    assert picture.read_bytes() == jpeg(at_peak)
    assert at_peak.mean() > 190  # the lamp is on
    assert left_run(feeds_folder(store.folder) / "lamp") is None
    check_after_kills(store, tmp_path)


@pytest.mark.long
def test_fifty_kills_in_the_middle_of_a_sighting_lose_nothing_and_tell_nothing_twice(
    lamp, store, tmp_path
):
    for _ in range(50):
        kill_in_the_middle(store, lamp, tmp_path)
    lamp.is_on = False
    with watch_command(store, lamp, tmp_path) as command:
        command.event("closed")
        assert command.end(signal.SIGTERM) == 0
    assert len(store.sightings()) == 50
    check_after_kills(store, tmp_path)


@pytest.fixture
def disk(tmp_path):
    """A file system of 48 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    if os.name != "posix" or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.long
def test_on_a_full_disk_logging_stops_loudly_and_goes_on_when_there_is_room(lamp, disk):
    store = Store(disk / "store")
    with watched(store, [feed_of(lamp)]) as one:
        flash(lamp, one)
        ballast = disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 20)):
                pass

        def state():
            return one.watcher.status()["feeds"]["lamp"]

        wait_for(lambda: "nothing is logged" in (state()["problem"] or ""), "a loud state")
        decoded = state()["decoded"]
        wait_for(lambda: state()["state"] == "live" and state()["decoded"] > decoded, "pictures")
        ballast.unlink()
        wait_for(lambda: state()["problem"] is None and state()["run_id"], "room")
        flash(lamp, one, 2)
    assert len(store.runs()) == 2
    for row in store.runs():
        assert stretches(store.sightings(run_id=row["run_id"])) == replayed(store, row["run_id"])


def test_feeds_of_one_detector_share_its_model(lamp, store):
    feeds = [feed_of(lamp, feed_id=f"lamp{i}") for i in range(4)]
    with watched(store, feeds) as one:
        wait_for(
            lambda: all(f["analysed"] > 3 for f in one.watcher.status()["feeds"].values()),
            "samples of each",
        )
        models = {id(r.detector.model) for r in one.watcher.feeds.runners if r.detector}
        assert len(models) == 1
        assert one.watcher.status()["metrics"]["inference"]["visual"]["count"] >= 4
    assert not [t for t in threading.enumerate() if t.name == "model"]
