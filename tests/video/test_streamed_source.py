"""Frames of a file while it arrives: those of the file when it is there."""

import shutil
import subprocess
import threading
from contextlib import closing

import numpy as np
import pytest

from lab.errors import SourceError, StreamError
from lab.video.identity import identity_problem
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource
from lab.video.sources.streamed import OtherFramesError, StreamedSource
from lab.video.streaming_buffer import StreamingBuffer

FAST = ("-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1")
EVERY = Sampling(every_s=0.2)
KINDS = {
    "fast.mp4": ["-c", "copy", "-movflags", "+faststart"],
    "last.mp4": ["-c", "copy"],
    "pieces.mp4": ["-c", "copy", "-movflags", "+frag_keyframe+empty_moov"],
    "clip.mkv": ["-c", "copy"],
    "clip.webm": ["-an", "-vf", "scale=256:144", "-c:v", "libvpx-vp9", *FAST],
    "b-frames.mkv": ["-an", "-vf", "scale=256:144", "-c:v", "libx264", "-bf", "3", "-g", "25"],
    "clip.avi": ["-an", "-c:v", "mpeg4", "-vf", "scale=256:144"],
}


@pytest.fixture(scope="module")
def kinds(clips, tmp_path_factory):
    """Five seconds of a real clip in each kind of file, by name."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg to make clips")
    folder = tmp_path_factory.mktemp("kinds")
    clip = clips / "car-detection.mp4"
    for name, options in KINDS.items():
        command = ["ffmpeg", "-v", "error", "-t", "5", "-i", clip, *options, folder / name]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def arriving(tmp_path):
    """arriving(data) begins to write a file; the rest comes when `finish` is called."""
    made = []

    class Arriving:
        def __init__(self, data, at_first, name="clip.mp4"):
            self.data, self.path = data, tmp_path / name
            self.buffer = StreamingBuffer(tmp_path, silence_s=30.0, max_ahead_bytes=None)
            made.append(self.buffer)
            self.buffer.append(data[:at_first])

        def finish(self):
            self.buffer.append(self.data[self.buffer.written :])
            self.buffer.keep(self.path)
            self.buffer.close_writer()

    yield Arriving
    for one in made:
        one.close()


def facts(samples):
    """What is compared: when, which, and the picture."""
    return [
        (s.frame.index, s.frame.pts_us, s.windows, None if s.frame.error else _sum(s.frame))
        for s in samples
    ]


def _sum(frame):
    return int(np.asarray(frame.image_bgr, np.int64).sum())


@pytest.mark.parametrize("name", KINDS)
def test_the_samples_are_those_of_the_file(kinds, arriving, name):
    data = (kinds / name).read_bytes()
    is_in_line = name not in ("last.mp4", "clip.avi")
    stream = arriving(data, len(data) // 2, name)
    if not is_in_line:
        threading.Thread(target=stream.finish).start()
    with StreamedSource(stream.buffer, stream.path) as source:
        assert identity_problem(source.media().to_dict()) is not None
        given, samples = [], source.samples([EVERY])
        if is_in_line:
            given.append(next(samples))
            assert not stream.buffer.is_complete
            stream.finish()
        given += samples
        whole = FileSource(kinds / name)
        assert facts(given) == facts(whole.samples([EVERY]))
        assert source.media().media_id == whole.media().media_id
        assert not source.is_growing


def test_windows_of_several_frames_are_those_of_the_file(kinds, arriving):
    data = (kinds / "b-frames.mkv").read_bytes()
    stream = arriving(data, len(data) * 2 // 3, "b-frames.mkv")
    asked = [Sampling(every_s=0.5, frame_count=3, frame_step=2), Sampling(every_s=0)]
    with StreamedSource(stream.buffer, stream.path) as source:
        samples = source.samples(asked)
        given = [next(samples) for _ in range(20)]
        stream.finish()
        given += samples
    found = [(s.frame.index, s.windows) for s in given]
    whole = FileSource(kinds / "b-frames.mkv").samples(asked)
    assert found == [(s.frame.index, s.windows) for s in whole]


def test_it_goes_on_after_what_was_served(kinds, arriving):
    data = (kinds / "fast.mp4").read_bytes()
    stream = arriving(data, len(data) * 2 // 3)
    after_us = 1_000_000
    with StreamedSource(stream.buffer, stream.path) as source:
        samples = source.samples([EVERY], [after_us])
        first = next(samples)
        stream.finish()
        given = facts([first, *samples])
    assert given == facts(FileSource(kinds / "fast.mp4").samples([EVERY], [after_us]))


def test_what_breaks_off_is_told_after_what_came(kinds, arriving):
    data = (kinds / "fast.mp4").read_bytes()
    stream = arriving(data, len(data) // 2)
    with StreamedSource(stream.buffer, stream.path) as source:
        samples = source.samples([EVERY])
        next(samples)
        stream.buffer.abort("the client went away")
        with pytest.raises(StreamError, match="the client went away"):
            for _ in samples:
                pass
        assert source.settle() is None


def test_what_is_no_video_is_told_before_all_of_it_came(arriving):
    stream = arriving(np.random.default_rng(0).bytes(6 << 20), 6 << 20)
    with pytest.raises(SourceError, match="is not a video") as got:
        StreamedSource(stream.buffer, stream.path)
    assert not isinstance(got.value, StreamError)


def test_a_playlist_opens_nothing(arriving, tmp_path):
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{tmp_path}/secret.mp4\n".encode()
    data = text * (6_000_000 // len(text))
    stream = arriving(data, len(data), "list.mp4")
    with pytest.raises(SourceError, match="is not a video"):
        StreamedSource(stream.buffer, stream.path)


def test_damage_in_the_middle_gives_what_the_file_gives(kinds, arriving):
    data = bytearray((kinds / "fast.mp4").read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 20_000, 7):
        data[place] ^= 0x5A
    stream = arriving(bytes(data), len(data) // 4)
    threading.Timer(0.05, stream.finish).start()
    with StreamedSource(stream.buffer, stream.path) as source:
        given = [one[:-1] for one in facts(source.samples([EVERY]))]
    with closing(FileSource(stream.path)) as whole:
        # How a damaged picture is concealed depends on FFmpeg's threads, from one time to the next.
        assert given == [one[:-1] for one in facts(whole.samples([EVERY]))]


def test_a_file_that_ends_as_another_one_is_told(kinds, arriving):
    data = (kinds / "fast.mp4").read_bytes()
    stream = arriving(data, len(data) // 2)
    with StreamedSource(stream.buffer, stream.path) as source:
        samples = source.samples([EVERY])
        for _ in range(5):
            next(samples)
        stream.finish()
        options = ["-an", "-vf", "scale=256:144", "-r", "10", "-c:v", "mpeg4"]
        command = ["ffmpeg", "-v", "error", "-y", "-i", kinds / "fast.mp4", *options, stream.path]
        subprocess.run(command, check=True, capture_output=True)
        with pytest.raises(OtherFramesError, match="analyse it again"):
            list(samples)
