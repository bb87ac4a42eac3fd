"""What every source promises; see `lab.video.source.Source`."""

import pytest

from lab.errors import SourceError
from lab.video.live.captures.registered import BUILT_IN
from lab.video.media import Media
from lab.video.registered import open_source, sources
from lab.video.sampling import Sampling
from lab.video.source import LiveSource, Source
from tests.contracts.sources import SOURCES


@pytest.fixture(params=SOURCES)
def source(request, encode):
    with SOURCES[request.param](encode) as made:
        yield made


def test_every_built_in_source_is_in_the_suite():
    assert set(sources.names()) <= {*SOURCES, *BUILT_IN}


def test_it_says_what_it_is(source):
    assert isinstance(source, Source)
    assert source.name
    assert isinstance(source, LiveSource) == source.is_live
    media = source.media()
    assert isinstance(media, Media)
    assert (media.width_px, media.first_pts_us) != (0, None)
    assert media.end_us > media.first_pts_us


def test_times_rise_and_no_frame_is_given_twice(source):
    frames = list(source.frames(0))
    assert len(frames) > 100
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    assert [f.pts_us for f in frames] == sorted({f.pts_us for f in frames})
    assert all((f.image_bgr is None) == (f.error is not None) for f in frames)


def test_the_grid_takes_the_first_frame_at_or_after_each_point(source):
    every = list(source.frames(0))
    taken = [f.pts_us for f in source.frames(0.5)]
    first = every[0].pts_us
    points = range(first, every[-1].pts_us + 1, 500_000)
    expected = {next(f.pts_us for f in every if f.pts_us >= point - 1000) for point in points}
    assert taken == sorted(expected)


def test_it_goes_on_after_a_time(source):
    whole = [f.pts_us for f in source.frames(0.2)]
    middle = whole[len(whole) // 2]
    assert [f.pts_us for f in source.frames(0.2, after_us=middle)] == [
        t for t in whole if t > middle
    ]


def test_several_analyses_are_served_from_one_pass(source):
    samplings = [Sampling(every_s=0.5), Sampling(every_s=0.2, frame_count=3)]
    one, three = [], []
    shown = []
    for frame, (first, second), _ in source.samples(samplings):
        shown.append(frame.index)
        one += [first] if first else []
        three += [second] if second else []
    assert shown == sorted(set(shown))
    assert [w[-1] for w in one] == [f.index for f in source.frames(0.5)]
    assert all(len(w) == 3 and w[2] - w[0] == 2 for w in three)
    assert {i for w in [*one, *three] for i in w} <= set(shown)


def test_the_number_of_samples_is_what_it_said(source):
    for every_s in (0, 0.3):
        expected = source.sample_count(Sampling(every_s=every_s))
        assert expected in (None, len(list(source.frames(every_s))))


def test_it_can_be_read_again(source):
    first = [(f.index, f.pts_us) for f in source.frames(0.4)]
    assert [(f.index, f.pts_us) for f in source.reopen().frames(0.4)] == first


def test_any_frame_can_be_had_again_where_it_can_be_sought(source):
    if not source.can_seek:
        with pytest.raises(SourceError, match="record it to a file"):
            list(source.frames_by_index([0]))
        return
    every = list(source.frames(0))
    wanted = [3, 40, 41, 99]
    again = list(source.frames_by_index(wanted))
    assert [f.index for f in again] == wanted
    assert all((f.image_bgr == every[f.index].image_bgr).all() for f in again)
    at = [every[10].pts_us, every[60].pts_us + 5]
    assert [f.index for f in source.frames_at(at)] == [10, 60]
    stretches = source.stretches(wanted, 2)
    assert [i for stretch in stretches for i in stretch] == wanted
    assert all(stretch == sorted(stretch) for stretch in stretches)


def test_closing_twice_is_fine(source):
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("rtsp://camera/1", "no source opens rtsp:// addresses.*known: .*file"),
        ("nowhere.mp4", "nowhere.mp4"),
        (7, "a path, an address or a Source, got 7"),
    ],
)
def test_what_no_source_opens_is_refused(place, words):
    with pytest.raises(SourceError, match=words):
        open_source(place)


def test_analyze_takes_a_source(source, tmp_path):
    import lab

    run = lab.analyze(source, detector="visual", every_s=0.5, store=tmp_path, progress=False)
    assert run.state == "done"
    assert run.log.pts_us.tolist() == [f.pts_us for f in source.frames(0.5)]
    assert run.media["media_id"] == source.media().media_id
