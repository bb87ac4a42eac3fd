"""Events of a feed are numbered on, whatever became of the process."""

import json
import time

import pytest

from lab.feeds.event_numbers import EventNumbers


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sequence.json"


def given(file, count):
    """What a process gives that is killed then."""
    numbers = EventNumbers(file)
    return [numbers.next() for _ in range(count)]


def test_numbers_rise_over_kills_and_none_is_given_twice(file):
    found = [number for count in (3, 1, 1005, 2) for number in given(file, count)]
    assert found[:3] == [1, 2, 3]
    assert found == sorted(set(found))


def test_after_a_clean_end_none_is_left_out(file):
    for first in (1, 4, 7):
        numbers = EventNumbers(file)
        assert [numbers.next() for _ in range(3)] == [first, first + 1, first + 2]
        numbers.close()
    EventNumbers(file).close()  # which gave none
    assert given(file, 1) == [10]


@pytest.mark.parametrize("content", ["", '{"next": 10', "[]", '{"next": "soon"}', "null"])
def test_where_the_file_is_damaged_they_go_on_beyond_all_that_were_given(file, content):
    before = given(file, 5)
    file.write_text(content)
    assert given(file, 1)[0] >= int(time.time()) - 60 > before[-1]


def test_where_none_can_be_set_apart_none_is_given(file, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    numbers = EventNumbers(file)
    first = numbers.next()
    with monkeypatch.context() as patched:
        patched.setattr("lab.feeds.event_numbers.write_atomically", full)
        assert [numbers.next() for _ in range(999)][-1] == first + 999
        with pytest.raises(OSError, match="No space left"):
            numbers.next()
        numbers.close()
    assert numbers.next() == first + 1000
    assert json.loads(file.read_text())["next"] == first + 2000
