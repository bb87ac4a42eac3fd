"""Pictures from one process to another."""

import numpy as np

from lab.video.live.frame_slots import SlotReader, SlotWriter


def pictures(count):
    return [np.full((4, 6, 3), n, np.uint8) for n in range(1, count + 1)]


def test_the_newest_are_there_and_what_was_written_over_is_said_to_be_gone(tmp_path):
    path = tmp_path / "slots"
    with SlotWriter(path, 4 * 6 * 3) as writer, SlotReader(path, 4 * 6 * 3) as reader:
        for number, picture in enumerate(pictures(5), start=1):
            writer.write(number, picture)
        assert reader.read(5).tolist() == pictures(5)[4].tolist()
        assert reader.read(3).tolist() == pictures(5)[2].tolist()
        assert reader.read(2) is None
        assert reader.read(6) is None


def test_a_smaller_picture_has_its_own_shape_and_a_larger_one_no_room(tmp_path):
    path = tmp_path / "slots"
    with SlotWriter(path, 4 * 6 * 3) as writer, SlotReader(path, 4 * 6 * 3) as reader:
        writer.write(1, np.zeros((2, 5, 3), np.uint8)[:, ::-1])
        assert reader.read(1).shape == (2, 5, 3)
        assert not writer.has_room(np.zeros((5, 6, 3), np.uint8))
