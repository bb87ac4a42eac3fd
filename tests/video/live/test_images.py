"""Pictures in a folder: their times, their order, and those that cannot be read."""

import threading

import pytest
from PIL import Image

from lab.errors import SettingError, SourceError
from lab.video.live.backoff import Backoff
from lab.video.live.make import live_source
from lab.video.sampling import EVERY_FRAME
from tests.video.live.taking import jpeg, recorded, samples_of, shown, take

HOUR_US = 3_600_000_000
NAMES = {"type": "images", "time_pattern": "*-%Y%m%d-%H%M%S", "timezone": "UTC"}


def exif(time, fraction=None, offset=None):
    made = Image.Exif()
    kept = made.get_ifd(0x8769)
    kept[0x9003] = time
    if fraction:
        kept[0x9291] = fraction
    if offset:
        kept[0x9011] = offset
    return made


@pytest.fixture
def lapse(tmp_path):
    """Ten hours, a picture each; the fourth is cut off, the seventh is larger, the last a PNG."""
    folder = tmp_path / "lapse"
    folder.mkdir()
    for i in range(10):
        data = jpeg(i, (80, 60) if i == 7 else (64, 48))
        (folder / f"p{i}-20260101-{i:02d}0000.jpg").write_bytes(data[:300] if i == 4 else data)
    Image.open(folder / "p9-20260101-090000.jpg").save(folder / "p10-20260101-100000.png")
    return folder


def times_us(samples):
    return [sample.frame.pts_us for sample in samples]


def test_each_picture_is_a_sample_at_the_time_that_its_name_says(lapse, tmp_path):
    found = take({**NAMES, "path": str(lapse)}, tmp_path)
    assert times_us(found) == [i * HOUR_US for i in range(11)]
    assert found[0].frame.wall_time == 1767225600.0
    assert found[7].frame.image_bgr.shape == (60, 80, 3)
    assert not any(sample.skipped for sample in found)


def test_a_damaged_picture_is_a_failed_sample(lapse, tmp_path):
    found = take({**NAMES, "path": str(lapse)}, tmp_path)
    (broken,) = [sample.frame for sample in found if sample.frame.error]
    assert broken.pts_us == 4 * HOUR_US
    assert "p4-20260101-040000.jpg: the picture is damaged: its end is missing" in broken.error


def test_what_was_recorded_gives_the_same_samples(lapse, tmp_path):
    found = take({**NAMES, "path": str(lapse), "max_height": 30}, tmp_path)
    assert found[0].frame.image_bgr.shape == (30, 40, 3)
    assert [shown(one) for one in recorded(tmp_path)] == [shown(one) for one in found]


