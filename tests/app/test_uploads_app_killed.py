"""An app that is killed in the middle of an upload, and clients that answer nobody."""

import json
import signal

import pytest
import requests

import lab
from lab.runs.run import Run
from lab.store.store import Store
from tests.app.upload_server import (
    ASKED,
    UploadServer,
    begun_request,
    content_range,
    rows_of,
    until,
)
from tests.guarded import BEARER
from tests.serving import Serving

pytestmark = pytest.mark.long


@pytest.mark.parametrize("all_is_sent", [False, True])
def test_an_app_that_is_killed_during_an_upload(tmp_path, kinds, all_is_sent):
    data, store = (kinds / "fast.mp4").read_bytes(), tmp_path / "store"
    path = f"/api/uploads/one?name=car.mp4&{ASKED.replace('0.2', '0.04')}"

    def known(app):
        return app.ask("/api/uploads/one").json()

    with Serving(store) as app:
        connection = begun_request(app.url, "PUT", path, app.token, data, len(data) * 2 // 3)
        events = store / "uploading" / "one" / "events.ndjson"
        until(lambda: events.exists() and b'"sample"' in events.read_bytes())
        if all_is_sent:
            connection.sendall(data[len(data) * 2 // 3 :])
            until(lambda: known(app)["state"] == "complete")
        app.end(signal.SIGKILL)
        connection.close()
    with Serving(store) as app:
        found = known(app)
        (run_id,) = found["run_ids"]
        if not all_is_sent:
            assert found["state"] == "interrupted"
            first = found["bytes"]
            headers = {"Authorization": f"Bearer {app.token}", **content_range(first, len(data))}
            answer = requests.put(app.url + path, data=data[first:], headers=headers, timeout=60)
            assert answer.status_code == 200, answer.text
        until(lambda: (known(app)["analysis"]["state"] or "") in ("done", "failed"))
        found = known(app)
        assert found["analysis"]["state"] == "done", found["analysis"]["error"]
        assert found["run_ids"] == [run_id]
    run = Run(Store(store), run_id)
    alone = lab.analyze(
        kinds / "fast.mp4", detector="visual", labels=["brightness", "contrast"], every_s=0.04,
        store=tmp_path / "alone", progress=False,
    )  # fmt: skip
    assert (run.state, run.media["media_id"]) == ("done", alone.media["media_id"])
    times = [
        [row["pts_us"] for part in rows_of(one.store.log_folder(one.run_id)) for row in part[0]]
        for one in (run, alone)
    ]
    assert times[0] == times[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = UploadServer(tmp_path_factory.mktemp("server"), silence_s=3, max_clients_per_token=2)
    yield made
    made.close()


def test_a_client_of_an_answer_as_it_goes_that_dies(server, kinds):
    data = (kinds / "fast.mp4").read_bytes()
    token = BEARER["Authorization"].split()[1]
    path = f"/api/detect/video?name=car.mp4&{ASKED}"
    connection = begun_request(server.url, "POST", path, token, data, len(data) * 2 // 3)
    told = b""
    while b'"sample"' not in told:
        told += connection.recv(1 << 16)
    upload_id = json.loads(told[told.index(b'{"type":"accepted"') :].split(b"\n")[0])["upload_id"]
    connection.close()
    known = server.ended(upload_id)
    assert known["state"] == "interrupted"
    assert server.run(known["run_ids"][0]).state == "interrupted"
    until(lambda: not server.state.uploads.slots._open)


def test_who_follows_and_reads_nothing_is_dropped_and_others_may_follow(server, kinds):
    """Over real connections, which hold some megabytes before they are full."""
    data = (kinds / "clip.webm").read_bytes()
    assert server.ask("PUT", "/api/uploads/told?name=a.webm&" + ASKED, content=data).is_success
    server.ended("told")
    events = server.state.uploads._known["told"].events_file
    with events.open("ab") as file:
        file.write(b'{"type":"sample","why":"' + b"x" * (24 << 20) + b'"}\n')
    token = BEARER["Authorization"].split()[1]
    silent = [
        begun_request(server.url, "GET", "/api/uploads/told/events", token, b"", 0)
        for _ in range(2)
    ]
    until(lambda: server.ask("GET", "/api/uploads/told/events").status_code == 429)
    answer = until(lambda: (a := server.ask("GET", "/api/uploads/told/events")).is_success and a)
    assert answer.text.count("data: ") > 3
    for one in silent:
        one.close()
