"""The right frames, and their right pixels, whatever the codec and container."""

import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from lab.video.container import open_video
from lab.video.packet_index import Target
from lab.video.probe import probe
from lab.video.sources.file import FileSource
from lab.video.time_grid import choose
from tests.quick_set import mostly_long

X264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264")
OPEN_GOP = (*X264, "-x264-params", "open-gop=1:keyint=30:bframes=3")
CASES = {
    "b_frames.mp4": (*X264, "-g", "60", "-bf", "3"),
    "open_gop.ts": OPEN_GOP,
    "open_gop.mkv": OPEN_GOP,
    "intra_refresh.ts": (*X264, "-x264-params", "intra-refresh=1:keyint=30:bframes=0"),
    "interlaced.ts": (*X264, "-flags", "+ildct+ilme", "-x264opts", "tff=1"),
    "late_start.mkv": (*X264, "-g", "60", "-output_ts_offset", "5.5"),
    "variable.mp4": (
        *X264, "-vf", "select='not(mod(n\\,7))+lt(mod(n\\,50)\\,10)'", "-vsync", "vfr",
    ),
    "hevc.mp4": (
        "-pix_fmt", "yuv420p", "-c:v", "libx265",
        "-x265-params", "open-gop=1:keyint=30:log-level=none",
    ),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-g", "15", "-bf", "2"),
    "mpeg4_b_frames.avi": ("-c:v", "mpeg4", "-g", "30", "-bf", "2"),
    "mpeg4.mp4": ("-c:v", "mpeg4", "-g", "30"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "ms.avi": ("-c:v", "msmpeg4"),
    "hidden.vp8.webm": (
        "-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16",
        "-b:v", "500k", "-g", "60", "-cpu-used", "8",
    ),
    "hidden.vp9.webm": (
        "-c:v", "libvpx-vp9", "-auto-alt-ref", "1", "-lag-in-frames", "16",
        "-b:v", "300k", "-g", "60", "-deadline", "realtime", "-cpu-used", "8",
    ),
    "av1.mp4": ("-pix_fmt", "yuv420p", "-c:v", "libsvtav1", "-preset", "12", "-g", "60"),
    "short.gif": ("-t", "3", "-r", "10"),
}  # fmt: skip


def linear(path):
    """Every frame in presentation order, from a single decoding thread: (pts, picture)."""
    frames = []
    with open_video(path) as (container, stream):
        stream.codec_context.thread_type = "NONE"
        for packet in container.demux(stream):
            for frame in packet.decode():
                if not frame.is_corrupt:
                    frames.append((frame.pts, frame.to_ndarray(format="bgr24")))
        return frames, stream.time_base


def check(path, every_s):
    frames, time_base = linear(path)
    times = [pts for pts, _ in frames]
    steps = sorted(b - a for a, b in pairwise(times))
    expected = choose(times, every_s, time_base, steps[len(steps) // 2])
    got = list(FileSource(path).frames(every_s))
    assert [f.index for f in got] == expected
    for frame in got:
        pts, image = frames[frame.index]
        assert abs(frame.pts_us - pts * time_base * 1_000_000) <= Fraction(1, 2)
        assert np.array_equal(frame.image_bgr, image), f"frame {frame.index} differs"


QUICK = (
    "b_frames.mp4", "open_gop.ts", "late_start.mkv", "variable.mp4", "mpeg4_b_frames.avi",
    "mjpeg.avi", "hidden.vp9.webm", "short.gif",
)  # fmt: skip


@pytest.mark.parametrize("name", mostly_long(CASES, *QUICK))
def test_seeking_equals_linear_decoding_pixel_by_pixel(encode, name):
    path = encode(name, *CASES[name])
    for every_s in (0.2, 1.0, 2.5):
        check(path, every_s)


def test_frames_before_an_edit_lists_start_are_not_presented(encode, h264):
    path = encode("edited.mp4", "-c", "copy", source=str(h264))
    cut = path.with_name("cut.mp4")
    if not cut.exists():
        import subprocess

        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-ss", "1.3", "-i", str(h264), "-c", "copy", str(cut)],
            check=True,
        )
    check(cut, 0.2)
    check(cut, 2.5)


def test_a_stream_that_is_cut_before_its_first_keyframe(encode):
    whole = encode("whole.ts", *X264, "-g", "30")
    cut = whole.with_name("cut.ts")
    cut.write_bytes(whole.read_bytes()[188 * 60 :])
    check(cut, 0.2)


def test_only_what_pays_is_decoded(encode):
    source = FileSource(encode("b_frames.mp4", *CASES["b_frames.mp4"]))
    shown = source.index.presented
    wanted = [f.index for f in source.frames(2.0)]
    plan = source.index.plan([Target(i, source.index.pts_of(shown[i]), shown[i]) for i in wanted])
    assert len(plan) == 6
    assert all(segment.end - segment.start <= 5 for segment in plan)


def test_rotation_metadata_is_honoured(encode, h264):
    turned = encode("turned.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", source=str(h264))
    upright = encode("upright.png", "-frames:v", "1", source=str(turned))
    import cv2

    frame = next(FileSource(turned).frames(1))
    assert frame.image_bgr.shape == (320, 240, 3)
    assert np.abs(cv2.imread(str(upright)).astype(int) - frame.image_bgr).mean() < 3
    media = probe(turned)
    assert (media.width_px, media.height_px) == (240, 320)


def test_damaged_frames_fail_and_the_rest_is_whole(h264, tmp_path):
    data = bytearray(h264.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = (
        np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes()
    )
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    good = {f.index: f for f in FileSource(h264).frames(0)}
    got = list(FileSource(damaged).frames(0))
    assert len(got) == len(good)
    failed = [f for f in got if f.error]
    assert failed
    assert all("could not be decoded" in f.error for f in failed)
    assert (
        sum(f.error is None and np.array_equal(f.image_bgr, good[f.index].image_bgr) for f in got)
        > 200
    )


def test_a_truncated_file_gives_what_is_there_and_says_where_it_ends(encode, h264, tmp_path):
    whole = encode("fast.mp4", "-c", "copy", "-movflags", "faststart", source=str(h264))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert 20 < sum(f.error is None for f in FileSource(cut).frames(0.2)) < 50
    assert "cut off" in probe(cut).warning


def test_a_time_is_asked_for_and_the_frame_presented_then_comes(h264):
    frames = list(FileSource(h264).frames_at([0, 1_050_000, 11_999_000]))
    assert [f.index for f in frames] == [0, 31, 359]


def test_going_on_after_a_time_gives_the_rest(h264):
    whole = [f.index for f in FileSource(h264).frames(0.5)]
    rest = [f.index for f in FileSource(h264).frames(0.5, after_us=3_000_000)]
    assert rest == [i for i in whole if i > 90]


@pytest.mark.parametrize(
    "size_px", mostly_long([(1, 1), (321, 241), (7680, 4320)], (1, 1), (321, 241))
)
def test_odd_sizes_are_read(tmp_path, size_px):
    import av

    width, height = size_px
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=2)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        for _ in range(2):
            image = np.full((height, width, 3), 77, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    assert [f.image_bgr.shape for f in FileSource(path).frames(0)] == [(height, width, 3)] * 2


def test_an_avi_with_reordered_frames_has_times_in_order(encode):
    """AVI stores decoding times only; the n-th frame presented has the n-th time."""
    path = encode("reordered.avi", *X264, "-bf", "3")
    frames = list(FileSource(path).frames(0))
    reference = list(FileSource(encode("b_frames.mp4", *CASES["b_frames.mp4"])).frames(0))
    assert [f.index for f in frames] == list(range(len(reference)))
    assert [b.pts_us > a.pts_us for a, b in pairwise(frames)] == [True] * (len(frames) - 1)
    close = [
        np.abs(a.image_bgr.astype(int) - b.image_bgr).mean()
        for a, b in zip(frames, reference, strict=True)
    ]
    assert max(close) < 5, "frames are out of order"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.ts"])
def test_random_damage_never_breaks_the_order(encode, tmp_path, name, seed):
    data = bytearray(encode(name, *CASES[name]).read_bytes())
    dice = np.random.default_rng(seed)
    for at in dice.integers(len(data) // 10, len(data) - 60_000, 40):
        data[at : at + 40] = dice.integers(0, 256, 40, np.uint8).tobytes()
    damaged = tmp_path / name
    damaged.write_bytes(data)
    frames = list(FileSource(damaged).frames(0.2))
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    assert sum(f.error is None for f in frames) > 10


def test_a_late_start_is_not_taken_for_a_cut(encode):
    assert probe(encode("late_start.mkv", *CASES["late_start.mkv"])).warning is None


@pytest.mark.parametrize("name", ["mpeg4.mp4", "mpeg2.ts", "mjpeg.avi", "open_gop.mkv"])
def test_a_cut_is_noticed_in_each_container(encode, tmp_path, name):
    whole = encode(name, *CASES[name])
    assert probe(whole).warning is None
    if name == "mpeg4.mp4":
        whole = encode("front.mp4", "-c", "copy", "-movflags", "faststart", source=str(whole))
    cut = tmp_path / name
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10 + 1])
    assert re.search("cut off|breaks off", probe(cut).warning)


@pytest.mark.parametrize("every_s", [0.2, 0.5, 0.7])
def test_an_avi_gives_the_frames_that_an_mp4_of_the_same_pictures_gives(encode, every_s):
    options = ("-t", "6", "-r", "10", "-pix_fmt", "yuv420p", "-g", "10", "-bf", "0")
    avi = encode("tens.avi", *options, "-c:v", "mpeg4")
    mp4 = encode("tens.mp4", "-c", "copy", source=str(avi))
    assert [f.index for f in FileSource(avi).frames(every_s)] == [
        f.index for f in FileSource(mp4).frames(every_s)
    ]


def test_vtest_is_sampled_on_the_grid(clips):
    times = [f.pts_us for f, _ in zip(FileSource(clips / "vtest.avi").frames(0.5), range(5))]
    assert times == [0, 500_000, 1_000_000, 1_500_000, 2_000_000]


@pytest.fixture(scope="session")
def lossy(encode):
    """A transport stream of which some packets were lost on the way."""
    whole = encode("whole.ts", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30", "-bf", "2")
    packets = [whole.read_bytes()[i : i + 188] for i in range(0, whole.stat().st_size, 188)]
    path = whole.with_name("lossy.ts")
    path.write_bytes(b"".join(p for i, p in enumerate(packets) if i % 97 != 50 or p[1] & 0x40))
    return path


@pytest.mark.long
@pytest.mark.parametrize("in_line", [False, True])
def test_frames_that_the_decoder_marks_as_corrupt_are_failed_frames(encode, lossy, in_line):
    corrupt = set()
    with open_video(lossy) as (container, stream):
        stream.codec_context.thread_type = "NONE"
        for packet in container.demux(stream):
            corrupt |= {frame.pts for frame in packet.decode() if frame.is_corrupt}
    source = FileSource(lossy)
    if in_line:
        source.index.distrust_times()
    frames = list(source.frames(0))
    failed = [f for f in frames if f.error is not None]
    assert len(corrupt) >= 5
    assert {f.pts_us for f in failed} == {round(pts * 1e6 / 90_000) for pts in corrupt}
    assert len(frames) > 2 * len(failed)