def test_exif_gives_fractions_and_offsets(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(jpeg(1, exif=exif("2026:01:01 12:00:00", "25", "+01:00")))
    (folder / "2.jpg").write_bytes(jpeg(2, exif=exif("2026:01:01 11:00:02")))
    (folder / "3.jpg").write_bytes(jpeg(3, exif=exif("2026:01:01 11:00:02")))
    (folder / "4.jpg").write_bytes(jpeg(4))
    found = take({"type": "images", "path": str(folder), "timezone": "UTC"}, tmp_path)
    assert found[0].frame.wall_time == 1767265200.25
    assert times_us(found) == [0, 1_750_000, 1_751_000, 1_752_000]
    assert "4.jpg has no DateTimeOriginal" in found[3].frame.error


def test_pictures_without_any_time_say_what_to_set(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg())
    with pytest.raises(SourceError, match=r"1.jpg has no DateTimeOriginal.*times: name"):
        take({"type": "images", "path": str(tmp_path)}, tmp_path)


def test_a_fixed_rate_goes_by_natural_order(tmp_path):
    folder = tmp_path / "pictures"
    for name in ("a2", "a10", "a1"):
        (folder / "deep").mkdir(parents=True, exist_ok=True)
        (folder / "deep" / f"{name}.jpg").write_bytes(jpeg(0, (100 + int(name[1:]), 48)))
    pattern = str(folder / "**" / "*.jpg")
    found = take({"type": "images", "path": pattern, "fps": 4}, tmp_path)
    assert times_us(found) == [0, 250_000, 500_000]
    sizes = [sample.frame.image_bgr.shape[1] for sample in found]
    assert sizes == [101, 102, 110]


def test_a_loop_begins_again_and_its_times_go_on(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    settings = {"type": "images", "path": str(folder), "fps": 50, "loop": True}
    with live_source(settings) as source:
        found = samples_of(source, 8)
    assert times_us(found)[:8] == [i * 20_000 for i in range(8)]
    pictures = [shown(one)[2] for one in found]
    assert pictures[3:6] == pictures[:3]


class SlowWriter(threading.Thread):
    """Writes a file bit by bit, and the rest of it when it is told to."""

    def __init__(self, path, data):
        super().__init__(daemon=True)
        self._path, self._data = path, data
        self.finish = threading.Event()
        self.start()

    def run(self):
        with self._path.open("wb", buffering=0) as file:
            at = 0
            while not self.finish.wait(0.05) and at < len(self._data) - 1:
                at += file.write(self._data[at : at + 1])
            file.write(self._data[at:])


def test_a_file_is_taken_when_it_is_written_and_once_over_restarts(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    settings = {**NAMES, "path": str(folder), "watch": True, "settle_s": 0.5}
    writer = SlowWriter(folder / "p-20260101-020000.jpg", jpeg(2))
    (folder / "p-20260101-010000.jpg").write_bytes(jpeg(1))
    places = {"state_folder": tmp_path / "state", "recording": tmp_path / "recording"}
    with live_source(settings, **places) as source:
        taken = []
        for sample in source.samples([EVERY_FRAME]):
            taken.append(sample)
            writer.finish.set()
            if len(taken) == 2:
                source.stop()
    (folder / "p-20260101-030000.jpg").write_bytes(jpeg(3))
    again = take(settings, tmp_path, 1, last_us=taken[-1].frame.pts_us)
    assert times_us([*taken, *again]) == [0, HOUR_US, 2 * HOUR_US]
    assert not any(sample.frame.error for sample in [*taken, *again])


@pytest.mark.long
def test_what_was_not_analysed_before_a_kill_is_given_again(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(6):
        (folder / f"p-20260101-{i:02d}0000.jpg").write_bytes(jpeg(i))
    settings = {**NAMES, "path": str(folder), "watch": True, "settle_s": 0.01}
    first = take(settings, tmp_path, 5)
    again = take(settings, tmp_path, 3, last_us=first[2].frame.pts_us)
    assert times_us(again) == [i * HOUR_US for i in (3, 4, 5)]


@pytest.mark.long
def test_a_folder_that_comes_back_is_read_again(tmp_path):
    folder = tmp_path / "card"
    settings = {**NAMES, "path": str(folder), "watch": True, "settle_s": 0.01}
    with live_source(settings, backoff=Backoff(delays_s=[0.1])) as source:
        found, reasons = [], set()
        source.begin([EVERY_FRAME])

        def insert():
            while "there is no folder" not in str(source.condition.reason):
                threading.Event().wait(0.02)
            reasons.add(source.condition.state)
            folder.mkdir()
            (folder / "p-20260101-000000.jpg").write_bytes(jpeg())

        card = threading.Thread(target=insert)
        card.start()
        for sample in source.samples([EVERY_FRAME]):
            found.append(sample)
            source.stop()
        card.join()
    assert reasons == {"reconnecting"}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "source.path is missing"),
        ({"path": "x", "fsp": 3}, "source.fsp: images has no such setting.*fps"),
        ({"path": "x", "fps": 0}, "fps must be a number above 0"),
        ({"path": "x", "watch": 1}, "watch must be true or false"),
        ({"path": "x", "watch": True, "loop": True}, "cannot both be set"),
        ({"path": "x", "times": "gps"}, "times must be one of exif, name, rate, file"),
        ({"path": "x", "times": "name"}, "times: name needs time_pattern"),
        ({"path": "x", "times": "exif", "fps": 2}, "times: exif does not go with fps"),
        ({"path": "x", "time_pattern": "%Q"}, "holds %Q; known: %Y"),
        ({"path": "x", "time_pattern": "cam"}, "must give a day and a time"),
        ({"path": "x", "timezone": "Mars/Base"}, "timezone must be a name"),
        ({"path": "x", "settle_s": -1}, "settle_s must be a number of seconds"),
        ({"path": "x", "max_height": 3}, "max_height must be a whole number"),
        ({"path": "x", "state_folder": "/tmp"}, "source.state_folder: images has no such setting"),
        ({"path": 7}, "path must be a folder or a pattern"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(settings, words):
    with pytest.raises(SettingError, match=words):
        live_source({"type": "images", **settings})
