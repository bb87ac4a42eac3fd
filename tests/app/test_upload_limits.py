"""How many uploads and analyses there may be, and how it is said that there are too many."""

import asyncio
import shutil
from contextlib import ExitStack

import pytest

import lab.app.server.uploads.upload as one_upload
from lab.access.asker import Asker
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.app.server.uploads import bounds
from lab.app.server.uploads.told import Told
from lab.config import Config
from lab.errors import NotFoundError
from tests.app.upload_server import (
    UploadServer,
    content_range,
    dying_client,
    slowly,
    until,
)
from tests.guarded import client_of

EACH = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = UploadServer(
        tmp_path_factory.mktemp("server"),
        silence_s=60, max_uploads=3, max_uploads_per_token=EACH, max_jobs_per_token=1,
        max_clients_per_token=2,
    )  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def full(server):
    """All slots of the token are taken."""
    held = [
        dying_client(server, f"/api/uploads/held-{i}?name=a.mp4", b"x" * 100, 10)
        for i in range(EACH)
    ]
    for i in range(EACH):
        until(lambda i=i: server.known(f"held-{i}").get("bytes") == 10)
    server.held = held
    yield server
    for i, one in enumerate(held):
        one.close()
        until(lambda i=i: server.known(f"held-{i}")["state"] == "interrupted")
        until(lambda i=i: server.ask("DELETE", f"/api/uploads/held-{i}").status_code == 204)


def records(server):
    return {folder.name for folder in server.state.store.uploading_folder.glob("*")}


def test_what_is_refused_for_there_are_too_many_can_be_sent_later_as_if_it_were_new(full):
    before = records(full)
    path = "/api/uploads/later?name=a.mp4"
    for how in ({}, {"headers": content_range(0, 3)}):
        refused = full.ask("PUT", path, content=b"abc", **how)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert records(full) == before
    full.held[0].close()
    until(lambda: full.known("held-0")["state"] == "interrupted")
    again = until(lambda: (put := full.ask("PUT", path, content=b"abc")).is_success and put)
    assert again.json()["state"] == "complete"


def test_a_call_that_is_answered_as_it_goes_is_refused_by_its_status(full):
    before = records(full)
    path = "/api/detect/video?detector=visual&name=a.mp4"
    refused = full.ask("POST", path, content=b"abc")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert refused.headers["content-type"] == "application/problem+json"
    assert records(full) == before


def test_too_many_of_all_tokens_are_refused_by_503(server):
    before = records(server)
    with ExitStack() as others:
        for i in range(3):
            asker = Asker(name=f"other {i}", scope="analyse")
            others.enter_context(server.state.uploads.slots.taken(asker))
        for method, path in (
            ("POST", "/api/detect/video?detector=visual&name=a.mp4"),
            ("PUT", "/api/uploads/later-still?name=a.mp4"),
        ):
            assert server.ask(method, path, content=b"abc").status_code == 503
    assert records(server) == before


def test_analyses_that_wait_are_counted_and_uploads_without_are_taken(server):
    def put(name, asked):
        return server.ask("PUT", f"/api/uploads/{name}?name=a.mp4{asked}", content=b"x" * 4000)

    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9000"}
    metadata = "filename YS5tcDQ=,detector dmlzdWFs,id b25l"
    begin = {**tus, "Upload-Metadata": metadata, "Content-Type": "application/offset+octet-stream"}
    assert server.ask("POST", "/api/uploads", headers=begin, content=b"x" * 10).status_code == 201
    assert server.known("one")["state"] == "receiving"
    answer = put("two", "&detector=visual")
    assert (answer.status_code, "analysis waits" in answer.json()["detail"]) == (429, True)
    assert put("three", "").status_code == 200
    assert server.ask("DELETE", "/api/uploads/one").status_code == 204
    until(lambda: not server.state.uploads._given_up)
    assert put("two", "&detector=visual").status_code in (200, 422)


def test_a_disk_that_fills_up_leaves_room_for_the_catalog(server, monkeypatch):
    free = iter([bounds.HEADROOM_BYTES * 2] * 2)
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(one_upload, "_LOOK_FOR_ROOM_BYTES", 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, next(free, 5)))
    body = slowly(b"x" * 100, 5)  # of no declared length
    answer = server.ask("PUT", "/api/uploads/filling?name=a.mp4", content=body)
    assert (answer.status_code, "space" in answer.json()["detail"]) == (507, True)
    assert server.known("filling")["state"] == "interrupted"


async def lines(ended):
    try:
        while True:
            yield "data: {}\n\n"
    finally:
        ended.append("told")


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
def test_who_does_not_read_what_is_told_is_dropped(spec):
    ended = []

    async def full_pipe(message):
        if message.get("body"):
            await asyncio.Event().wait()

    async def silent():
        await asyncio.Event().wait()

    async def tell():
        held = ExitStack()
        held.callback(ended.append, "slot")
        answer = Told(lines(ended), send_s=0.05, held=held)
        await answer({"type": "http", "asgi": {"spec_version": spec}}, silent, full_pipe)

    asyncio.run(asyncio.wait_for(tell(), 30))
    assert ended == ["told", "slot"]


def test_a_full_disk_and_a_store_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    state = AppState(Config(store=tmp_path / "store"))
    client = client_of(routes(state))
    try:
        none = shutil._ntuple_diskusage(10, 10, 0)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda path: none)
            answer = client.put("/api/uploads/a?name=x.mp4", content=b"x")
            assert (answer.status_code, "disk space" in answer.json()["detail"]) == (507, True)
        assert not list(state.store.uploads_folder.iterdir())
        state.store.uploads_folder.rmdir()
        state.store.uploads_folder.write_text("")
        answer = client.put("/api/uploads/a?name=x.mp4", content=b"x")
        assert (answer.status_code, "cannot be written" in answer.json()["detail"]) == (403, True)
        answer = client.post("/api/detect/video?detector=visual", content=b"x")
        assert answer.status_code == 403
    finally:
        state.close()


def test_another_token_sees_no_upload_and_too_many_are_refused(tmp_path):
    server = UploadServer(tmp_path, silence_s=30, max_uploads_per_token=1, max_uploads=2)
    try:
        connection = dying_client(server, "/api/uploads/mine?name=a.mp4", b"x" * 100, 10)
        until(lambda: server.known("mine").get("bytes") == 10)
        second = server.ask("PUT", "/api/uploads/second?name=a.mp4", content=b"x")
        assert second.status_code == 429
        assert second.headers["retry-after"]
        assert server.ask("DELETE", "/api/uploads/mine").status_code == 409
        connection.close()
        until(lambda: server.known("mine")["state"] == "interrupted")
        uploads = server.state.uploads
        other = Asker(name="other", scope="analyse", token_id="t2")
        with pytest.raises(NotFoundError):
            uploads.get("mine", other)
        assert uploads.get("mine", Asker(name="root", scope="admin", token_id="t3"))
        assert server.ask("DELETE", "/api/uploads/mine").status_code == 204
        assert not (server.state.store.uploads_folder / "mine").exists()
    finally:
        server.close()
