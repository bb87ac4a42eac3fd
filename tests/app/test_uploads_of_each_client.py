"""Each kind of file over a slow connection, with curl and httpx2; a browser is in tests/browser."""

import subprocess
import threading
from contextlib import suppress

import pytest

import lab
from tests.app.upload_clips import KINDS
from tests.app.upload_server import ASKED, UploadServer, content_range, curl, rows_of, slowly, until
from tests.guarded import BEARER

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = UploadServer(tmp_path_factory.mktemp("server"), silence_s=60)
    yield made
    made.close()


@pytest.fixture(scope="module")
def alone(kinds, tmp_path_factory):
    """The rows of an analysis of the file, by the file's name."""
    made = {}
    store = tmp_path_factory.mktemp("alone") / "store"

    def rows(name):
        if name not in made:
            run = lab.analyze(
                kinds / name, detector="visual", labels=["brightness", "contrast"], every_s=0.2,
                store=store, progress=False,
            )  # fmt: skip
            made[name] = rows_of(run.store.log_folder(run.run_id))
        return made[name]

    return rows


def address(upload_id, name):
    return f"/api/uploads/{upload_id}?name={name}&{ASKED}"


def send(client, server, upload_id, file):
    path = address(upload_id, file.name)
    if client == "curl":
        sent = curl("--limit-rate", "300k", "-w", "%{http_code}", "-o", "-", "-T", file,
                    server.url + path)  # fmt: skip
        return int(sent.stdout[-3:])
    data = file.read_bytes()
    headers = {"Content-Length": str(len(data))}
    return server.ask("PUT", path, content=slowly(data), headers=headers).status_code


@pytest.mark.parametrize("client", ["curl", "httpx2"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_each_kind(server, kinds, alone, client, name):
    upload_id = f"{client}-{name}"
    assert send(client, server, upload_id, kinds / name) == 200
    known = server.ended(upload_id)
    assert known["analysis"]["state"] == "done", known["analysis"]["error"]
    run = server.run(known["run_ids"][0])
    assert rows_of(run.store.log_folder(run.run_id)) == alone(name)


@pytest.mark.parametrize("client", ["curl", "httpx2"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_was_cut_off(server, kinds, tmp_path, client, name):
    upload_id, cut = f"cut-{client}-{name}", tmp_path / name
    data = (kinds / name).read_bytes()
    cut.write_bytes(data[: len(data) * 7 // 8])
    status = send(client, server, upload_id, cut)
    known = server.ended(upload_id)
    if name == "last.mp4":  # without its index it is no video; who has sent all of it is done
        assert (status, known["state"]) in ((200, "complete"), (422, "failed"))
        assert known["analysis"]["state"] == "failed"
        return
    assert status == 200
    run = server.run(known["run_ids"][0])
    assert run.state == "done"
    assert len(run.log.pts_us)


@pytest.mark.parametrize("client", ["curl", "httpx2"])
def test_garbage(server, tmp_path, client):
    file = tmp_path / "garbage.mp4"
    file.write_bytes(b"\x93 no video at all " * (7_000_000 // 17))
    status = send(client, server, f"garbage-{client}", file)
    assert status == 422
    assert server.known(f"garbage-{client}")["state"] == "failed"


def dies_as_curl(server, path, file, has_begun):
    command = ["curl", "-sS", "--limit-rate", "100k", "-H"]
    command += [f"Authorization: {BEARER['Authorization']}", "-T", file, server.url + path]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(has_begun)
    process.kill()
    process.wait()


def dies_as_httpx2(server, path, file, has_begun):
    data, stop = file.read_bytes(), threading.Event()

    def body():
        yield data[: len(data) // 2]
        until(has_begun)
        stop.wait(0.1)
        raise ConnectionError("gone")

    headers = {"Content-Length": str(len(data))}
    with suppress(ConnectionError):
        server.ask("PUT", path, content=body(), headers=headers)


@pytest.mark.parametrize("dies", [dies_as_curl, dies_as_httpx2])
@pytest.mark.parametrize("name", KINDS)
def test_a_client_that_dies_and_goes_on(server, kinds, alone, dies, name):
    upload_id = f"{dies.__name__}-{name}"
    path, file = address(upload_id, name), kinds / name
    size = file.stat().st_size
    if dies is dies_as_curl and size < 100_000:
        pytest.skip("curl sends as much as that at once")

    def has_begun():
        return server.known(upload_id).get("bytes", 0) > size // 4

    dies(server, path, file, has_begun)
    known = server.ended(upload_id)
    assert known["state"] == "interrupted"
    data, first = file.read_bytes(), known["bytes"]
    more = content_range(first, len(data))
    answer = server.ask("PUT", path, content=slowly(data[first:]), headers=more)
    assert answer.status_code == 200, answer.text
    known = server.ended(upload_id)
    assert known["analysis"]["state"] == "done", known["analysis"]["error"]
    run = server.run(known["run_ids"][-1])
    times = [row["pts_us"] for part in rows_of(run.store.log_folder(run.run_id)) for row in part[0]]
    assert times == [row["pts_us"] for part in alone(name) for row in part[0]]
