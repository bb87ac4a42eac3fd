"""tus 1.0, and clients that fall silent: by a server that gives up soon."""

import http.client

import pytest

from lab.access.asker import Asker
from tests.app.upload_server import UploadServer, dying_client, until


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """One that gives up soon; of those who are not quick under load it asks nothing else."""
    made = UploadServer(tmp_path_factory.mktemp("impatient"), silence_s=3)
    yield made
    made.close()


@pytest.mark.long
def test_a_client_that_falls_silent_is_given_up(impatient, kinds):
    server = impatient
    data = (kinds / "fast.mp4").read_bytes()
    path = "/api/uploads/silent?name=car.mp4"
    connection = dying_client(server, path, data, 1000)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 408
    connection.close()
    assert until(lambda: server.known("silent")["state"] == "interrupted")


TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.mark.long
def test_tus(impatient, kinds):
    server = impatient
    data = (kinds / "fast.mp4").read_bytes()
    told = server.ask("OPTIONS", "/api/uploads")
    assert told.status_code == 204
    assert "creation" in told.headers["tus-extension"]
    assert told.headers["tus-max-size"] == str(4 << 30)
    metadata = "filename Y2FyLm1wNA==,detector dmlzdWFs,labels YnJpZ2h0bmVzcw==,every_s MC41"
    headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": metadata}
    assert server.ask("POST", "/api/uploads", headers={"Upload-Length": "5"}).status_code == 412
    made = server.ask("POST", "/api/uploads", headers=headers)
    assert made.status_code == 201, made.text
    place = made.headers["location"]
    half = len(data) // 2
    first = server.ask("PATCH", place, content=data[:half], headers={**PART, "Upload-Offset": "0"})
    assert (first.status_code, first.headers["upload-offset"]) == (204, str(half))
    assert "upload-expires" in first.headers
    wrong = server.ask("PATCH", place, content=data, headers={**PART, "Upload-Offset": "7"})
    assert wrong.status_code == 409
    more = {**TUS, "Content-Type": "text/plain", "Upload-Offset": str(half)}
    assert server.ask("PATCH", place, content=b"x", headers=more).status_code == 415
    now = server.ask("HEAD", place, headers=TUS)
    assert now.headers["upload-offset"] == str(half)
    assert now.headers["upload-length"] == str(len(data))
    assert now.headers["upload-metadata"] == metadata
    assert now.headers["cache-control"] == "no-store"
    upload_id = place.rpartition("/")[2]
    # Nothing comes for longer than the limit: what was seen stays, and is gone on with.
    known = until(
        lambda: (
            (k := server.known(upload_id))["state"] == "interrupted"
            and k["analysis"]["state"] == "failed"
            and k
        )
    )
    (run_id,) = known["run_ids"]
    assert server.run(run_id).state == "interrupted"
    headers = {**PART, "Upload-Offset": str(half)}
    last = server.ask("PATCH", place, content=data[half:], headers=headers)
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(data)))
    known = server.ended(upload_id)
    assert (known["state"], known["run_ids"]) == ("complete", [run_id])
    assert server.run(run_id).state == "done"
    assert server.ask("DELETE", place, headers=TUS).status_code == 204
    assert server.ask("HEAD", place, headers=TUS).status_code == 404
    assert server.run(run_id).media_path.is_file()  # a clip that is whole is the library's


def test_one_that_has_just_begun_is_not_over_for_who_follows_it(impatient):
    """Its first bytes come in another request, or later in this one."""
    uploads = impatient.state.uploads
    upload = uploads.begin("awaited", "a.mp4", Asker(name="anna", scope="admin"))
    assert not upload.is_over
    upload.look(3600.0)
    assert not upload.is_over
    upload.look(-1.0)  # nobody came
    assert upload.is_over
    uploads.delete(upload)
