"""What was recorded goes when it is too old or too much, and never while it is written."""

import os
import time

import pytest

from lab.feeds.kept_recordings import forget_empty, remove_old_packets

DAY_S = 24 * 3600.0


@pytest.fixture
def put(tmp_path):
    """put(name, age_s, kib) makes a file of a recording."""

    def one(name, age_s, kib=1):
        file = tmp_path / "recording" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(kib * 1024))
        os.utime(file, (time.time() - age_s,) * 2)

    return one


def names(folder):
    root = folder / "recording"
    return sorted(str(one.relative_to(root)) for one in root.rglob("*") if one.is_file())


def test_old_segments_go_with_all_that_lies_beside_them(put, tmp_path):
    for name in ("000001.mp4", "000001.tail", "000002.nut", "000002.tail", "000003.mp4"):
        put(f"a/{name}", 2 * DAY_S)
    put("a/recording.jsonl", 2 * DAY_S)
    put("b/000001.nut", 3600)
    put("b/000002.mp4", 10)
    assert remove_old_packets(tmp_path, DAY_S, 1 << 30) == 3
    assert names(tmp_path) == ["a/recording.jsonl", "b/000001.nut", "b/000002.mp4"]


@pytest.mark.parametrize("last", ["000003.mp4", "000003.nut"])
def test_what_is_being_written_stays_however_old_its_last_packet_is(put, tmp_path, last):
    for name in ("000001.mp4", "000002.nut", "000002.tail", last, "000003.tail"):
        put(f"a/{name}", 2 * DAY_S)
    in_use = tmp_path / "recording" / "a"
    assert remove_old_packets(tmp_path, 0.0, 0, in_use) == 2
    assert names(tmp_path) == sorted([f"a/{last}", "a/000003.tail"])
    assert remove_old_packets(tmp_path, 0.0, 0, None) == 1  # once it is over
    assert names(tmp_path) == []


def test_one_that_ended_just_now_may_still_be_closed_by_its_reader(put, tmp_path):
    put("a/000001.mp4", 5)
    assert remove_old_packets(tmp_path, 0.0, 0) == 0


def test_beyond_so_many_bytes_the_oldest_go(put, tmp_path):
    for number in range(1, 5):
        put(f"a/{number:06d}.mp4", 3600 - number, 10)
    put("a/000004.tail", 3000, 10)
    put("b/000001.mp4", 5, 10)
    in_use = tmp_path / "recording" / "b"
    assert remove_old_packets(tmp_path, DAY_S, 35 << 10, in_use) == 2
    assert names(tmp_path) == ["a/000003.mp4", "a/000004.mp4", "a/000004.tail", "b/000001.mp4"]


def test_only_recordings_that_never_had_a_packet_are_forgotten(put, tmp_path):
    put("a/recording.jsonl", DAY_S, 0)
    put("b/recording.jsonl", DAY_S, 0)
    put("b/000001.nut", DAY_S)
    forget_empty(tmp_path)
    assert names(tmp_path) == ["b/000001.nut", "b/recording.jsonl"]
