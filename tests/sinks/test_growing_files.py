"""CSV and JSON lines that grow while a feed runs, and what is printed."""

import csv
import io
import json
import resource

import pytest

from lab.errors import LabError, SettingError
from lab.sinks.console import ConsoleSink
from lab.sinks.files import EVENT_COLUMNS, CsvSink, JsonlSink
from tests.sinks.events import make_event, make_jpeg

SINKS = {"csv": (CsvSink, ["closed"]), "jsonl": (JsonlSink, None)}


def rows_of(path):
    if path.suffix == ".csv":
        return list(csv.DictReader(path.open(newline="")))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(params=SINKS)
def make(request, tmp_path):
    """make() gives the sink, always of the same file, at `make.path`."""

    def made(**settings):
        return SINKS[request.param][0](path=made.path, events=["closed"], **settings)

    made.path = tmp_path / "new" / f"out.{request.param}"
    return made


def test_each_event_is_there_as_soon_as_it_was_delivered(make):
    with make() as sink:
        for n in range(3):
            sink.deliver(make_event("closed", f"s{n}", picture_jpeg=make_jpeg()))
            sink.deliver(make_event("opened", f"s{n}"))
            assert [row["sighting_id"] for row in rows_of(make.path)][n:] == [f"s{n}"]
        assert sink.finish() == make.path
    assert len(rows_of(make.path)) == 3


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_after_a_kill_there_is_no_half_line_and_nothing_twice(make, cut):
    with make() as sink:
        for n in range(3):
            sink.deliver(make_event("closed", f"s{n}"))
    make.path.write_bytes(make.path.read_bytes()[:-cut])
    with make() as sink:
        for n in range(4):
            sink.deliver(make_event("closed", f"s{n}"))
            sink.deliver(make_event("closed", f"s{n}"))
    assert [row["sighting_id"] for row in rows_of(make.path)] == ["s0", "s1", "s2", "s3"]


def test_a_kill_in_the_first_line_leaves_a_file_that_is_gone_on_with(make):
    with make() as sink:
        sink.deliver(make_event("closed"))
    make.path.write_bytes(make.path.read_bytes()[:20])
    with make() as sink:
        sink.deliver(make_event("closed"))
    assert len(rows_of(make.path)) == 1


def test_a_file_that_was_moved_away_is_begun_anew(make):
    with make() as sink:
        sink.deliver(make_event("closed", "s0"))
        make.path.rename(make.path.with_name("old"))
        sink.deliver(make_event("closed", "s1"))
    assert [row["sighting_id"] for row in rows_of(make.path)] == ["s1"]


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" * 10, b"name,age\n", b"a line"])
def test_a_file_of_something_else_is_left_as_it_is(make, content):
    make.path.parent.mkdir()
    make.path.write_bytes(content)
    with make() as sink, pytest.raises(SettingError, match="holds something else; name another"):
        sink.deliver(make_event("closed"))
    assert make.path.read_bytes() == content


def test_text_of_several_lines_and_formulas_stay_one_row(make):
    with make() as sink:
        sink.deliver(make_event("closed", label='=1+1\nb,"c"'))
    (row,) = rows_of(make.path)
    assert row["label"] == ('\'=1+1 b,"c"' if make.path.suffix == ".csv" else '=1+1\nb,"c"')


@pytest.fixture
def no_room_after():
    """no_room_after(size): files of this process can grow to so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_and_leaves_whole_lines(make, no_room_after):
    with make() as sink:
        sink.deliver(make_event("closed", "s0"))
        size = make.path.stat().st_size
        no_room_after(size + 50)
        with pytest.raises(LabError, match="cannot be written"):
            sink.deliver(make_event("closed", "s1"))
        assert make.path.stat().st_size == size
        no_room_after(1 << 30)
        sink.deliver(make_event("closed", "s1"))
    assert [row["sighting_id"] for row in rows_of(make.path)] == ["s0", "s1"]


def test_the_columns_of_csv_are_those_of_an_event(tmp_path):
    path = tmp_path / "out.csv"
    with CsvSink(path=path) as sink:
        for kind in ("opened", "alerted", "closed"):
            sink.deliver(make_event(kind))
    (row,) = rows_of(path)
    assert list(row) == EVENT_COLUMNS
    assert (row["duration_s"], row["close_reason"], row["is_test"]) == ("7.75", "exit", "false")


def test_lines_of_json_hold_every_event_by_default(tmp_path):
    path = tmp_path / "out.jsonl"
    events = [make_event(kind) for kind in ("opened", "updated", "alerted", "closed")]
    with JsonlSink(path=path) as sink:
        for event in events:
            sink.deliver(event)
    assert rows_of(path) == [json.loads(json.dumps(event.to_dict())) for event in events]


def test_the_console_says_what_happens_in_lines():
    out = io.StringIO()
    with ConsoleSink(stream=out) as sink:
        for kind in ("opened", "closed"):
            sink.deliver(make_event(kind, label="otter\x1b[31m\n"))
        sink.finish()
    opened, closed = out.getvalue().splitlines()
    assert "The pond: otter [31m   0.75" in opened
    assert closed.endswith("7.8 s, exit")
