"""Uploads that break off, and how they are gone on with, without an analysis."""

import base64
import http.client
import json
import os
import threading
import time

import pytest

from lab.access.asker import RefusedError
from lab.access.tokens import Tokens
from lab.app.server.uploads.bounds import Bounds
from lab.app.server.uploads.record import KEPT_S
from lab.runs.leftovers import find_leftovers
from tests.app.upload_server import (
    UploadServer,
    content_range,
    dying_client,
    slowly,
    until,
)

DATA = bytes(range(250)) * 20
SIZE = len(DATA)
HALF = SIZE // 2
TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = UploadServer(tmp_path_factory.mktemp("server"), silence_s=60)
    yield made
    made.close()


@pytest.fixture
def path(request):
    """Of an upload of its own."""
    return f"/api/uploads/{request.node.name[5:].split('[')[0]}"


def one(server, path):
    return server.state.uploads._known[path.rpartition("/")[2]]


def interrupted(server, path, sent, data=DATA):
    connection = dying_client(server, f"{path}?name=a.mp4", data, sent)
    until(lambda: server.ask("GET", path).json().get("bytes") == sent)
    connection.close()
    return until(lambda: (k := server.ask("GET", path).json())["state"] == "interrupted" and k)


def put(server, path, data, first=None, size=SIZE):
    headers = {} if first is None else content_range(first, size)
    return server.ask("PUT", f"{path}?name=a.mp4", content=data, headers=headers)


def test_a_client_that_is_gone_before_its_first_byte(server, path):
    interrupted(server, path, 0)
    refused = put(server, path, DATA)
    assert (refused.status_code, "of 0 bytes; go on" in refused.json()["detail"]) == (409, True)
    again = put(server, path, DATA, 0)
    assert (again.status_code, again.json()["state"]) == (200, "complete")
    assert one(server, path).file.read_bytes() == DATA


def test_without_a_name_nothing_is_gone_on_with_or_analysed(server, path):
    interrupted(server, path, HALF)
    for query, headers in (("", content_range(HALF, len(DATA))), ("?detector=visual", {})):
        refused = server.ask("PUT", path + query, content=DATA[HALF:], headers=headers)
        assert (refused.status_code, "?name=" in refused.json()["detail"]) == (400, True)
    assert server.ask("GET", path).json()["bytes"] == HALF


def test_one_of_no_declared_length_has_the_size_that_is_said_later(server, path):
    def breaks_off():
        yield DATA[:HALF]
        until(lambda: server.ask("GET", path).json().get("bytes") == HALF)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        server.ask("PUT", f"{path}?name=a.mp4", content=breaks_off())
    until(lambda: server.ask("GET", path).json()["state"] == "interrupted")
    short = put(server, path, iter([DATA[HALF:-100]]), HALF)
    assert short.status_code == 400
    known = server.ask("GET", path).json()
    assert (known["state"], known["bytes"], known["size"]) == (
        *("interrupted", len(DATA) - 100, len(DATA)),
    )
    rest = len(DATA) - 100
    for first, size in ((rest, len(DATA) + 5), (rest, len(DATA) - 50), (HALF, len(DATA))):
        assert put(server, path, iter([DATA[first:]]), first, size).status_code in (400, 409)
    wrong = put(server, path, DATA[rest + 5 :], rest)
    assert (wrong.status_code, "Content-Length" in wrong.json()["detail"]) == (400, True)
    assert put(server, path, DATA[rest:], rest).status_code == 200
    assert one(server, path).file.read_bytes() == DATA


def test_more_than_was_declared_breaks_it_off_at_once(server, path):
    begin = {**TUS, "Upload-Length": str(HALF), "Upload-Metadata": "id " + _base64(path)}
    assert server.ask("POST", "/api/uploads", headers=begin).status_code == 201
    more = {**PART, "Upload-Offset": "0"}
    answer = server.ask("PATCH", path, headers=more, content=slowly(DATA, 3, 0.01))
    assert (answer.status_code, "declared" in answer.json()["detail"]) == (400, True)
    assert answer.headers["tus-resumable"] == "1.0.0"
    known = server.ask("GET", path).json()
    assert (known["state"], known["bytes"] <= HALF) == ("interrupted", True)


