"""Waveforms: where in a clip its sound is, and what is said of sound that cannot be decoded."""

import av
import numpy as np
import pytest

import lab
from lab.video.browser_copy import make_playable
from lab.video.sound import MAX_PEAKS, SoundPeaks, sound_peaks

VIDEO = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-t", "8")
# Silence but for the third to the fifth second.
TONE = ("-f", "lavfi", "-i", "sine=440:sample_rate=16000:duration=8")
ONLY_THEN = ("-af", "volume='if(between(t,2,5),4,0)':eval=frame")


def peaks_of(clip) -> SoundPeaks:
    media = lab.probe(clip)
    return sound_peaks(clip, media.first_pts_us, media.end_us)


def heard_s(peaks: SoundPeaks) -> tuple[float, float]:
    """From when to when something is to be heard."""
    loud = np.flatnonzero(peaks.high > 0.1)
    part_s = (peaks.to_us - peaks.from_us) / len(peaks.high) / 1e6
    return loud[0] * part_s, (loud[-1] + 1) * part_s


@pytest.fixture(scope="session")
def tone(encode):
    return encode("tone.mp4", *TONE, *VIDEO, *ONLY_THEN, "-c:a", "aac")


def test_the_peaks_are_where_the_sound_is(tone):
    peaks = peaks_of(tone)
    assert len(peaks.low) == len(peaks.high) == MAX_PEAKS
    assert heard_s(peaks) == pytest.approx((2, 5), abs=0.15)
    assert peaks.high.max() == pytest.approx(0.5, abs=0.1)
    assert peaks.low.min() == pytest.approx(-0.5, abs=0.1)
    assert peaks.problem is None


def test_a_clip_that_does_not_begin_at_nought_has_its_sound_in_its_place(encode, tone):
    late = encode("late.ts", "-c", "copy", "-output_ts_offset", "30", source=str(tone))
    assert lab.probe(late).first_pts_us > 20_000_000
    assert heard_s(peaks_of(late)) == pytest.approx((2, 5), abs=0.2)


def test_channels_do_not_cancel_each_other(encode):
    opposite = ("-af", "volume=4,pan=stereo|c0=c0|c1=-1*c0", "-c:a", "pcm_s16le")
    peaks = peaks_of(encode("opposite.mkv", *TONE, *VIDEO, *opposite))
    assert peaks.high.max() == pytest.approx(0.5, abs=0.05)


def test_a_clip_without_sound_has_no_peaks(samples):
    peaks = peaks_of(samples / "nothing.mp4")
    assert (peaks.high.size, peaks.problem) == (0, None)


def damaged(clip, out, every: int):
    """A copy in which every n-th packet of sound is noise."""
    noise = np.random.default_rng(0)
    with av.open(str(clip)) as source, av.open(str(out), "w") as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in source.streams}
        n = 0
        for packet in source.demux():
            if packet.dts is None:
                continue
            kept = packet
            if packet.stream.type == "audio":
                n += 1
                if n % every == 0:
                    kept = av.Packet(noise.bytes(packet.size))
                    kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts, packet.time_base
            kept.stream = streams[packet.stream.index]
            copy.mux(kept)
    return out


def test_damaged_sound_says_how_much_and_the_rest_is_shown(tone, tmp_path):
    peaks = peaks_of(damaged(tone, tmp_path / "some.mp4", 4))
    assert "some.mp4 is damaged: " in peaks.problem
    assert "packets cannot be decoded" in peaks.problem
    assert heard_s(peaks)[1] > 4


def test_sound_of_which_nothing_can_be_decoded_has_no_peaks_and_says_so(tone, tmp_path):
    clip = damaged(tone, tmp_path / "all.mp4", 1)
    peaks = peaks_of(clip)
    assert peaks.problem is not None
    assert "damaged" in peaks.problem


def test_peaks_are_kept_in_a_file_and_a_damaged_one_is_no_waveform(tone, tmp_path):
    peaks, file = peaks_of(tone), tmp_path / "sound.npz"
    peaks.save(file)
    again = SoundPeaks.load(file)
    assert again.to_dict() == peaks.to_dict()
    assert np.array_equal(again.high, peaks.high)
    whole = file.read_bytes()
    for part in (b"", whole[: len(whole) // 2], b"no archive"):
        file.write_bytes(part)
        with pytest.raises(ValueError, match=r"no waveform|pickled"):
            SoundPeaks.load(file)


def test_a_copy_for_the_browser_has_the_sound_in_its_place(encode, tmp_path):
    codecs = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")
    late = ("-af", "volume='if(between(t,2,5),4,0)':eval=frame", "-r", "10", "-t", "8")
    clip = encode("camera.avi", *TONE, *codecs, *late)
    peaks = peaks_of(make_playable(clip, tmp_path / "copy.mp4"))
    assert heard_s(peaks) == pytest.approx((2, 5), abs=0.2)
    assert peaks.high.max() == pytest.approx(0.5, abs=0.1)


def test_a_copy_of_a_clip_whose_sound_is_damaged_has_the_rest_of_it(tone, tmp_path):
    clip = damaged(tone, tmp_path / "some.mp4", 4)
    copy = make_playable(clip, tmp_path / "copy.mp4")
    assert heard_s(peaks_of(copy))[1] > 4


def test_a_copy_of_a_silent_clip_has_no_sound(samples, tmp_path):
    copy = make_playable(samples / "nothing.mp4", tmp_path / "copy.mp4")
    with av.open(str(copy)) as container:
        assert not container.streams.audio
