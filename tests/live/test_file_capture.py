"""A clip that is played as if it were live."""

import pytest

from lab.errors import SettingError
from lab.video.live import pace
from lab.video.live.captures.file import FileCapture
from tests.live.watching import Watched
from tests.stopped_clock import StoppedClock


@pytest.fixture(scope="module")
def clip(encode):
    """One second with pictures that are presented in another order than they come."""
    return encode(
        "second.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", "-bf", "2",
        source="testsrc2=size=64x48:rate=20:duration=1",
    )  # fmt: skip


def test_a_loop_begins_again_at_once_and_its_times_go_on(tmp_path, clip):
    with Watched(tmp_path, "file", {"path": str(clip), "loop": True}, every_s=0.1) as watched:
        watched.until_frames(45)
    assert watched.states == ["starting", "live", "stopped"]
    assert watched.source.loop_index >= 2
    log = watched.log
    assert log.pts_us[:21].tolist() == [k * 100_000 for k in range(21)]
    assert log.frame_index[:21].tolist() == [2 * k for k in range(21)]
    assert log.confidence[:10].tolist() == log.confidence[10:20].tolist()
    watched.assert_recorded(least=21)


def test_it_ends_once_it_was_shown_from_a_position_with_fewer_frames(tmp_path, clip):
    settings = {"path": str(clip), "position": 0.33, "fps": 10, "max_height": 24}
    with Watched(tmp_path, "file", settings, every_s=0) as watched:
        watched.join()
    assert watched.states == ["starting", "live", "ended"]
    log = watched.log
    assert log.pts_us.tolist() == [0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000]
    assert log.box_xyxy_px[0].tolist() == [0, 0, 32, 24]
    assert watched.source.size_px == (32, 24)
    watched.assert_recorded()


@pytest.mark.long
def test_a_codec_that_mp4_does_not_hold_is_recorded_as_well(tmp_path, clips):
    with Watched(tmp_path, "file", {"path": str(clips / "vtest.avi")}) as watched:
        watched.until_frames(20)
    watched.assert_recorded(least=5)


def test_each_frame_waits_for_its_time(monkeypatch, clip):
    clock = StoppedClock()
    monkeypatch.setattr(pace, "time", clock)
    with FileCapture(str(clip), position=0.5, loop=True) as capture:
        came = []
        for captured in capture.read():
            came += [clock.now for _ in captured.frames]
            if len(came) == 20:
                break
    assert came == pytest.approx([k / 20 for k in range(20)])


def test_after_a_pause_frames_do_not_come_in_a_rush(monkeypatch):
    clock = StoppedClock()
    monkeypatch.setattr(pace, "time", clock)
    player, came = pace.Pace(0.5), []
    for k in range(6):
        said = list(player.wait(k * 3.0))
        came.append((clock.now, len(said)))
        if k == 2:
            clock.now += 100
    assert came == [(0, 0), (3, 2), (6, 2), (106, 0), (109, 2), (112, 2)]
    assert said[0].waiting == "the next frame is due in 3 s"


def test_a_jump_of_a_stream_is_not_waited_for(monkeypatch):
    clock = StoppedClock()
    monkeypatch.setattr(pace, "time", clock)
    player = pace.Pace(10, 10)
    for time_s in (0, 1, 3601, 3602, 2, 3):
        list(player.wait(time_s))
    assert clock.now == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"path": ""}, "path must be that of a video file"),
        ({"path": 7}, "path must be that of a video file, got 7"),
        ({"loop": "yes"}, "loop must be true or false, got 'yes'"),
        ({"position": -1}, "position must be seconds, 0 or more, got -1"),
        ({"fps": 0}, "fps must be more than 0"),
        ({"max_height": 1.5}, "max_height must be a whole number of pixels"),
    ],
)
def test_a_setting_that_is_no_such_thing_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        FileCapture(**{"path": "clip.mp4", **settings})


def test_what_is_no_clip_ends_with_the_reason(tmp_path):
    (tmp_path / "page.mp4").write_text("<html>no clip</html>")
    for name, words in (("nowhere.mp4", "no such file"), ("page.mp4", "not a video")):
        with (
            FileCapture(str(tmp_path / name)) as capture,
            pytest.raises(SettingError, match=words),
        ):
            list(capture.read())


def test_a_position_after_the_end_is_said(clip):
    with (
        FileCapture(str(clip), position=60) as capture,
        pytest.raises(SettingError, match="shows no picture after 60 s"),
    ):
        list(capture.read())
