"""What is kept of a connection gives the same again, whatever befell it."""

from dataclasses import replace

import av
import numpy as np
import pytest

import lab.video.live.reader as reader_module
from lab.errors import SourceError
from lab.video.live import given_samples
from lab.video.live.capture import Capture, Captured
from lab.video.live.pictures import Freshness
from lab.video.live.reader import Reader
from lab.video.live.recorder import Recorder
from lab.video.live.recording_index import INDEX, read_lines, read_recording
from lab.video.live.tail import Tail, as_in_mp4, read_tail
from lab.video.sources.recording import RecordingSource


class Played(Capture):
    """Gives the packets of a clip at once; moved: of each packet's number, ticks to add to it."""

    def __init__(self, clip, moved=lambda number: 0):
        self._clip, self._moved = clip, moved

    def read(self):
        with av.open(str(self._clip)) as container:
            self.stream = stream = container.streams.video[0]
            stream.codec_context.thread_type = "SLICE"
            for number, packet in enumerate(container.demux(stream)):
                if packet.size:
                    packet.pts += self._moved(number)
                    packet.dts += self._moved(number)
                    yield Captured(packet, tuple(stream.codec_context.decode(packet)))

    def time_base(self):
        return self.stream.time_base


@pytest.fixture(scope="module")
def clip(encode):
    return encode(
        "long.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "20", "-bf", "2",
        source="testsrc2=size=64x48:rate=10:duration=15",
    )  # fmt: skip


@pytest.fixture
def told(monkeypatch):
    """The frames that readers tell, which hold no more than two at a time, apart."""
    lines = []
    for module in (reader_module, given_samples):
        monkeypatch.setattr(module, "say", lambda kind, **values: lines.append((kind, values)))
    return lines


def read(folder, capture, **settings):
    slots = folder / str(len(list(folder.glob("*"))))
    slots.mkdir(parents=True)
    given = {"folder": slots, "every_s": [0.5], "recording": folder / "recording", **settings}
    Reader(capture, given).run()
    return folder / "recording"


def times_of(told):
    return [values["pts_us"] for kind, values in told if kind == "frame"]


def again(recording):
    return list(RecordingSource(recording).frames(0.5))


def test_old_files_that_were_removed_move_no_time_and_no_number(tmp_path, clip, told, monkeypatch):
    monkeypatch.setattr("lab.video.live.recorder.SEGMENT_S", 4)
    recording = read(tmp_path / "a", Played(clip))
    whole = again(recording)
    assert [frame.pts_us for frame in whole] == times_of(told)
    assert len(list(recording.glob("*.mp4"))) == 4
    (recording / "000001.mp4").unlink()
    (recording / "000002.mp4").unlink()
    rest = again(recording)
    assert 10 < len(rest) < len(whole)
    expected = whole[-len(rest) :]
    assert [(f.index, f.pts_us) for f in rest] == [(f.index, f.pts_us) for f in expected]
    for one, other in zip(rest, expected, strict=True):
        assert np.array_equal(one.image_bgr, other.image_bgr)


@pytest.mark.parametrize("hours", [1, -1])
def test_time_may_jump_in_the_middle_of_a_group_of_pictures(tmp_path, clip, told, hours):
    jump = hours * 3600 * 10240
    recording = read(tmp_path / "a", Played(clip, lambda number: 3 + (number >= 47) * jump))
    found = again(recording)
    assert [frame.pts_us for frame in found] == times_of(told)
    assert len(found) > 15
    assert sum(kind == "epoch" for kind, _ in told) == 2


def test_a_jump_to_a_time_that_was_there_already(tmp_path, clip, told):
    recording = read(tmp_path / "a", Played(clip, lambda number: (number >= 40) * -20 * 1024))
    assert [frame.pts_us for frame in again(recording)] == times_of(told)


def test_a_change_of_the_wall_clock_moves_no_time(tmp_path, clip, told, monkeypatch):
    import time

    real, calls = time.time, []

    def changed():
        calls.append(1)
        return real() + (-3600 if len(calls) > 60 else 0)

    monkeypatch.setattr(reader_module.time, "time", changed)
    recording = read(tmp_path / "a", Played(clip))
    steps = set(np.diff(times_of(told)).tolist())
    assert steps == {500_000}
    assert sum(kind == "epoch" for kind, _ in told) == 1
    walls = [values["wall_time"] for kind, values in told if kind == "frame"]
    assert min(np.diff(walls)) < -3000
    assert [frame.pts_us for frame in again(recording)] == times_of(told)


def test_what_was_kept_and_never_given_is_left_out(tmp_path, clip, told):
    """The next connection knows up to where the one before was heard."""
    folder = tmp_path / "a"
    recording = read(folder, Played(clip))
    first = times_of(told)
    told.clear()
    heard_us = 8_000_000
    settings = {"last_us": heard_us, "since_us": 3_000_000, "first_index": 81}
    read(folder, Played(clip), **settings)
    expected = [us for us in first if us <= heard_us] + times_of(told)
    assert [frame.pts_us for frame in again(recording)] == expected
    assert times_of(told)[0] >= heard_us + 3_000_000