def test_a_part_whose_length_is_more_than_is_missing_leaves_nothing(server, path):
    begin = {**TUS, "Upload-Length": str(SIZE), "Upload-Metadata": "id " + _base64(path)}
    too_long = {**begin, **PART}
    answer = server.ask("POST", "/api/uploads", headers=too_long, content=DATA + b"x")
    assert (answer.status_code, server.ask("GET", path).status_code) == (400, 404)
    assert server.ask("POST", "/api/uploads", headers=begin).status_code == 201
    first = server.ask("PATCH", path, headers={**PART, "Upload-Offset": "0"}, content=DATA[:HALF])
    assert first.status_code == 204
    part = {**PART, "Upload-Offset": str(HALF)}
    answer = server.ask("PATCH", path, headers=part, content=DATA)
    assert (answer.status_code, f"send the {SIZE - HALF}" in answer.json()["detail"]) == (400, True)
    assert server.ask("GET", path).json()["bytes"] == HALF
    assert server.ask("PATCH", path, headers=part, content=DATA[HALF:]).status_code == 204
    assert one(server, path).file.read_bytes() == DATA


def test_a_parameter_that_is_none_is_refused(server, path):
    for method, address in (
        ("PUT", f"{path}?name=a.mp4&detectr=visual"),
        ("PUT", f"{path}?detectr=visual"),
        ("POST", "/api/uploads?detectr=visual"),
        ("POST", "/api/detect/video?detectr=visual"),
    ):
        headers = {**TUS, "Upload-Length": "5"} if address.startswith("/api/uploads?") else {}
        answer = server.ask(method, address, headers=headers, content=DATA)
        assert answer.status_code == 400, address
        assert answer.headers["content-type"] == "application/problem+json"
        detail = answer.json()["detail"]
        assert "'detectr'" in detail
        assert "detector" in detail.replace("'detectr'", "")
    assert server.ask("GET", path).status_code == 404


def test_an_id_of_another_token_says_nothing_but_that_it_is_taken(server, path):
    interrupted(server, path, HALF)
    _, secret = Tokens(server.state.store.folder).add("curious", "analyse")
    other = {"Authorization": f"Bearer {secret}"}
    address = f"{path}?name=a.mp4"
    for headers in (other, {**other, **content_range(0, SIZE)}):
        answer = server.ask("PUT", address, headers=headers, content=DATA)
        assert answer.status_code == 409
        taken = f"the id {path.rpartition('/')[2]!r} is taken; choose another one"
        assert answer.json()["detail"] == taken
    assert "go on with it" in server.ask("PUT", address, content=DATA).json()["detail"]
    assert server.ask("GET", path, headers=other).status_code == 404


def test_who_has_heard_all_of_an_upload_is_not_told_the_end_again(server, path):
    """A browser connects again at the end of each answer, unless that is 204."""

    def events(heard=None):
        headers = {} if heard is None else {"Last-Event-ID": heard}
        return server.ask("GET", f"{path}/events", headers=headers)

    def last_id(answer):
        assert answer.text.count("event: end") == 1
        return [one for one in answer.text.splitlines() if one.startswith("id: ")][-1][4:]

    interrupted(server, path, HALF)
    heard = last_id(events())
    again = events(heard)
    assert (again.status_code, again.content) == (204, b"")
    assert events(heard.partition("-")[0]).status_code == 200  # the end was not heard
    assert put(server, path, DATA[HALF:], HALF).status_code == 200
    more = events(heard)
    assert (more.status_code, '"state": "complete"' in more.text) == (200, True)
    assert events(last_id(more)).status_code == 204
    one(server, path).events_file.write_bytes(b'{"type": "error"}\n')  # as a later analysis does
    assert events(last_id(more)).status_code == 200
    assert server.ask("DELETE", path).status_code == 204
    assert events(last_id(more)).status_code == 404


