"""Where the segments of a recording lie: each frame has the media time that it had live."""

import json
import shutil
import time
from pathlib import Path

import av
import pytest

from lab.errors import SourceError
from lab.video.live.connection import Connection
from lab.video.live.playback import browser_type, placed_segments, recorded_pictures
from lab.video.live.recorded_frames import recorded_frames
from tests.paced_stream import paced_stream

CLIP = Path(__file__).parents[2] / "sample_videos" / "cat_then_person.mp4"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Of two connections."""
    folder = tmp_path_factory.mktemp("recording")
    last_us = None
    for _ in range(2):
        with (
            paced_stream(CLIP) as url,
            Connection("stream", {"url": url}, [0.5], recording=folder, last_us=last_us) as live,
        ):
            end = time.monotonic() + 60
            while live.frames < 25:
                assert time.monotonic() < end
                last_us = max([last_us or 0, *(frame.pts_us for frame in live.take(0.1))])
    return folder


def times_of(file):
    with av.open(str(file)) as container:
        return [frame.time for frame in container.decode(video=0)]


@pytest.mark.long
def test_each_frame_of_a_segment_is_where_it_was_live(recording):
    live = [one.pts_us / 1e6 for one in recorded_frames(recording)]
    segments = placed_segments(recording)
    assert len(segments) == 2
    assert segments[0].start_s <= 0 < segments[0].until_s <= segments[1].start_s + 1
    assert segments[1].until_s is None
    placed = [t + s.offset_s for s in segments for t in times_of(recording / s.name)]
    nearest = [min(abs(one - time_s) for one in placed) for time_s in live]
    assert max(nearest) < 1e-5


@pytest.mark.long
def test_a_browser_is_told_the_codec(recording):
    kind, name = browser_type(recording / placed_segments(recording)[0].name)
    assert kind.startswith('video/mp4; codecs="avc1.')
    assert name == "h264"


def test_a_jump_of_the_clock_ends_the_stretch_of_its_segment(tmp_path):
    first = {"first_ticks": 180_000, "time_base": "1/90000", "media_us": 0, "wall_time": 1.0}
    later = {**first, "first_ticks": 9, "media_us": 5_000_000}
    lines = [
        {"kind": "connection"},
        {"kind": "segment", "name": "000001.mp4", "shift": 0, "time_base": "1/90000"},
        {"kind": "epoch", **first},
        {"kind": "epoch", **later},
        {
            "kind": "segment",
            "name": "000002.mp4",
            "shift": 90_009 - 180_000,
            "time_base": "1/90000",
        },
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "recording.jsonl").write_text(text + '{"kind": "seg')  # is being written
    one, two = placed_segments(tmp_path)
    assert (one.offset_s, one.start_s, one.until_s) == (-2.0, 0.0, 5.0)
    assert (two.start_s, two.until_s) == (6.0, None)


def test_a_folder_without_a_recording_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="holds no recording"):
        placed_segments(tmp_path)


@pytest.mark.long
def test_pictures_are_those_of_their_moments(recording):
    live = list(recorded_frames(recording))
    chosen = [live[3], live[12], live[-2]]
    times = [one.pts_us for one in chosen]
    found = list(recorded_pictures(recording, [times[0], times[1] + 20_000, times[2]]))
    assert [frame.pts_us for frame in found] == pytest.approx(times, abs=1000)
    for one, frame in zip(chosen, found, strict=True):
        assert (frame.image_bgr == one.picture().image_bgr).all()


@pytest.mark.long
def test_pictures_are_those_of_their_moments_wherever_keyframes_are(encode, tmp_path):
    clip = encode(
        "keys.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10",
        source="testsrc2=size=64x48:rate=30:duration=5",
    )  # fmt: skip
    with Connection("file", {"path": str(clip)}, [0.5], is_finite=True, recording=tmp_path) as live:
        end = time.monotonic() + 60
        while not live.has_ended:
            assert time.monotonic() < end
            live.take(0.1)
    frames = list(recorded_frames(tmp_path))
    chosen = frames[1::17]
    found = list(recorded_pictures(tmp_path, [one.pts_us for one in chosen]))
    for one, frame in zip(chosen, found, strict=True):
        (alone,) = recorded_pictures(tmp_path, [one.pts_us])
        for shown in (frame, alone):
            assert (shown.image_bgr == one.picture().image_bgr).all()


def test_a_picture_of_a_segment_that_is_gone_is_left_out(recording, tmp_path):
    copy = shutil.copytree(recording, tmp_path / "copy")
    first, second = placed_segments(copy)
    (copy / first.name).unlink()
    at_us = round(second.start_s * 1e6) + 400_000
    assert len(list(recorded_pictures(copy, [100_000, at_us]))) == 1
