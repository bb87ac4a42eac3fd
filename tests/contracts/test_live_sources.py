"""What every live source promises beside what `test_sources` holds; see `LiveSource`."""

import threading

import pytest

from lab.errors import SettingError
from lab.frame import Frame
from lab.video.live.captures.registered import captures
from lab.video.live.make import live_source
from lab.video.registered import open_source, sources
from lab.video.sampling import EVERY_FRAME, Sampling
from lab.video.source import SKIPPED, LiveSource
from lab.video.sources.recording import RecordingSource
from tests.contracts.live_sources import COUNT, ELSEWHERE, PEERS, SECRET
from tests.video.live.taking import recorded, samples_of, shown


@pytest.fixture(params=PEERS)
def peer(request, encode, tmp_path):
    made = PEERS[request.param](tmp_path, encode)
    yield made
    made.close()


def opened(peer, **more):
    return live_source(peer.settings, state_folder=peer.state_folder, **more)


def test_every_built_in_live_source_is_in_the_suite():
    assert set(captures.names()) == {*PEERS, *ELSEWHERE}
    assert set(captures.names()) <= set(sources.names())
    assert all(callable(sources.get(kind)) for kind in captures.names())


def test_its_recording_gives_the_same_samples(peer, tmp_path):
    with opened(peer, recording=tmp_path / "recording") as source:
        assert isinstance(source, LiveSource)
        found = samples_of(source, COUNT)
    times = [one.frame.pts_us for one in found]
    assert times == sorted(set(times))
    assert [one.frame.index for one in found] == sorted({one.frame.index for one in found})
    skipped = [one.frame.pts_us for one in found if one.skipped]
    again = samples_of(RecordingSource(tmp_path / "recording", skipped_us=skipped))
    assert [shown(one) for one in again][: len(found)] == [shown(one) for one in found]
    assert recorded(tmp_path)


def test_the_newest_frame_wins_and_those_before_it_are_told(peer):
    """Of files that wait, none is passed over."""
    with opened(peer) as source:
        samples = source.samples([EVERY_FRAME])
        taken = [next(samples)]
        while source.received < COUNT and not source.connection.has_ended:
            if source.connection.can_wait:
                taken.append(next(samples))
            threading.Event().wait(0.01)
        if not source.connection.can_wait:
            taken += [next(samples) for _ in range(2)]
            assert taken[1].skipped == SKIPPED
            assert not isinstance(taken[1].frame, Frame)
            assert source.skipped >= 1
        else:
            assert source.skipped == 0
        source.stop()


def test_stopping_ends_it_from_another_thread(peer):
    with opened(peer) as source:
        samples = source.samples([Sampling(every_s=3600)])
        next(samples)
        threading.Timer(0.1, source.stop).start()
        assert list(samples) == []
        assert source.condition.state in ("stopped", "ended")


def test_wrong_settings_are_refused_and_no_password_is_told(peer):
    kind = peer.settings["type"]
    for wrong, words in (
        (peer.wrong, f"source: .*{next(iter(peer.wrong))}"),
        ({"no_such": 1}, f"source.no_such: {kind} has no such setting"),
    ):
        with pytest.raises(SettingError, match=words) as error:
            live_source({**peer.settings, **wrong}, state_folder=peer.state_folder)
        assert SECRET not in str(error.value)
    with opened(peer) as source:
        assert SECRET not in source.name + str(source.media()) + str(source.condition)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "source.type is missing; known: camera"),
        ({"type": "strem"}, "source.type 'strem' is unknown; .*stream"),
        ({"type": "gs", "place": 1}, "source 'gs' does not take these settings"),
    ],
)
def test_unknown_types_name_the_closest(settings, words):
    with pytest.raises(SettingError, match=words):
        live_source(settings)


def test_a_source_can_be_named_with_its_settings(tmp_path):
    with open_source({"type": "images", "path": str(tmp_path), "fps": 2}) as source:
        assert isinstance(source, LiveSource)
    with pytest.raises(SettingError, match="fsp"):
        open_source({"type": "images", "path": str(tmp_path), "fsp": 2})
