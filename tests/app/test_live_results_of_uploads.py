"""`/ws/live`: an upload is told to those who may see it, and ends for them when it is deleted."""

import asyncio
import json

import pytest

from lab.access.asker import Asker, RefusedError
from lab.access.tokens import Tokens
from lab.app.server.state import AppState
from lab.app.server.uploads.bounds import Bounds
from lab.app.server.uploads.events import events_of
from lab.app.server.uploads.service import Wanted
from lab.config import Config
from lab.jobs.followed_upload import RUNS
from lab.jobs.job import Job
from tests.app.live_server import following, served


@pytest.fixture
def here(tmp_path):
    made = AppState(Config(store=tmp_path / "store"))
    made.store.folder.mkdir(exist_ok=True)
    yield made
    made.close()


def line(run_id, label, pts_s):
    """A sample as the analysis of an upload writes it down."""
    found = {"label": label, "confidence": 0.5, "box_xyxy_px": [1, 1, 5, 5]}
    sample = {"type": "sample", "run_id": run_id, "pts_s": pts_s, "frame_index": int(pts_s * 10)}
    return {**sample, "state": "ok", "detections": [found]}


def write(upload, run_id, label, count):
    media = {"width_px": 64, "height_px": 48}
    lines = [{"type": "started", "run_id": run_id, "media": media}]
    lines += [line(run_id, label, i / 10) for i in range(count)]
    with upload.events_file.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in lines)


def labels_of(follower):
    samples = follower.samples(upload_id="clip")
    return {found["label"] for one in samples for found in one["detections"]}


def test_one_whose_id_is_used_again_is_told_to_its_own_token_alone(here):
    tokens = Tokens(here.store.folder)
    anna, annas = tokens.add("anna", "analyse")
    bert, berts = tokens.add("bert", "analyse")
    askers = [Asker(name=one.name, scope=one.scope, token_id=one.token_id) for one in (anna, bert)]
    with (
        served(here, tokens=tokens) as address,
        following(address, token=annas) as first,
        following(address, token=berts) as second,
    ):
        upload = here.uploads.begin("clip", "a.mp4", askers[0])
        write(upload, "of-anna", "cat", 9)
        first.subscribe(upload_id="clip")
        here.uploads.delete(upload)
        write(here.uploads.begin("clip", "b.mp4", askers[1]), "of-bert", "dog", 30)
        _, recent = second.subscribe(upload_id="clip")
        assert (recent["run_id"], len(recent["samples"])) == ("of-bert", 5)
        while (said := first.hear())["type"] != "error":
            pass
        assert (said["code"], said["upload_id"]) == ("not_found", "clip")
        assert "was deleted" in said["detail"]
        first.say("subscribe", upload_id="clip")
        assert first.hear()["code"] == "not_found"
        assert (labels_of(first), labels_of(second)) == ({"cat"}, {"dog"})
        assert all("of-bert" not in json.dumps(one) for one in first.heard)


def test_who_reads_its_events_is_told_that_it_was_deleted_and_nothing_of_the_next(here):
    anna, bert = (Asker(name=name, scope="analyse", token_id=name) for name in ("anna", "bert"))

    async def listen():
        upload = here.uploads.begin("clip", "a.mp4", anna)
        write(upload, "of-anna", "cat", 3)
        told = events_of(upload)
        found = [(await anext(told)).event for _ in range(4)]
        here.uploads.delete(upload)
        write(here.uploads.begin("clip", "b.mp4", bert), "of-bert", "dog", 30)
        return found, [one.event async for one in told]

    before, after = asyncio.run(listen())
    assert {one["run_id"] for one in before} == {"of-anna"}
    assert after == [{"type": "error", "error": "the upload 'clip' was deleted"}]


def test_one_that_was_deleted_meanwhile_is_not_written_any_more(here):
    upload = here.uploads.begin("clip", "a.mp4", Asker(name="anna", scope="analyse"))
    here.uploads.delete(upload)
    anew = here.uploads.begin("clip", "a.mp4", Asker(name="bert", scope="analyse"))
    with pytest.raises(RefusedError, match="was deleted"):
        upload.begin_writing(Bounds(silence_s=60.0, max_bytes=1 << 20))
    assert not anew.part.exists()


def test_the_latest_samples_are_those_of_the_run_that_is_named(here):
    upload = here.uploads.begin("clip", "a.mp4", Asker(name="anna", scope="admin"))
    with served(here) as address, following(address) as first, following(address) as second:
        write(upload, "run-1", "cat", 9)
        write(upload, "run-2", "dog", 2)
        _, recent = first.subscribe(upload_id="clip")
        assert (recent["run_id"], labels_of(first)) == ("run-2", {"dog"})
        write(upload, "run-3", "bird", 3)
        first.hear_until(lambda said: said.get("run_id") == "run-3")
        _, recent = second.subscribe(upload_id="clip")
        assert (recent["run_id"], len(recent["samples"])) == ("run-3", 3)
        assert labels_of(second) == {"bird"}


def test_progress_counts_the_samples_that_were_told_before_it(here):
    """The worker says how many there are only now and then."""
    wanted = Wanted([{"detector": {"name": "visual"}}], [None])
    upload = here.uploads.begin("clip", "a.mp4", Asker(name="anna", scope="admin"), wanted=wanted)
    write(upload, "removed", "cat", 3)
    write(upload, "one", "cat", 5)
    (upload.folder / RUNS).write_text('["one"]')
    upload.is_awaited = False

    async def told():
        return [one.event async for one in events_of(upload)]

    events = asyncio.run(told())
    (progress,) = [one for one in events if one["type"] == "progress"]
    assert (progress["samples"], events[-1]["type"]) == (5, "end")


def test_what_is_about_to_be_gone_on_with_has_no_error(here):
    wanted = Wanted([{"detector": {"name": "visual"}}], [None])
    upload = here.uploads.begin("clip", "a.mp4", Asker(name="anna", scope="admin"), wanted=wanted)
    job = Job("follow", "a.mp4", {})
    job.end("failed", "a.mp4 is empty")
    with upload.analysis._guard:  # nobody looks after it meanwhile
        upload.analysis.job = job
        for is_working, told in ((True, ("queued", None)), (False, ("failed", "a.mp4 is empty"))):
            upload.analysis.is_working = is_working
            known = upload.to_dict()["analysis"]
            assert (known["state"], known["error"]) == told
