"""Pictures for viewers: made by the reader process, mapped by any other."""

import io
import time
from pathlib import Path

import pytest
from PIL import Image

from lab.video.live.connection import Connection
from lab.video.live.viewing import CAPACITY_BYTES, ViewReader, ViewWriter
from tests.paced_stream import paced_stream

CLIP = Path(__file__).parents[2] / "sample_videos" / "cat_then_person.mp4"


def until(condition, limit_s=60):
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


def test_the_newest_picture_is_read_and_one_that_was_written_over_is_not(tmp_path):
    path = tmp_path / "ring"
    with ViewWriter(path) as writer, ViewReader(path) as first, ViewReader(path) as second:
        assert first.newest == 0
        assert first.read(0) is None
        for i in range(1, 20):
            writer.write(b"\xff\xd8" + bytes([i]) * i, i * 40_000, 100.0 + i, 64, 48)
        for reader in (first, second):
            found = reader.read(reader.newest)
            assert (found.sequence, found.pts_us, found.wall_time) == (19, 760_000, 119.0)
            assert (found.width, found.height) == (64, 48)
            assert found.jpeg == b"\xff\xd8" + bytes([19]) * 19
            assert reader.read(3) is None


def test_a_picture_that_is_too_large_is_left_out(tmp_path):
    with ViewWriter(tmp_path / "ring") as writer, ViewReader(tmp_path / "ring") as reader:
        writer.write(bytes(CAPACITY_BYTES + 1), 0, 0.0, 64, 48)
        assert reader.newest == 0


def test_a_file_that_is_no_ring_has_no_pictures(tmp_path):
    (tmp_path / "other").write_bytes(b"x")
    with pytest.raises(ValueError, match="length"):
        ViewReader(tmp_path / "other")


@pytest.mark.long
def test_while_somebody_watches_there_are_pictures_and_then_no_more():
    with paced_stream(CLIP) as url, Connection("stream", {"url": url}, [0.5]) as connection:
        until(lambda: connection.condition.state == "live")
        assert connection.viewer is None
        connection.view(180, 2.0)
        with ViewReader(until(lambda: connection.viewer)) as reader:
            until(lambda: reader.newest > 5)
            picture = until(lambda: reader.read(reader.newest))
            with Image.open(io.BytesIO(picture.jpeg)) as image:
                assert image.size == (picture.width, picture.height)
            assert picture.height == 180
            assert picture.pts_us > 0

            def has_stopped():
                before = reader.newest
                time.sleep(0.5)
                return reader.newest == before

            until(has_stopped)
            connection.view(180, 60.0)
            before = reader.newest
            until(lambda: reader.newest > before)
        path = connection.viewer
    assert not path.exists()
