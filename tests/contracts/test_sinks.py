"""What every sink promises; see `lab.sinks.sink.Sink`."""

import csv
import json
import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from lab.errors import LabError, SettingError
from lab.jobs.document.sinks import JobSinks
from lab.sinks.delivery import SinkThread
from lab.sinks.event import PICTURES
from lab.sinks.files import COLUMNS
from lab.sinks.make import make_sink
from lab.sinks.outbox import Outbox
from lab.sinks.registered import sinks
from lab.sinks.secrets import secrets_of
from lab.sinks.sink import Sink
from tests.contracts.sinks import FOR_EVENTS, FOR_ROWS, SINKS, WITH_PEERS, Kept
from tests.sinks.events import make_event, make_jpeg

EVENTS = [
    make_event("opened", number=1, picture_jpeg=make_jpeg(), plain_jpeg=make_jpeg()),
    make_event("alerted", number=2, picture_jpeg=make_jpeg(), plain_jpeg=make_jpeg()),
    make_event("updated", number=3, peak_confidence=0.8),
    make_event("closed", number=4, picture_jpeg=make_jpeg(), plain_jpeg=make_jpeg()),
    make_event("opened", "b2", 5, label="Otter -- ☃ * @everyone", boxes=(), box_confidences=()),
    make_event("closed", "b2", 6, label="Otter -- ☃ * @everyone", close_reason="cancelled"),
    make_event("alerted", "c3", 7, is_test=True, picture_jpeg=make_jpeg()),
    make_event("closed", "c3", 8, is_test=True, picture_jpeg=make_jpeg()),
]


def row(label="otter", onset_s=1.5, **values):
    times = {"onset_s": onset_s, "offset_s": onset_s + 2, "peak_confidence": 0.75}
    known = {"media": "pond.mp4", "analysis": "yolo", "label": label, **times, **values}
    return {name: known.get(name) for name in COLUMNS}


@pytest.fixture(params=SINKS)
def case(request, tmp_path):
    with ExitStack() as stack:
        made = SINKS[request.param](tmp_path, stack)
        made.name = request.param
        yield made


