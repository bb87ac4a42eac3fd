"""A clip of each sighting, from what the feed recorded."""

import os
import re
import time

import cv2
import numpy as np
import pytest

from lab.errors import LabError, SettingError
from lab.sinks.clips import ClipsSink
from lab.sinks.sink import DeliverLater, SinkRefused
from tests.recordings import CLIP, X264, frames_of, make_event, record


@pytest.fixture
def recording(encode, tmp_path, monkeypatch):
    monkeypatch.setattr("lab.video.live.recorder.SEGMENT_S", 3)
    folder = tmp_path / "recording"
    return folder, record(folder, encode("small-pond.mp4", *X264, source=CLIP))


def grow_old(folder):
    """As if nothing had been written for a minute."""
    for file in folder.iterdir():
        os.utime(file, (time.time() - 60,) * 2)


def clip_of(folder):
    (clip,) = (folder / "clips" / "pond").glob("*.mp4")
    return clip


def test_the_peak_is_in_the_clip_with_the_seconds_before_and_after(recording, tmp_path):
    folder, pictures = recording
    _, jpeg = cv2.imencode(".jpg", pictures[5_000_000])
    event = make_event(recording=str(folder), plain_jpeg=jpeg.tobytes())
    with ClipsSink(dir=tmp_path / "clips", pre_s=1.5, post_s=1) as sink:
        sink.deliver(event)
    found = list(frames_of(clip_of(tmp_path)).items())
    at = [i for i, (_, image) in enumerate(found) if np.array_equal(image, pictures[5_000_000])]
    assert len(at) == 1
    # The keyframe at or before 2.5 s is at 2 s.
    assert found[at[0]][0] == 3_000_000
    assert found[-1][0] >= 5_000_000
    assert clip_of(tmp_path).with_suffix(".jpg").read_bytes() == event.plain_jpeg


def test_the_name_is_made_of_local_time_label_and_id_and_stays_in_the_folder(recording, tmp_path):
    event = make_event(label="../red fox/☃", recording=str(recording[0]))
    ClipsSink(dir=tmp_path / "clips", post_s=0).deliver(event)
    name = clip_of(tmp_path).name
    assert re.fullmatch(r"2026-05-04_\d\d-\d\d-\d\d_red-fox_0011223344556677\.mp4", name)


def test_only_what_is_over_is_cut_and_only_once(recording, tmp_path):
    sink = ClipsSink(dir=tmp_path / "clips", post_s=0)
    for kind in ("opened", "updated", "alerted"):
        sink.deliver(make_event(kind, recording=str(recording[0])))
    assert not list((tmp_path / "clips").iterdir())
    sink.deliver(make_event(recording=str(recording[0])))
    before = clip_of(tmp_path).stat()
    sink.deliver(make_event(recording=str(recording[0])))
    assert clip_of(tmp_path).stat() == before


def test_a_clip_waits_for_the_seconds_after_it_as_long_as_they_may_come(recording, tmp_path):
    folder, _ = recording
    sink = ClipsSink(dir=tmp_path / "clips", post_s=8)
    with pytest.raises(DeliverLater) as later:
        sink.deliver(make_event(recording=str(folder)))
    assert 2 <= later.value.wait_s < 3
    assert not list((tmp_path / "clips").iterdir())
    grow_old(folder)
    sink.deliver(make_event(recording=str(folder)))
    assert max(frames_of(clip_of(tmp_path))) > 11_500_000


def test_an_event_without_a_picture_gets_that_of_the_recording_also_after_a_kill(
    recording, tmp_path
):
    """As of a sighting that was open when its process was killed; this one in between the files."""
    folder, pictures = recording
    sink = ClipsSink(dir=tmp_path / "clips", post_s=0)
    event = make_event(recording=str(folder))
    sink.deliver(event)
    peak = clip_of(tmp_path).with_suffix(".jpg")
    coded = cv2.imencode(".jpg", pictures[5_000_000], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    assert peak.read_bytes() == coded.tobytes()
    peak.unlink()
    sink.deliver(event)
    assert peak.is_file()


def test_the_recording_is_left_as_it_was(recording, tmp_path):
    folder, _ = recording
    before = {file: file.read_bytes() for file in folder.iterdir()}
    ClipsSink(dir=tmp_path / "clips", post_s=1).deliver(make_event(recording=str(folder)))
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_detstreams_settings_are_taken(recording, tmp_path):
    sink = ClipsSink(
        dir=str(tmp_path / "clips"),
        fps=30,
        pre_s=0,
        post_s=0,
        codec="mp4v",
        jpg_quality=50,
        width=80,
    )
    _, jpeg = cv2.imencode(".jpg", recording[1][5_000_000])
    sink.deliver(make_event(recording=str(recording[0]), plain_jpeg=jpeg.tobytes()))
    image = next(iter(frames_of(clip_of(tmp_path)).values()))
    assert image.shape[:2] == (60, 80)
    assert cv2.imread(str(clip_of(tmp_path).with_suffix(".jpg"))).shape[:2] == (60, 80)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pre_s": -1}, "pre_s must be from 0"),
        ({"post_s": float("nan")}, "post_s must be from 0"),
        ({"fps": 0}, r"fps must be from 0\.1"),
        ({"codec": "hevc"}, "codec must be h264, or left out"),
        ({"jpg_quality": 101}, "jpg_quality must be from 1 to 100"),
        ({"width": 1.5}, "width must be a whole number"),
        ({"dir": ""}, "dir must be a text"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words, tmp_path):
    with pytest.raises(SettingError, match=words):
        ClipsSink(**{"dir": tmp_path / "clips", **settings})


def test_without_packets_there_is_no_clip_and_the_event_is_given_up(recording, tmp_path):
    sink = ClipsSink(dir=tmp_path / "clips", post_s=0)
    with pytest.raises(SinkRefused, match="no clip; set keep_hours above 0"):
        sink.deliver(make_event())
    for file in recording[0].glob("*.mp4"):
        file.unlink()
    grow_old(recording[0])
    with pytest.raises(SinkRefused, match="any more"):
        sink.deliver(make_event(recording=str(recording[0])))


def test_a_full_disk_leaves_nothing_half_written_and_is_tried_again(
    recording, tmp_path, monkeypatch
):
    sink = ClipsSink(dir=tmp_path / "clips", post_s=0)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lab.video.live.cutting._copy", full)
        with pytest.raises(LabError, match="cannot be written: No space left"):
            sink.deliver(make_event(recording=str(recording[0])))
    assert not list((tmp_path / "clips" / "pond").iterdir())
    sink.deliver(make_event(recording=str(recording[0])))
    assert clip_of(tmp_path)


def test_a_marked_event_only_tries_the_folder(tmp_path):
    sink = ClipsSink(dir=tmp_path / "clips")
    sink.deliver(make_event(is_test=True))
    assert not list((tmp_path / "clips").iterdir())
