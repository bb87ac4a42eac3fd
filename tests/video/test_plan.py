"""The plan of what to decode: that of its definition, in time that grows with the packets."""

from bisect import bisect_right
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lab.video.packet_index import Packet, PacketIndex, Segment, Target
from tests.random_examples import examples


def keyframe_by_definition(index, target, skip=0):
    keys = [i for i, p in enumerate(index.packets) if p.is_keyframe]
    near = keys[: bisect_right(keys, target.position)]
    good = [k for k in near if index.packets[k].pts <= target.pts]
    return good[-1 - skip] if len(good) > skip else 0


def plan_by_definition(index, targets):
    segments = []
    for target in targets:
        start = keyframe_by_definition(index, target) if index.can_seek else 0
        if segments and start <= segments[-1].end + 8:
            last = segments[-1]
            end = max(last.end, target.position)
            segments[-1] = Segment(last.start, end, (*last.targets, target))
        else:
            segments.append(Segment(start, target.position, (target,)))
    return segments


@st.composite
def indices(draw):
    n = draw(st.integers(1, 80))
    times = list(range(n))
    for i in draw(st.lists(st.integers(0, max(0, n - 2)), max_size=40)):  # frames out of order
        times[i : i + 2] = reversed(times[i : i + 2])
    share = draw(st.sampled_from([0.02, 0.2, 1.0]))
    keys = draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    packets = [
        Packet(t * 10, i * 10, 10, k < share, True)
        for i, (t, k) in enumerate(zip(times, keys, strict=True))
    ]
    return PacketIndex(packets, Fraction(1, 1000), draw(st.sampled_from(["h264", "gif"])), None)


def targets_of(index, step):
    chosen = list(enumerate(index.presented))[::step]
    return [Target(i, index.pts_of(position), position) for i, position in chosen]


@examples(200)
@given(indices(), st.integers(1, 30), st.integers(0, 3))
def test_a_plan_is_that_of_its_definition(index, step, skip):
    targets = targets_of(index, step)
    assert index.plan(targets) == plan_by_definition(index, targets)
    for target in targets:
        assert index.keyframe_for(target, skip) == keyframe_by_definition(index, target, skip)


def test_a_plan_of_keyframes_only_looks_at_each_packet_a_few_times(monkeypatch):
    n, looks = 5000, []
    packets = [Packet(i, i, 1, True, True) for i in range(n)]
    index = PacketIndex(packets, Fraction(1, 30), "mjpeg", None)
    targets, real = targets_of(index, 1), index.pts_of
    monkeypatch.setattr(index, "pts_of", lambda position: looks.append(position) or real(position))
    (segment,) = index.plan(targets)
    assert (segment.start, segment.end, len(segment.targets)) == (0, n - 1, n)
    assert len(looks) <= 2 * n