def test_a_line_that_was_not_finished_spoils_no_other(tmp_path, clip, told):
    folder = tmp_path / "a"
    recording = read(folder, Played(clip))
    with (recording / INDEX).open("a") as file:
        file.write('{"kind": "epoch", "first_ti')
    read(folder, Played(clip), last_us=14_900_000, first_index=150)
    assert len(read_recording(recording)) == 2
    assert len(again(recording)) == len(times_of(told))
    names = [line["name"] for line in read_lines(recording) if line["kind"] == "segment"]
    assert len(set(names)) == len(names)


def test_a_connection_that_gave_nothing_leaves_no_line(tmp_path):
    recorder = Recorder(tmp_path / "a")
    recorder.close()
    assert (tmp_path / "a" / INDEX).read_text() == ""
    assert again(tmp_path / "a") == []


def test_a_disk_that_is_full_ends_the_recording_and_nothing_else(tmp_path, clip, told, monkeypatch):
    def full(self, *given):
        if self._packets == 30:
            raise OSError(28, "No space left on device")
        return add(self, *given)

    add = Recorder.add
    monkeypatch.setattr(Recorder, "add", full)
    recording = read(tmp_path / "a", Played(clip))
    assert ("unrecorded", {"reason": "No space left on device"}) in told
    live, kept = times_of(told), [frame.pts_us for frame in again(recording)]
    assert len(live) == 30
    assert kept == live[: len(kept)]
    assert len(kept) >= 5


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(SourceError, match=f"holds no recording: there is no {INDEX}"):
        RecordingSource(tmp_path)


def test_the_last_packet_is_there_if_it_was_cut_off(tmp_path):
    packet = av.Packet(b"\0\0\0\1abc")
    packet.pts, packet.dts, packet.is_keyframe = 7, None, True
    tail = Tail(tmp_path / "x.tail")
    tail.keep(3, av.Packet(b"longer than the next one"))
    tail.keep(4, packet)
    assert read_tail(tmp_path / "x.tail", 3) is None
    found = read_tail(tmp_path / "x.tail", 4)
    assert (bytes(found), found.pts, found.dts) == (bytes(packet), 7, None)
    assert found.is_keyframe
    tail.remove()
    assert read_tail(tmp_path / "x.tail", 4) is None


def test_packets_with_start_codes_are_kept_as_mp4_holds_them():
    data = b"\0\0\0\1ab\0\0\1c\0\0\0\1d\0e"
    assert as_in_mp4(data, "h264", b"\1x") == b"\0\0\0\2ab\0\0\0\1c\0\0\0\3d\0e"
    assert as_in_mp4(data, "mjpeg", b"\1x") == data
    assert as_in_mp4(data, "h264", data) == data
    assert as_in_mp4(b"\0\0\0\2ab", "h264", b"\1x") == b"\0\0\0\2ab"


def frame_of(value):
    return av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8)).reformat(
        format="yuv420p"
    )


def test_a_few_pictures_again_and_again_are_a_frozen_one():
    freshness = Freshness(0.0)
    for second in range(40):
        freshness.see(frame_of(second % 4 * 20), float(second))
    assert freshness.same_s() == 36.0
    freshness.see(frame_of(200), 41.0)
    assert freshness.same_s() == 0.0


class WithClock(Played):
    """A camera that tells its clock from its 31st frame on; it goes wrong by 1 %, and is set back
    by an hour at its 100th frame.
    """

    def read(self):
        for number, captured in enumerate(super().read()):
            camera_time = 1e9 + number * 0.101 - 3600 * (number >= 100)
            yield replace(captured, camera_time=camera_time if number >= 30 else None)


def test_the_clock_of_the_camera_is_the_same_live_and_from_the_packets(tmp_path, clip, told):
    jump = 3600 * 10240
    capture = WithClock(clip, lambda number: (number >= 70) * jump)
    recording = read(tmp_path / "a", capture)
    live = [values["camera_time"] for kind, values in told if kind == "frame"]
    assert [frame.camera_time for frame in again(recording)] == live
    assert live[:5] == [None] * 5
    known = np.array([at for at in live if at is not None])
    assert len(known) > 20
    right = np.array([values["index"] for kind, values in told if kind == "frame"])[-len(known) :]
    right = 1e9 + right * 0.101 - 3600 * (right >= 100)
    assert np.abs(known - right).max() < 0.25, "two frames late, and 20 ms are nothing new"
    clocks = [line for line in read_lines(recording) if line["kind"] == "camera_clock"]
    assert len(clocks) < 75
