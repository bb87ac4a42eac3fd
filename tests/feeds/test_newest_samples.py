"""The file of a feed's newest samples: written while somebody watches, read by another process."""

import numpy as np
import pytest

from lab.detection import Detections
from lab.feeds.newest_samples import NewestSamples, SamplesReader, sample_of
from lab.frame import FrameStamp
from lab.video.source import SKIPPED
from tests.builders import make_detections


def stamp(i):
    return FrameStamp(i, i * 100_000, 1.0)


@pytest.fixture
def newest(tmp_path):
    made = NewestSamples(tmp_path / "newest_samples")
    yield made
    made.close()


def times(samples):
    return [one["pts_us"] // 100_000 for one in samples]


def test_nothing_is_written_while_nobody_watches(newest, tmp_path):
    newest.put("a", stamp(0), make_detections())
    assert not (tmp_path / "newest_samples").exists()
    newest.ask(60)
    newest.put("a", stamp(1), make_detections())
    with SamplesReader(tmp_path / "newest_samples") as reader:
        assert times(reader.read("a")) == [1]


def test_each_sample_is_read_once_by_everybody_and_those_of_another_run_are_left(newest, tmp_path):
    newest.ask(60)
    newest.put("old", stamp(7), make_detections())
    newest.put("a", stamp(0), make_detections(("cat", 0.51239, (1, 2.4, 30.6, 40))))
    with (
        SamplesReader(tmp_path / "newest_samples") as one,
        SamplesReader(tmp_path / "newest_samples") as other,
    ):
        (first,) = one.read("a")
        assert first == {
            "pts_us": 0,
            "frame_index": 0,
            "wall_time": 1.0,
            "state": "ok",
            "boxes": [["cat", 0.5124, 1, 2, 31, 40]],
            "after_us": None,
        }
        assert one.read("a") == []
        newest.close()  # as at a restart of the feed: its readers go on
        for i in range(1, 4):
            newest.put("a", stamp(i), make_detections())
        assert times(one.read("a")) == [1, 2, 3]
        assert times(other.read("a")) == [0, 1, 2, 3]
        for i in range(4, 300):
            newest.put("a", stamp(i), make_detections())
        assert times(one.read("a")) == list(range(300 - 64, 300)), "the newest that are left"


def test_each_sample_says_which_one_was_before_it_also_one_that_was_left_out(newest, tmp_path):
    newest.put("old", stamp(9), make_detections())
    newest.put("a", stamp(0), make_detections())  # nobody watches
    newest.ask(60)
    newest.put("a", stamp(1), make_detections())
    newest.put("a", stamp(2), Detections.held_back(SKIPPED))
    far = [(f"{'long' * 200} {i}", 0.5, (1, 2, 3, 4)) for i in range(100)]
    newest.put("a", stamp(3), make_detections(*far))  # it has no room
    newest.put("a", stamp(4), make_detections())
    with SamplesReader(tmp_path / "newest_samples") as reader:
        found = reader.read("a")
    assert times(found) == [1, 4]
    assert [one["after_us"] for one in found] == [0, 300_000]
    newest.put("b", stamp(0), make_detections())
    with SamplesReader(tmp_path / "newest_samples") as reader:
        assert reader.read("b")[0]["after_us"] is None


def test_a_slot_that_is_half_written_is_passed_over(newest, tmp_path):
    newest.ask(60)
    for i in range(3):
        newest.put("a", stamp(i), make_detections())
    file = tmp_path / "newest_samples"
    with SamplesReader(file) as reader:
        content = bytearray(file.read_bytes())
        at = content.index(b'"pts_us": 100000')
        content[at + 10] = ord("9")
        file.write_bytes(content)
        assert times(reader.read("a")) == [0, 2]
    file.write_bytes(b"something else")
    with SamplesReader(file) as reader:
        assert reader.read("a") == []


def test_samples_say_why_they_are_not_ok_and_of_many_boxes_the_strongest_are_kept():
    failed = sample_of(FrameStamp(0, 0, 1.0, "no key frame"), Detections())
    assert (failed["state"], failed["why"], failed["boxes"]) == ("failed", "no key frame", [])
    gated = sample_of(stamp(0), Detections.held_back("nothing moved"))
    assert (gated["state"], gated["why"]) == ("gated", "nothing moved")
    n = 1000
    rising = np.linspace(0.1, 0.9, n, dtype=np.float32)
    boxes = np.tile(np.float32([1000, 1000, 1100, 1100]), (n, 1))
    many = sample_of(stamp(0), Detections(["something"] * n, rising, boxes))
    assert [row[1] for row in many["boxes"]] == [round(float(c), 4) for c in rising[-200:]]
