"""What every sink promises; see `lab.sinks.sink.Sink`."""

import csv
import io
import json
from importlib.metadata import EntryPoint

import pytest

from lab.errors import LabError, SettingError
from lab.jobs.document.sinks import JobSinks
from lab.sinks.files import COLUMNS
from lab.sinks.registered import sinks
from lab.sinks.sink import Sink


class Kept(io.StringIO):
    """Standard output that can be read after the sink is closed."""


SINKS = {
    "console": lambda folder: {"stream": Kept()},
    "csv": lambda folder: {"path": folder / "new" / "out.csv"},
    "json": lambda folder: {"path": folder / "new" / "out.json"},
}


def row(label="otter", onset_s=1.5, **values):
    times = {"onset_s": onset_s, "offset_s": onset_s + 2, "peak_confidence": 0.75}
    known = {"media": "pond.mp4", "analysis": "yolo", "label": label, **times, **values}
    return {name: known.get(name) for name in COLUMNS}


@pytest.fixture(params=SINKS)
def made(request, tmp_path):
    """A sink, and what can be read of what it took."""
    settings = SINKS[request.param](tmp_path)

    def read():
        if "stream" in settings:
            return settings["stream"].getvalue()
        return settings["path"].read_text()

    return sinks.get(request.param)(**settings), read


def test_every_built_in_sink_is_in_the_suite():
    assert set(sinks.names()) == set(SINKS)


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


def test_no_rows_are_an_empty_result_and_not_nothing(made):
    sink, read = made
    with sink:
        sink.check([])
        sink.finish()
    assert read()


def test_closing_twice_is_fine(made):
    sink, _ = made
    sink.close()
    sink.close()


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
