"""Pieces of recordings: the same pictures at the same times."""

from contextlib import closing

import av
import numpy as np
import pytest

from lab.errors import SourceError
from lab.video.live.cutting import cut, keyframe_before, picture_at, recorded_until
from lab.video.live.media_clock import Epoch
from lab.video.live.recorder import Recorder
from tests.recordings import CLIP, X264, frames_of, record


@pytest.fixture
def clip(encode):
    return encode("small-pond.mp4", *X264, source=CLIP)


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr("lab.video.live.recorder.SEGMENT_S", 3)


def same_pictures(piece, pictures):
    """Whether a file that was copied has exactly the pictures of its time."""
    found = {time + piece.from_us: image for time, image in frames_of(piece.path).items()}
    wanted = {t: image for t, image in pictures.items() if piece.from_us <= t <= max(found)}
    assert list(found) == sorted(wanted)
    return all(np.array_equal(found[time], wanted[time]) for time in found)


def test_a_piece_begins_with_the_keyframe_before_and_has_the_same_pictures(
    clip, tmp_path, short_segments
):
    pictures = record(tmp_path / "rec", clip)
    assert len(list((tmp_path / "rec").glob("*.mp4"))) > 2
    (piece,) = cut(tmp_path / "rec", 3_500_000, 9_100_000, tmp_path / "new" / "out.mp4")
    assert piece.from_us == keyframe_before(tmp_path / "rec", 3_500_000) == 2_000_000
    assert piece.until_us > 9_050_000
    assert not piece.is_encoded_again
    assert same_pictures(piece, pictures)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["out.mp4"]


def test_a_piece_can_be_played_while_it_is_fetched(clip, tmp_path):
    record(tmp_path / "rec", clip)
    (piece,) = cut(tmp_path / "rec", 0, 3_000_000, tmp_path / "out.mp4")
    data = piece.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_what_is_recorded_is_known_up_to_the_last_picture(clip, tmp_path, short_segments):
    pictures = record(tmp_path / "rec", clip)
    assert recorded_until(tmp_path / "rec") == max(pictures)
    assert np.array_equal(picture_at(tmp_path / "rec", 5_000_000), pictures[5_000_000])
    assert picture_at(tmp_path / "rec", 5_000_001) is None


@pytest.mark.parametrize(
    "jump", [(60, 3600), (60, -3600), (67, 3600), (67, -3600), (67, -3), (60, 40)], ids=str
)
def test_a_clock_that_is_set_moves_no_picture(jump, clip, tmp_path, short_segments):
    pictures = record(tmp_path / "rec", clip, jump=jump)
    (piece,) = cut(tmp_path / "rec", 4_100_000, 11_000_000, tmp_path / "out.mp4")
    found = {time + piece.from_us: image for time, image in frames_of(piece.path).items()}
    for time, image in found.items():
        near = min(pictures, key=lambda one: abs(one - time))
        assert abs(near - time) <= 1
        assert np.array_equal(image, pictures[near])


def test_a_reconnect_is_part_of_the_piece_and_the_gap_stays(clip, tmp_path, short_segments):
    first = record(tmp_path / "rec", clip)
    last = max(first)
    second = record(tmp_path / "rec", clip, last_us=last, since_us=7_000_000)
    assert min(second) == last + 7_000_000
    (piece,) = cut(tmp_path / "rec", last - 1_000_000, last + 9_000_000, tmp_path / "out.mp4")
    assert same_pictures(piece, first | second)


def test_other_parameters_begin_another_file(clip, encode, tmp_path):
    first = record(tmp_path / "rec", clip)
    small = encode("small.mp4", "-vf", "scale=80:60", "-pix_fmt", "yuv420p", "-c:v", "libx264")
    second = record(tmp_path / "rec", small, last_us=max(first), since_us=2_000_000)
    pieces = cut(tmp_path / "rec", 10_000_000, 16_000_000, tmp_path / "out.mp4")
    assert [piece.path.name for piece in pieces] == ["out.mp4", "out-2.mp4"]
    assert same_pictures(pieces[0], first)
    assert same_pictures(pieces[1], second)


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        (("-c:v", "mjpeg", "-q:v", "3"), {}),
        (("-c:v", "libx264", "-g", "30"), {"width_px": 160}),
        (("-c:v", "libx264", "-g", "30"), {"frame_rate": 10}),
    ],
    ids=["mjpeg", "width", "frame rate"],
)
def test_what_browsers_do_not_play_or_was_not_wanted_is_encoded_again(
    options, limits, encode, tmp_path
):
    other = encode(f"{options[1]}-{len(options)}.mp4", "-pix_fmt", "yuv420p", *options, "-t", "4")
    pictures = record(tmp_path / "rec", other)
    (piece,) = cut(tmp_path / "rec", 1_000_000, 3_000_000, tmp_path / "out.mp4", **limits)
    assert piece.is_encoded_again
    with av.open(str(piece.path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.width == limits.get("width_px", 320)
    found = frames_of(piece.path)
    assert len(found) <= 32 if "frame_rate" in limits else len(found) > 55
    if not limits:
        for time, image in found.items():
            assert np.abs(image.astype(int) - pictures[time + piece.from_us]).mean() < 8


def test_a_recording_that_is_still_being_written_can_be_cut(clip, tmp_path):
    recorder = Recorder(tmp_path / "rec")
    with av.open(str(clip)) as container, closing(recorder):
        stream = container.streams.video[0]
        recorder.begin_epoch(Epoch(0, stream.time_base, 0, 0.0))
        for packet in container.demux(stream):
            if packet.size and packet.pts * packet.time_base < 7:
                recorder.add(packet, stream)
        until = recorded_until(tmp_path / "rec")
        assert 5_500_000 < until < 7_000_000
        (piece,) = cut(tmp_path / "rec", 2_100_000, 5_000_000, tmp_path / "out.mp4")
        assert len(frames_of(piece.path)) >= 30


def test_what_is_not_kept_any_more_is_an_error_and_leaves_nothing(clip, tmp_path, short_segments):
    record(tmp_path / "rec", clip)
    for file in sorted((tmp_path / "rec").glob("*.mp4"))[1:]:
        file.unlink()
    with pytest.raises(SourceError, match="nothing is kept"):
        cut(tmp_path / "rec", 8_000_000, 9_000_000, tmp_path / "out" / "out.mp4")
    assert not list(tmp_path.glob("out/*"))
    with pytest.raises(SourceError, match="holds no recording"):
        cut(tmp_path / "nothing", 0, 1, tmp_path / "out.mp4")
