"""Analyses of uploads whose worker or app dies, or that cannot begin: each sample is seen once."""

import http.client
import json
import os
import signal
import threading
import time

import pytest

import lab
from lab.app.server.uploads.analysis import NOTES
from lab.runs.remove import remove_runs
from tests.app.upload_server import (
    ASKED,
    UploadServer,
    content_range,
    dying_client,
    lines_of,
    rows_of,
    until,
    workers_of,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = UploadServer(tmp_path_factory.mktemp("server"), silence_s=60)
    yield made
    made.close()


@pytest.fixture(scope="module")
def alone(kinds, tmp_path_factory):
    """The same analysis of the file."""
    return lab.analyze(
        kinds / "fast.mp4", detector="visual", labels=["brightness", "contrast"], every_s=0.2,
        store=tmp_path_factory.mktemp("alone") / "store", progress=False,
    )  # fmt: skip


def is_that_of_the_file(run, alone):
    assert run.state == "done"
    assert run.media["media_id"] == alone.media["media_id"]
    ours, theirs = (rows_of(one.store.log_folder(one.run_id)) for one in (run, alone))
    rows = [[row for part in parts for row in part[0]] for parts in (ours, theirs)]
    assert [row["pts_us"] for row in rows[0]] == [row["pts_us"] for row in rows[1]]


def samples_of(server, upload_id):
    return [
        line["pts_s"]
        for line in lines_of(server.state.uploads._known[upload_id].events_file.read_text())
        if line["type"] == "sample"
    ]


def has_samples(server, upload_id):
    found = server.state.uploads._known.get(upload_id)
    return found and found.events_file.exists() and b'"sample"' in found.events_file.read_bytes()


def kill_worker(server):
    """Of uploads. There is one."""
    for pid in workers_of(server):
        os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_killed_while_bytes_come_is_replaced(server, kinds, alone):
    data = (kinds / "fast.mp4").read_bytes()
    path = f"/api/uploads/killed?name=car.mp4&{ASKED}"
    connection = dying_client(server, path, data, len(data) * 2 // 3)
    try:
        until(lambda: has_samples(server, "killed"))
        first = server.state.uploads._known["killed"].analysis.job
        kill_worker(server)
        until(lambda: server.state.uploads._known["killed"].analysis.job is not first)
        before = len(samples_of(server, "killed"))
        assert server.known("killed")["state"] == "receiving"
        connection.sendall(data[len(data) * 2 // 3 :])
        known = server.ended("killed")
    finally:
        connection.close()
    assert before
    (run_id,) = known["run_ids"]
    is_that_of_the_file(server.run(run_id), alone)
    told = server.ask("GET", "/api/uploads/killed/events").text
    assert "event: summary" in told
    times = samples_of(server, "killed")
    assert times == sorted(set(times))


def test_an_analysis_that_cannot_begin_is_told_and_the_clip_is_kept(server, kinds):
    data = (kinds / "fast.mp4").read_bytes()
    asked = '[{"name": "a", "detector": {"name": "yolo", "weights": "nothing.pt"}}]'
    path = f"/api/detect/video?name=car.mp4&analyses={asked}"
    lines = lines_of(server.ask("POST", path, content=data).text)
    kinds_of_lines = [line["type"] for line in lines]
    assert kinds_of_lines.count("error") == 1
    assert "nothing.pt" in next(line["error"] for line in lines if line["type"] == "error")
    end = lines[-1]
    assert (end["type"], end["state"], end["analysis"]["state"]) == ("end", "complete", "failed")


def test_what_turns_out_to_be_no_video_at_the_last_instant_is_refused(server, kinds):
    data = (kinds / "fast.mp4").read_bytes()
    path = f"/api/uploads/refused?name=car.mp4&{ASKED}"
    connection = dying_client(server, path, data, len(data) - 10)
    until(lambda: server.known("refused").get("bytes") == len(data) - 10)
    upload = server.state.uploads._known["refused"]
    write = upload.record.write

    def written(folder):
        """Between the last look at what the analysis says, and the end of the file."""
        write(folder)
        upload.record.write = write
        upload._announced.refused = "it is not a video"
        upload._buffer.abort("it is not a video")

    upload.record.write = written
    connection.sendall(data[-10:])
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert (answer.status, json.loads(answer.read())["detail"]) == (422, "it is not a video")
    connection.close()
    known = server.known("refused")
    assert (known["state"], known["sha256"], known["path"]) == ("failed", None, None)
    assert not upload.file.exists()


@pytest.mark.long
def test_a_deleted_upload_leaves_the_runs_of_its_clip(server, kinds):
    data = (kinds / "fast.mp4").read_bytes()
    path = f"/api/uploads/deleted?name=car.mp4&{ASKED.replace('0.2', '0.04')}"
    connection = dying_client(server, path, data, len(data) * 2 // 3)
    try:
        until(lambda: has_samples(server, "deleted"))
        (run_id,) = server.known("deleted")["run_ids"]
        upload = server.state.uploads._known["deleted"]
        connection.sendall(data[len(data) * 2 // 3 :])
        until(lambda: server.known("deleted")["state"] == "complete")
        assert server.ask("DELETE", "/api/uploads/deleted").status_code == 204
        assert server.ask("GET", "/api/uploads/deleted").status_code == 404
    finally:
        connection.close()
    until(lambda: not upload.folder.exists())
    run = server.run(run_id)
    assert not run.media["media_id"].startswith("arriving-")
    assert run.state in ("done", "cancelled")
    assert upload.file.exists()


@pytest.mark.long
def test_an_upload_one_of_whose_runs_was_removed_is_gone_on_with(server, kinds, alone):
    data = (kinds / "fast.mp4").read_bytes()
    path = f"/api/uploads/removed?name=car.mp4&{ASKED}"
    connection = dying_client(server, path, data, len(data) * 2 // 3)
    until(lambda: has_samples(server, "removed"))
    connection.close()
    known = server.ended("removed")
    (run_id,) = known["run_ids"]
    media_id = server.state.store.run(run_id)["media_id"]
    remove_runs(server.state.store, [run_id])
    assert not server.state.store.media_rows(media_id=media_id)
    rest = known["bytes"]
    more = content_range(rest, len(data))
    assert server.ask("PUT", path, content=data[rest:], headers=more).status_code == 200
    known = server.ended("removed")
    assert known["analysis"]["state"] == "done", known["analysis"]["error"]
    assert known["run_ids"] != [run_id]
    is_that_of_the_file(server.run(known["run_ids"][0]), alone)


@pytest.mark.long
def test_what_was_whole_and_not_analysed_is_after_a_restart(tmp_path, kinds, alone):
    server = UploadServer(tmp_path, silence_s=30)
    data = (kinds / "fast.mp4").read_bytes()
    try:
        answer = server.ask("PUT", f"/api/uploads/left?name=car.mp4&{ASKED}", content=data)
        assert answer.json()["state"] == "complete"
        upload = server.state.uploads._known["left"]
    finally:
        server.close()  # most likely before its worker has begun
    (upload.folder / NOTES).touch()
    upload.record.expires = time.time() - 5
    upload.record.write(upload.folder)
    server = UploadServer(tmp_path, silence_s=30)
    try:
        server.state.uploads.start()
        known = server.ended("left")
        assert known["analysis"]["state"] == "done", known["analysis"]["error"]
        is_that_of_the_file(server.run(known["run_ids"][0]), alone)
        until(lambda: not (upload.folder / NOTES).exists())
    finally:
        server.close()


def test_an_upload_is_gone_on_with_after_a_restart(tmp_path, kinds):
    data = (kinds / "fast.mp4").read_bytes()
    path = f"/api/uploads/again?name=car.mp4&{ASKED}"
    server = UploadServer(tmp_path, silence_s=30)
    try:
        connection = dying_client(server, path, data, len(data) * 2 // 3)
        until(lambda: server.ask("GET", "/api/uploads/again").status_code == 200)
        file = server.state.uploads._known["again"].events_file
        until(lambda: file.exists() and b'"sample"' in file.read_bytes())
    finally:
        server.close()
    connection.close()
    server = UploadServer(tmp_path, silence_s=30)
    try:
        known = server.known("again")
        assert known["state"] == "interrupted"
        (run_id,) = known["run_ids"]
        assert server.run(run_id).state == "interrupted"
        rest = known["bytes"]
        more = content_range(rest, len(data))
        assert server.ask("PUT", path, content=data[rest:], headers=more).status_code == 200
        known = server.ended("again")
        assert (known["run_ids"], known["analysis"]["error"]) == ([run_id], None)
        assert server.run(run_id).state == "done"
    finally:
        server.close()


@pytest.mark.long
def test_a_healthy_client_is_not_held_up_by_a_worker_that_is_killed(tmp_path, kinds, monkeypatch):
    """With little that may be ahead, and a reader that was killed."""
    monkeypatch.setattr("lab.app.server.uploads.detect_video._MAX_AHEAD", 200_000)
    server = UploadServer(tmp_path, silence_s=30)
    data = (kinds / "fast.mp4").read_bytes()
    go_on = threading.Event()

    def body():
        yield data[: len(data) // 2]
        assert go_on.wait(60)
        for place in range(len(data) // 2, len(data), 50_000):
            yield data[place : place + 50_000]

    def kill():
        until(lambda: server.state.uploads._known)
        (upload_id,) = server.state.uploads._known
        until(lambda: has_samples(server, upload_id))
        kill_worker(server)
        go_on.set()

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        answer = server.ask("POST", f"/api/detect/video?{ASKED}&name=a.mp4", content=body())
        lines = lines_of(answer.text)
    finally:
        killing.join()
        server.close()
    assert (lines[-1]["type"], lines[-1]["state"]) == ("end", "complete")
    times = [line["pts_s"] for line in lines if line["type"] == "sample"]
    assert times == sorted(set(times))
    assert "summary" in {line["type"] for line in lines}