def wait_until(condition, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def only(names):
    """A test of some of the sinks."""
    return pytest.mark.parametrize("case", names, indirect=True)


@pytest.fixture
def made(case):
    """A sink that takes rows, and what can be read of what it took."""
    return sinks.get(case.name)(**case.settings), case.read


@pytest.fixture
def fed(case):
    """A sink that takes events, made as a feeds file names it."""
    with make_sink(case.name, case.settings) as sink:
        yield sink


def noting(event, looked_at):
    """An event that notes which of its pictures were looked at."""

    def picture(name, jpeg):
        return jpeg if jpeg is None else lambda: (looked_at.add(name), jpeg)[1]

    pictures = {name: picture(name, getattr(event, name)) for name in PICTURES}
    return replace(event, **pictures)


def test_every_built_in_sink_is_in_the_suite():
    assert set(sinks.names()) == set(SINKS)


@only(FOR_ROWS)
def test_every_row_arrives_once_in_the_order_given(made, tmp_path):
    sink, read = made
    assert isinstance(sink, Sink)
    with sink:
        sink.check([tmp_path / "pond.mp4"])
        sink.write([row("otter", 1.5), row("heron", 2.5)])
        sink.write([])
        sink.write([row("otter", 9.25)])
        sink.finish()
    text = read()
    places = [text.index(word) for word in ("1.5", "heron", "9.25")]
    assert places == sorted(places)
    assert text.count("otter") == 2


@pytest.mark.parametrize("kind", ["console", "csv", "json"])
def test_no_rows_are_an_empty_result_and_not_nothing(kind, tmp_path):
    case = SINKS[kind](tmp_path, ExitStack())
    with sinks.get(kind)(**case.settings) as sink:
        sink.check([])
        sink.finish()
    assert case.read()


@only([name for name in SINKS if name not in FOR_ROWS])
def test_a_sink_that_takes_no_rows_says_so_before_anything_is_analysed(case, tmp_path):
    with (
        sinks.get(case.name)(**case.settings) as sink,
        pytest.raises(SettingError, match="feeds; for the sightings of a job use csv"),
    ):
        sink.check([tmp_path / "pond.mp4"])


@only([name for name in SINKS if name not in FOR_EVENTS])
def test_a_sink_that_takes_no_events_says_so_at_the_start(case):
    with pytest.raises(SettingError, match=f"sinks.{case.name}: {case.name} is a sink of jobs"):
        make_sink(case.name, case.settings)


def test_closing_twice_is_fine(case):
    sink = sinks.get(case.name)(**case.settings)
    sink.close()
    sink.close()


@only(FOR_EVENTS)
def test_every_kind_of_event_is_taken_and_the_sighting_arrives(case, fed):
    for event in EVENTS:
        looked_at = set()
        fed.deliver(noting(case.change(event), looked_at))
        assert looked_at <= set(fed.pictures_of(event))
    fed.finish()
    assert "otter" in case.read()


@only(FOR_EVENTS)
def test_what_it_does_not_want_is_not_kept_and_does_nothing_all_the_same(case, fed, tmp_path):
    unwanted = [event for event in EVENTS if not fed.wants(event)]
    compared = case.stop is not None and unwanted
    before = case.read() if compared else None
    for event in unwanted:
        fed.deliver(event)
    assert not compared or case.read() == before
    thread = SinkThread("mine", lambda: fed, Outbox(tmp_path / "mine.sqlite"))
    thread.start()
    assert [event for event in EVENTS if not thread.put(event)] == unwanted
    thread.stop(60)


@only(FOR_EVENTS)
def test_the_same_event_may_come_twice(case, fed):
    for event in EVENTS[:4]:
        fed.deliver(case.change(event))
        fed.deliver(case.change(event))
    assert "otter" in case.read()


@only(FOR_EVENTS)
def test_it_may_be_told_what_is_watched_and_beats_before_any_event(fed):
    fed.watched({})
    fed.beat()
    feed = {"name": "The pond", "labels": ["otter"], "present": {}}
    for state in ("live", "reconnecting"):
        fed.watched({"pond": {**feed, "state": state, "last_frame_at": 1e9}})
        fed.beat()


@only(WITH_PEERS)
def test_the_other_side_being_away_is_an_error_without_secrets_and_passes(case, fed):
    case.stop()
    with pytest.raises(LabError) as raised:
        for event in EVENTS:
            fed.deliver(event)
    assert not [secret for secret in case.secrets if secret in str(raised.value)]
    assert raised.value.__cause__ is None


@pytest.mark.long
@only(WITH_PEERS)
def test_a_failing_sink_shows_no_secret_in_its_state_its_outbox_or_a_log(case, tmp_path, caplog):
    """At any level: libraries like to log whole addresses."""
    caplog.set_level(logging.DEBUG)
    settings = case.settings
    folder = tmp_path / "outbox"
    box = Outbox(folder / "mine.sqlite")
    thread = SinkThread(
        "mine", lambda: make_sink(case.name, settings), box, delays_s=(0.01,),
        secrets=secrets_of(settings),
    )  # fmt: skip
    thread.start()
    thread.put(EVENTS[1])
    wait_until(lambda: thread.state()["delivered"] == 1)
    case.stop()
    for event in EVENTS[2:4]:
        thread.put(event)
    thread.put(make_event("alerted", "d4"))
    wait_until(lambda: thread.state()["state"] == "failing")
    told = json.dumps(thread.state()) + caplog.text
    thread.stop(30)
    told += "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())
    assert not [secret for secret in case.secrets if secret in told]


def test_wrong_settings_are_an_error_that_names_the_sink_and_shows_no_secret(case):
    with pytest.raises(
        SettingError, match=rf"sinks\.mine: sink '{case.name}' does not take"
    ) as why:
        make_sink("mine", {"type": case.name, **case.settings, "no_such_setting": 1})
    assert not [secret for secret in case.secrets if secret in str(why.value)]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_appears_whole_at_the_end_or_not_at_all(kind, tmp_path):
    path = tmp_path / "out"
    with sinks.get(kind)(path=path) as sink:
        sink.check([])
        sink.write([row("=1+1")])
        assert not path.exists()
        assert sink.finish() == path
    if kind == "csv":
        assert next(csv.DictReader(path.open()))["label"] == "'=1+1"
    else:
        assert json.loads(path.read_text())[0]["label"] == "=1+1"


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_place_where_no_file_can_be_is_refused_before_anything_is_done(kind, tmp_path):
    clip = tmp_path / "pond.mp4"
    clip.write_bytes(b"a clip")
    with pytest.raises(SettingError, match="is a clip of the source"):
        sinks.get(kind)(path=clip).check([clip])
    with pytest.raises(SettingError, match="is a folder"):
        sinks.get(kind)(path=tmp_path).check([])
    with pytest.raises(SettingError, match="cannot be made"):
        sinks.get(kind)(path=clip / "inside" / "out").check([])


class Raises(Sink):
    def write(self, rows):
        raise RuntimeError("no room")


class NoSink:
    """Does not inherit from `Sink`."""


@pytest.fixture
def third_party(monkeypatch):
    for name in ("Raises", "NoSink"):
        point = EntryPoint(name.lower(), f"{__name__}:{name}", "lab.sinks")
        monkeypatch.setitem(sinks._built_in, name.lower(), point)


def test_a_sink_that_fails_keeps_no_other_from_its_rows(third_party, tmp_path):
    named = [{"type": "raises"}, {"type": "csv", "path": str(tmp_path / "out.csv")}]
    with JobSinks(named, Kept()) as made:
        written, failures = made.write([row("otter")])
    assert failures == ["sinks[0]: RuntimeError: no room"]
    assert "otter" in written[0].read_text()


def test_what_is_no_sink_or_is_made_with_other_settings_is_refused(third_party):
    with pytest.raises(LabError, match=r"sinks\[0\]: sink 'nosink' gave a NoSink, expected a"):
        JobSinks([{"type": "nosink"}], Kept())
    with pytest.raises(SettingError, match="does not take these settings: missing a req"):
        JobSinks([{"type": "csv", "pth": "a"}], Kept())
