"""A folder of segments: each file once, in order, all frames, its own time."""

import os
import shutil
import threading

import pytest

from lab.errors import SettingError
from lab.video.live.backoff import Backoff
from lab.video.live.captures.natural_order import natural_key
from lab.video.live.captures.watched_folder import announce
from lab.video.live.make import live_source
from lab.video.sampling import EVERY_FRAME
from tests.video.live.taking import recorded, shown, take

SECOND_US = 1_000_000
STEP_US = 100_000
START = 1767225600  # 2026-01-01 00:00 UTC
CLIP = "testsrc2=size=64x48:rate=10:duration=6"


@pytest.fixture(scope="module")
def parts(encode, tmp_path_factory):
    """Six segments of a second, ten frames each, with a playlist that has their times."""
    folder = tmp_path_factory.mktemp("parts")
    hls = ("-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_flags", "program_date_time")
    names = ("-hls_segment_filename", str(folder / "part%d.ts"))
    x264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", "-bf", "2")
    path = encode("parts.m3u8", *x264, *hls, *names, source=CLIP)
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#EXT-X-PROGRAM-DATE-TIME"):
            lines.append(line)
        if line.startswith("#EXTINF") and not any("PROGRAM" in one for one in lines):
            lines.insert(-1, "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000+00:00")
    (folder / "live.m3u8").write_text("\n".join(lines) + "\n")
    return folder


def settings_for(folder, **more):
    return {"type": "segments", "path": str(folder), "settle_s": 0.4, **more}


def times_us(samples):
    return [sample.frame.pts_us for sample in samples]


def written_at(path, unix_s):
    os.utime(path, (unix_s, unix_s))


def test_all_frames_of_all_files_come_in_order_at_the_times_of_the_playlist(parts, tmp_path):
    found = take(settings_for(parts), tmp_path, 60)
    assert times_us(found) == [i * STEP_US for i in range(60)]
    assert found[0].frame.wall_time == START
    assert len({shown(one)[2] for one in found}) > 50
    assert not any(one.skipped for one in found)
    again = [shown(one) for one in recorded(tmp_path)][:60]
    assert again == [shown(one) for one in found]


def test_names_give_times_and_a_pause_stays_a_pause(parts, tmp_path):
    folder = tmp_path / "rec"
    folder.mkdir()
    for number, name in enumerate(("000000", "000001", "020000")):
        shutil.copy(parts / f"part{number}.ts", folder / f"cam 20260101-{name}.ts")
    pattern = "cam %Y%m%d-%H%M%S"
    found = take(settings_for(folder, time_pattern=pattern, timezone="UTC"), tmp_path, 30)
    expected = [i * STEP_US for i in range(20)]
    assert times_us(found) == expected + [7200 * SECOND_US + i * STEP_US for i in range(10)]


def test_without_names_a_file_ends_when_it_was_last_written(parts, tmp_path):
    folder = tmp_path / "rec"
    folder.mkdir()
    for number, ended in ((2, START + 11), (10, START + 12.4), (11, START + 100)):
        path = shutil.copy(parts / f"part{number % 6}.ts", folder / f"part{number}.ts")
        written_at(path, ended)
    found = take(settings_for(folder), tmp_path, 30)
    assert found[0].frame.wall_time == START + 10
    assert times_us(found)[:20] == [i * STEP_US for i in range(20)]
    assert times_us(found)[20] == 89 * SECOND_US


def test_a_file_that_is_written_is_left_alone_until_it_is_announced(parts, tmp_path):
    folder, state = tmp_path / "rec", tmp_path / "state"
    folder.mkdir()
    shutil.copy(parts / "part0.ts", folder / "a.ts")
    settings = settings_for(folder, settle_s=3600)
    with live_source(settings, state_folder=state) as source:
        source.begin([EVERY_FRAME])
        assert not source.wait(1.0)
        announce(state, "a.ts")
        sample = next(iter(source.samples([EVERY_FRAME])))
    assert sample.frame.pts_us == 0


