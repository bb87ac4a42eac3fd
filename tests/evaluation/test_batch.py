"""Many clips counted at once give what each gives by itself."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.evaluation.batch import Clip, CountedClips
from lab.evaluation.counts import Counts, Pairing, count
from lab.evaluation.matching import Matching, Presences
from lab.evaluation.truth import LabelTruth
from tests.evaluation.test_matching import presences
from tests.random_examples import examples

SECOND = 1_000_000


@st.composite
def clips(draw):
    """A clip with brackets, gaps in what was analysed and watched, verdicts, copied edges."""
    start = draw(st.sampled_from([0, -1_500_000, 7_300_000]))
    seen = draw(presences(5, 40))
    edges = np.stack([seen[:, 0] - SECOND // 2, *seen.T, seen[:, 1] + SECOND // 2], axis=1)
    n = len(seen)
    flags = draw(st.lists(st.booleans(), min_size=2 * n, max_size=2 * n))
    present = draw(presences(5, 40)) + draw(st.sampled_from([0, 300_000]))
    truth = LabelTruth(
        present=present + start,
        copied=np.array(
            draw(st.lists(st.booleans(), min_size=len(present), max_size=len(present))), bool
        ),
        covered=draw(st.one_of(st.just(np.array([[0, 40 * SECOND]])), presences(2, 40))) + start,
        rejected=draw(presences(2, 40)) + start,
    )
    every = draw(st.sampled_from([SECOND // 2, 3 * SECOND]))
    pts_us = np.arange(0, 40 * SECOND, every, dtype=np.int64) + start
    return Clip(
        presences=Presences(
            np.ascontiguousarray(edges.reshape(-1, 4)) + start,
            seen[:, 0] + SECOND // 4 + start,
            np.array(flags, bool).reshape(-1, 2),
        ),
        truth=truth,
        pts_us=pts_us[:: draw(st.sampled_from([1, 1, 7]))],
        interval_us=every,
        analysed=draw(st.one_of(st.just(np.array([[0, 40 * SECOND]])), presences(2, 40))) + start,
        start_us=start + draw(st.sampled_from([0, -400_000])),
    )


MATCHINGS = [
    Matching(),
    Matching(tiou=0.1),
    Matching(criterion="collar", collar_s=2.0, collar_share=1.5),
    Matching(edges="held"),
]


@examples(200)
@given(st.lists(clips(), min_size=1, max_size=5), st.sampled_from(MATCHINGS))
def test_counts_at_once_are_those_of_each_clip(given_clips, matching):
    counted = CountedClips(given_clips, matching)
    for i, clip in enumerate(given_clips):
        alone, pairing = count(
            clip.presences,
            clip.truth,
            matching,
            pts_us=clip.pts_us,
            interval_us=clip.interval_us,
            analysed=clip.analysed,
            start_us=clip.start_us,
        )
        for f in fields(Counts):
            one, other = getattr(counted.counts[i], f.name), getattr(alone, f.name)
            assert np.array_equal(one, other), (f.name, one, other)
        for f in fields(Pairing):
            one, other = getattr(counted.pairing(i), f.name), getattr(pairing, f.name)
            assert np.array_equal(one, other), (f.name, one, other)


def test_no_clip_has_no_counts():
    assert CountedClips([], Matching()).counts == []