def _base64(path):
    return base64.b64encode(path.rpartition("/")[2].encode()).decode()


def test_of_two_parts_for_one_place_one_is_taken(server, path):
    begin = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": "id " + _base64(path)}
    server.ask("POST", "/api/uploads", headers=begin)
    upload = one(server, path)
    answers = []

    def send():
        part = {**PART, "Upload-Offset": "0"}
        answers.append(server.ask("PATCH", path, headers=part, content=slowly(DATA[:HALF], 3)))

    both = [threading.Thread(target=send) for _ in range(6)]
    with upload._guard:  # each has looked for the upload before one of them may write
        for thread in both:
            thread.start()
        time.sleep(0.3)
    for thread in both:
        thread.join()
    assert sorted(a.status_code for a in answers) == [204, *[409] * 5]
    assert upload.part.read_bytes() == DATA[:HALF]
    bounds = Bounds(silence_s=60, max_bytes=SIZE)
    with pytest.raises(RefusedError, match=f"{HALF} bytes are there; go on at that byte"):
        upload.begin_writing(bounds, at=0)  # who had looked before another one was done


def test_what_is_told_waits_for_nobody_who_writes(server, path):
    interrupted(server, path, HALF)
    upload, told = one(server, path), []
    with upload._guard:
        asking = threading.Thread(
            target=lambda: told.append(server.ask("GET", path).json()["bytes"]), daemon=True
        )
        asking.start()
        asking.join(20)
        assert told == [HALF]
        looking = threading.Thread(target=lambda: told.append(upload.is_over), daemon=True)
        looking.start()
        looking.join(20)
        assert told == [HALF, True]


def test_a_day_begins_anew_whenever_something_came(server, path):
    begin = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": "id " + _base64(path)}
    server.ask("POST", "/api/uploads", headers=begin)
    upload = one(server, path)

    def kept_s():
        return json.loads((upload.folder / "upload.json").read_text())["expires"] - time.time()

    def long_ago():
        upload.record.expires = upload._written_expires = time.time() + 5
        upload.record.write(upload.folder)

    long_ago()
    part = {**PART, "Upload-Offset": "0"}
    server.ask("PATCH", path, headers=part, content=DATA[:HALF])
    assert kept_s() > KEPT_S / 2
    long_ago()
    upload.break_off("a test")
    assert kept_s() > KEPT_S / 2
    long_ago()
    assert put(server, path, DATA[HALF:], HALF).status_code == 200
    assert kept_s() > KEPT_S / 2


def test_what_nobody_went_on_with_expires_and_a_clip_stays(server, path):
    interrupted(server, path, HALF)
    whole = path + "-whole"
    assert put(server, whole, DATA).status_code == 200
    uploads = [one(server, path), one(server, whole)]
    for upload in uploads:
        upload.record.expires = 0
    until(lambda: server.ask("GET", path).status_code == 404)
    until(lambda: server.ask("GET", whole).status_code == 404)
    until(lambda: not uploads[0].part.parent.exists())
    assert uploads[1].file.read_bytes() == DATA
    again = put(server, whole, DATA)
    assert (again.status_code, "take another id" in again.json()["detail"]) == (409, True)
    assert put(server, path, DATA).status_code == 200


def test_a_folder_that_was_left_empty_is_in_nobodys_way(server, path):
    (server.state.store.uploads_folder / path.rpartition("/")[2]).mkdir(parents=True)
    assert put(server, path, DATA).status_code == 200


def test_a_record_that_cannot_be_written_leaves_it_interrupted(server, path):
    connection = dying_client(server, f"{path}?name=a.mp4", DATA, HALF)
    until(lambda: server.ask("GET", path).json().get("bytes") == HALF)
    upload = one(server, path)
    away = upload.folder.with_name("away")
    upload.folder.rename(away)
    connection.sendall(DATA[HALF:])
    until(lambda: upload.state != "receiving")
    assert (upload.state, upload.offset) == ("interrupted", len(DATA))
    away.rename(upload.folder)
    connection.close()
    until(lambda: not upload._is_written_now)
    assert put(server, path, DATA[-1:], len(DATA) - 1).status_code == 409
    assert not upload.file.exists()


