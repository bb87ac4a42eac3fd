"""A video as JPEGs with their times: real clips, and no waiting."""

import cv2
import numpy as np
import pytest

from lab.errors import SourceError
from lab.video.camera import player as module
from lab.video.camera.player import Player
from tests.stopped_clock import StoppedClock

X264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", "-bf", "2")
NTSC = "testsrc2=size=64x48:rate=30000/1001:duration=1.001"


@pytest.fixture
def stopped(monkeypatch):
    """A clock that stands before all: nothing is ever late, nobody waits."""
    clock = StoppedClock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def player(path, fps=None, loop=True, quality=80):
    return Player(str(path), fps=fps, loop=loop, quality=quality)


def some(play, count):
    return [next(play) for _ in range(count)]


def test_frames_come_in_order_with_exact_times_over_loops(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    found = some(player(clip).play(0.0), 75)
    assert [one.due_s for one in found] == [float(i * 1001 / 30000) for i in range(75)]
    assert [one.loop_index for one in found] == [0] * 30 + [1] * 30 + [2] * 15
    assert [one.pts_us for one in found[:30]] == [one.pts_us for one in found[30:60]]
    assert [one.jpeg for one in found[:30]] == [one.jpeg for one in found[30:60]]
    assert not any(one.skipped for one in found)


def test_a_long_video_is_decoded_in_parts_which_nobody_sees(encode, stopped, monkeypatch):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    whole = some(player(clip).play(0.0), 75)
    asked = []

    class Asked(module.FileSource):
        def frames_by_index(self, indices):
            asked.append(len(indices))
            return super().frames_by_index(indices)

    monkeypatch.setattr(module, "FileSource", Asked)
    monkeypatch.setattr(module, "PART_FRAMES", 12)
    assert some(player(clip).play(0.0), 75) == whole
    assert asked[:4] == [1, 20, 10, 20], "the first picture, then from keyframe to keyframe"
    assert some(player(clip).play(0.0, 0.9), 40) == whole[27:67]


def test_the_picture_is_that_of_the_file(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    first = next(player(clip, quality=95).play(0.0))
    capture = cv2.VideoCapture(str(clip))
    expected = capture.read()[1]
    shown = cv2.imdecode(np.frombuffer(first.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == expected.shape
    assert np.median(np.abs(shown.astype(int) - expected)) < 6


def test_a_lower_quality_is_smaller(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    sizes = [len(next(player(clip, quality=q).play(0.0)).jpeg) for q in (10, 90)]
    assert sizes[0] < sizes[1]


def test_a_lower_rate_leaves_frames_out(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    found = some(player(clip, fps=10).play(0.0), 30)
    assert found[-1].due_s == pytest.approx(2.9, abs=0.04)


def test_without_loop_the_last_picture_stays(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    found = some(player(clip, loop=False).play(0.0), 35)
    last = found[29]
    for n, one in enumerate(found[30:], 1):
        assert one.jpeg == b"", "the one before is meant"
        assert (one.pts_us, one.loop_index) == (last.pts_us, 0)
        assert one.due_s == pytest.approx(last.due_s + n * 1001 / 30000)


def test_a_variable_rate_keeps_its_times(encode, stopped):
    vary = "select='lt(n,5)+not(mod(n,7))',settb=1/1000"
    clip = encode("vary.mkv", "-vf", vary, "-fps_mode", "passthrough", *X264,
                  source="testsrc2=size=64x48:rate=25:duration=1")  # fmt: skip
    found = some(player(clip).play(0.0), 8)
    assert [one.due_s for one in found] == pytest.approx(
        [0, 0.04, 0.08, 0.12, 0.16, 0.28, 0.56, 0.84]
    )


def test_a_clip_without_times_of_its_own_has_those_of_its_rate(encode, stopped):
    clip = encode("reordered.avi", *X264, source="testsrc2=size=64x48:rate=20:duration=1")
    found = some(player(clip).play(0.0), 25)
    assert [one.due_s for one in found] == pytest.approx([i / 20 for i in range(25)])


def test_one_that_begins_late_goes_on_where_the_others_are(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    begun, anew = some(player(clip).play(0.0), 60), next(player(clip).play(0.0, 1.5))
    assert anew == next(one for one in begun if one.due_s >= 1.5)
    after = next(player(clip).play(0.0, 1.5, begun[20].due_s))
    assert after == anew._replace(skipped=begun.index(anew) - 21)


def test_one_that_begins_after_the_end_shows_the_last_picture(encode, stopped):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    last = some(player(clip, loop=False).play(0.0), 30)[-1]
    anew = next(player(clip, loop=False).play(0.0, 100.0))
    assert anew.jpeg == last.jpeg
    assert anew.due_s == pytest.approx(100, abs=0.04)


def test_after_a_stall_it_goes_on_where_the_media_is_now(encode, stopped):
    clip = encode("long.mp4", *X264, source="testsrc2=size=64x48:rate=30:duration=12")
    play = player(clip).play(0.0)
    some(play, 10)
    stopped.now = 6.0
    found = some(play, 2)
    assert 6.0 <= found[0].due_s < 6.5
    assert found[0].skipped == round(found[0].due_s * 30) - 10
    assert found[1].due_s - found[0].due_s == pytest.approx(1 / 30)
    assert found[1].skipped == 0


def test_a_short_stall_leaves_out_only_what_is_overtaken(encode, stopped):
    clip = encode("long.mp4", *X264, source="testsrc2=size=64x48:rate=30:duration=12")
    play = player(clip).play(0.0)
    some(play, 9)
    stopped.now = 0.35
    assert next(play).due_s == 0.3, "late, but the first after a while"
    stopped.now = 0.5
    found = next(play)
    assert found.due_s == pytest.approx(0.5, abs=0.04)
    assert found.skipped == round(found.due_s * 30) - 10


def test_facts_are_those_of_the_media(encode):
    clip = encode("ntsc.mp4", *X264, source=NTSC)
    assert player(clip).facts() == {
        "width": 64, "height": 48, "rate": "30000/1001", "frames": 30,
        "duration_s": pytest.approx(1.001), "codec": "h264",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", "a text file, not a video"),
        (bytes(range(256)) * 40, "not a video"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(tmp_path, content, why):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=why) as raised:
        player(path)
    assert "\n" not in str(raised.value)


def test_a_video_whose_index_is_missing_says_so(encode, tmp_path):
    whole = encode("ntsc.mp4", *X264, source=NTSC).read_bytes()
    path = tmp_path / "clip.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="cut off"):
        player(path)


def test_where_no_keyframe_is_ahead_it_goes_on_in_line(encode, stopped):
    one_key = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "900", "-sc_threshold", "0")
    clip = encode("one_key.mp4", *one_key, source="testsrc2=size=64x48:rate=30:duration=12")
    play = player(clip).play(0.0)
    some(play, 10)
    stopped.now = 6.0
    assert next(play).due_s == pytest.approx(10 / 30), "the next one, however late"
    assert next(play).due_s == pytest.approx(6.0, abs=0.04)