@pytest.mark.long
def test_a_later_file_ends_the_one_before_it(parts, tmp_path):
    folder = tmp_path / "rec"
    folder.mkdir()
    for number in (0, 1):
        shutil.copy(parts / f"part{number}.ts", folder / f"{number}.ts")
    found = take(settings_for(folder, settle_s=3600), tmp_path, 10)
    assert len(found) == 10


def test_a_file_that_is_no_video_is_a_failed_sample(parts, tmp_path):
    folder = tmp_path / "rec"
    folder.mkdir()
    for number, data in enumerate((None, b"\0" * 5000, None)):
        name = folder / f"20260101-00000{number}.ts"
        name.write_bytes(data or (parts / f"part{number}.ts").read_bytes())
    found = take(settings_for(folder, time_pattern="%Y%m%d-%H%M%S"), tmp_path, 21)
    failed = [one.frame for one in found if one.frame.error]
    assert [one.pts_us for one in failed] == [SECOND_US]
    assert "20260101-000001.ts" in failed[0].error
    again = [shown(one) for one in recorded(tmp_path)][:21]
    assert again == [shown(one) for one in found]


@pytest.mark.long
def test_after_a_kill_it_goes_on_with_the_frame_after_the_last_one_that_was_taken(parts, tmp_path):
    folder = tmp_path / "rec"
    shutil.copytree(parts, folder)
    found = []
    last_us = None
    for count in (13, 1, 22, 24):
        more = take(settings_for(folder), tmp_path, count, last_us=last_us)[:count]
        last_us = more[-1].frame.pts_us
        found += more
    assert times_us(found) == [i * STEP_US for i in range(60)]
    whole = take(settings_for(folder), tmp_path / "whole", 60)
    assert [shown(one)[2] for one in found] == [shown(one)[2] for one in whole]
    again = [shown(one)[1:] for one in recorded(tmp_path)][:60]
    assert again == [shown(one)[1:] for one in found]


@pytest.mark.long
def test_a_reader_that_dies_loses_no_frame(parts, tmp_path):
    folder = tmp_path / "rec"
    shutil.copytree(parts, folder)
    backoff = Backoff(delays_s=[0.05])
    places = {"state_folder": tmp_path / "state", "recording": tmp_path / "recording"}
    with live_source(settings_for(folder), backoff=backoff, **places) as source:
        found = []
        for sample in source.samples([EVERY_FRAME]):
            found.append(sample)
            if len(found) in (7, 31):
                os.kill(source.connection.reader_pid, 9)
            if len(found) == 60:
                source.stop()
    assert source.reconnects == 2
    assert times_us(found) == [i * STEP_US for i in range(60)]
    again = {shown(one)[1:] for one in recorded(tmp_path)}
    lost = [one for one in found if shown(one)[1:] not in again]
    assert len(lost) <= 2  # of each kill the packet that was being written


@pytest.mark.long
def test_a_file_that_should_have_come_counts_as_a_failure(parts, tmp_path):
    folder = tmp_path / "rec"
    folder.mkdir()
    shutil.copy(parts / "part0.ts", folder / "a.ts")
    settings = settings_for(folder, settle_s=0.01, expect_s=0.3)
    with live_source(settings, silent_s=2) as source:
        source.begin([EVERY_FRAME])
        reader = threading.Thread(target=lambda: list(source.samples([EVERY_FRAME])))
        reader.start()
        while "no new file for 0.3 s" not in str(source.condition.reason):
            threading.Event().wait(0.02)
        assert source.condition.state == "reconnecting"
        source.stop()
        reader.join()


def test_what_leads_out_of_the_folder_cannot_be_announced(tmp_path):
    for name in ("../a.ts", "/etc/passwd", "", "a\0b", "x" * 2000):
        with pytest.raises(SettingError, match="name must be that of a file in the watched folder"):
            announce(tmp_path, name)


def test_numbers_in_names_count_as_numbers():
    names = ["b10", "b2", "a", "10", "9", "b2a", "²3"]
    assert sorted(names, key=natural_key) == ["a", "b2", "b2a", "b10", "²3", "9", "10"]