def test_an_app_that_is_killed_at_the_end_of_an_upload_has_it_whole(tmp_path):
    server = UploadServer(tmp_path)
    path = "/api/uploads/whole"
    try:
        assert put(server, path, DATA).status_code == 200
        upload = one(server, path)
        upload.record.is_whole = False  # as it is written down before the file has its name
        upload.record.expires = 5.0
        upload.record.write(upload.folder)
        sha256 = upload.record.sha256
        long_ago = time.time() - 90_000
        os.utime(upload.file, (long_ago, long_ago))
        assert not find_leftovers(server.state.store)
    finally:
        server.close()
    os.utime(upload.file)
    server = UploadServer(tmp_path)
    try:
        server.state.uploads.start()
        known = server.ask("GET", path).json()
        assert (known["state"], known["sha256"]) == ("complete", sha256)
    finally:
        server.close()


def test_a_token_that_is_revoked_ends_its_upload(server, path):
    tokens = Tokens(server.state.store.folder)
    _, secret = tokens.add("sender", "analyse")
    connection = dying_client(server, f"{path}?name=a.mp4", DATA, HALF, secret)
    until(lambda: server.ask("GET", path).json().get("bytes") == HALF)
    tokens.revoke("sender")
    until(lambda: server.ask("GET", path).json()["state"] == "interrupted")
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert (answer.status, json.loads(answer.read())["status"]) == (401, 401)
    connection.close()
    until(lambda: put(server, path, DATA[HALF:], HALF).status_code == 200)
    assert one(server, path).file.read_bytes() == DATA


def test_a_token_that_is_revoked_while_its_upload_waits_for_a_reader(server, path, monkeypatch):
    monkeypatch.setattr(
        "lab.app.server.uploads.receive.Bounds",
        lambda **given: Bounds(**{**given, "max_ahead": 3 * HALF}),
    )
    tokens = Tokens(server.state.store.folder)
    _, secret = tokens.add("patient", "analyse")
    data = DATA * 4
    connection = dying_client(server, f"{path}?name=a.mp4", data, HALF, secret)
    until(lambda: server.ask("GET", path).json().get("bytes") == HALF)
    upload = one(server, path)
    reader = upload._buffer.reader()
    reader.read(1)
    connection.sendall(data[HALF:])
    until(lambda: upload.offset >= HALF and upload._buffer._writing.locked())
    tokens.revoke("patient")
    until(lambda: not upload._is_written_now)  # though nobody reads
    known = server.ask("GET", path).json()
    assert (known["state"], known["bytes"]) == ("interrupted", upload.part.stat().st_size)
    connection.close()
    first = known["bytes"]
    assert put(server, path, data[first:], first, len(data)).status_code == 200
    assert upload.file.read_bytes() == data


def test_tus_says_what_is_wrong_in_its_own_words(server, path):
    begin = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": "id " + _base64(path)}
    assert server.ask("POST", "/api/uploads", headers=begin).status_code == 201
    for method, headers, status in (
        ("HEAD", {"Tus-Resumable": "0.2.2"}, 412),
        ("DELETE", {"Tus-Resumable": "0.2.2"}, 412),
        ("PATCH", PART, 400),
        ("PATCH", {**PART, "Upload-Offset": "7"}, 409),
    ):
        answer = server.ask(method, path, headers=headers)
        assert (answer.status_code, answer.headers["tus-resumable"]) == (status, "1.0.0"), headers
    empty = {**begin, "Upload-Length": "0"}
    assert server.ask("POST", "/api/uploads", headers=empty).status_code == 400
    one(server, path).fail("a test")
    assert server.ask("HEAD", path, headers=TUS).status_code == 410
