"""What the routes refuse, each with one line and a status that says whose fault it is."""

import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import lab
from lab.app.server.api.app import routes_of
from lab.app.server.moved import moved_pages
from lab.app.server.openapi import document
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.app.server.upload import safe_name
from lab.config import Config
from tests.builders import make_run, scores_of
from tests.guarded import client_of
from tests.unprivileged import as_nobody, open_folder  # noqa: F401


@pytest.fixture
def app_state(tmp_path):
    made = AppState(Config(store=tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def client(app_state):
    return client_of(routes(app_state))


@pytest.fixture
def run(app_state, tmp_path):
    return make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)


def said(answer) -> tuple[int, str]:
    assert answer.text.count("\n") == 0
    return answer.status_code, answer.text


def send(client, path, content):
    return said(client.post(path, content=content, headers={"Content-Type": "application/json"}))


def test_the_document_names_every_route_and_no_other(app_state):
    *before, api = routes(app_state)
    wanted = {(route.path, m.lower()) for route in before for m in route.methods - {"HEAD"}}
    wanted |= {("/api/uploads/{upload_id}", "head")}  # of tus; of others it is no other than GET
    wanted |= {(api.path + one.path, m.lower()) for one in routes_of(api.app) for m in one.methods}
    described = {(path, m) for path, methods in document()["paths"].items() for m in methods}
    assert described == wanted


def test_the_document_says_which_headers_and_statuses_uploads_have():
    paths = document()["paths"]
    one = paths["/api/uploads/{upload_id}"]

    def headers(operation):
        return {p["name"]: p["required"] for p in operation["parameters"] if p["in"] == "header"}

    begun = paths["/api/uploads"]["post"]
    assert headers(begun) == {
        "Tus-Resumable": True, "Upload-Length": True, "Upload-Metadata": False
    }  # fmt: skip
    assert {"Location", "Upload-Offset"} < set(begun["responses"]["201"]["headers"])
    assert headers(one["patch"]) == {"Tus-Resumable": True, "Upload-Offset": True}
    assert headers(one["put"]) == {"Content-Range": False}
    assert headers(paths["/api/uploads/{upload_id}/events"]["get"]) == {"Last-Event-ID": False}
    assert "204" in paths["/api/uploads/{upload_id}/events"]["get"]["responses"]
    assert {"204", "401", "408", "409", "412", "415", "422", "429", "503", "507"} < set(
        one["patch"]["responses"]
    )
    assert {"Upload-Offset", "Upload-Length"} < set(one["head"]["responses"]["200"]["headers"])
    assert "410" in one["head"]["responses"]
    assert {"401", "413", "429", "507"} < set(paths["/api/detect/video"]["post"]["responses"])


def test_a_body_is_counted_while_it_arrives(client):
    sent = 0

    def chunks():
        nonlocal sent
        for _ in range(200):
            sent += 1 << 20
            yield b" " * (1 << 20)

    status, text = send(client, "/api/replay", chunks())
    assert status == 413
    assert str(4 << 20) in text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[1]",
        b"null",
        b"\xff\xfe{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"run_id": "x", "rule": {}, "tiou": NaN}',
        b'{"run_id": "x", "rule": {}, "tiou": 1e400}',
        b'{"run_id": "x", "rule": {}, "tiou": -Infinity}',
        b'{"run_id": "x", "rule": {}, "tiou": "0.5"}',
        b'{"run_id": "x", "rule": {}, "tiou": 1' + b"0" * 400 + b"}",
        b'{"run_id": "x", "rule": {}, "tiou": ' + b"9" * 5000 + b"}",
        b'{"run_id": {}, "rule": {}}',
        b'{"run_id": "x", "rule": 1}',
        b'{"run_id": "\\ud800", "rule": {}}',
        b'{"run_id": "a\\u0000b", "rule": {}}',
        json.dumps({"run_id": "x" * 256, "rule": {}}).encode(),
        json.dumps({"run_id": "ä" * 128, "rule": {}}).encode(),
        json.dumps({"x" * 256: 1, "run_id": "x", "rule": {}}).encode(),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(client, body):
    assert send(client, "/api/replay", body)[0] == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/runs/{}/log"),
        ("POST", "/api/runs/{}/playhead"),
        ("GET", "/api/media/{}/file"),
        ("GET", "/api/media/{}/annotations"),
        ("POST", "/api/media/{}/annotations"),
        ("POST", "/api/media/{}/offset"),
        ("GET", "/api/pictures/{}/0.jpg"),
    ],
)
def test_what_is_unknown_is_not_found_and_what_is_too_long_is_refused(client, method, path):
    body = {"pts_s": 1, "offset_us": 1} if method == "POST" else None
    for name in ("nothing", "%2e%2e", "x" * 255, "%00"):
        status, _ = said(client.request(method, path.format(name), json=body))
        assert status == (400 if name == "%00" else 404), name
    assert said(client.request(method, path.format("x" * 256), json=body))[0] == 400


def test_a_run_is_found_by_its_id_alone(client, run):
    for path in ("..", ".", run.run_id + "/.", "../logs/" + run.run_id):
        body = json.dumps({"run_id": path, "rule": {}})
        assert send(client, "/api/replay", body)[0] == 404


@pytest.mark.parametrize(
    "record",
    [
        1,
        "text",
        None,
        [],
        {},
        {"kind": "annotation"},
        {"start_us": float("inf")},
        {"start_us": True},
        {"start_us": "1"},
        {"start_us": None},
        {"start_us": 2**60},
        {"id": 5},
        {"id": "x" * 256},
        {"label": "x" * 256},
        {"label": {"a": 1}},
        {"label": ""},
        {"annotator": ["me"]},
        {"origin": {"a": 1}},
        {"kind": "verdict", "verdict": {"a": 1}},
        {"kind": "verdict", "verdict": "accepted", "run_id": {"a": 1}},
        {"kind": ["annotation"]},
    ],
)
def test_an_annotation_that_is_none_is_refused(client, app_state, run, record):
    if isinstance(record, dict) and len(record) and record != {"kind": "annotation"}:
        good = {"kind": "annotation", "label": "cat", "start_us": 0, "end_us": 1_000_000}
        record = good | record
    path = f"/api/media/{run.media['media_id']}/annotations"
    status, _ = send(client, path, json.dumps({"add": [record]}))
    assert status == 400
    assert app_state.store.annotations() == []


def test_a_record_of_another_clip_is_not_replaced(client, app_state, samples, tmp_path):
    first = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0).media["media_id"]
    second = app_state.store.add_media(lab.probe(samples / "nothing.mp4"))["media_id"]
    record = {"kind": "annotation", "label": "cat", "start_us": 0, "end_us": 1_000_000}
    kept = client.post(f"/api/media/{first}/annotations", json={"add": [record | {"id": "mine"}]})
    assert kept.status_code == 200
    stolen = record | {"id": "mine", "label": "stolen"}
    answer = client.post(f"/api/media/{second}/annotations", json={"add": [stolen]})
    assert answer.status_code == 400
    assert "another clip" in answer.text
    (still,) = app_state.store.annotations()
    assert (still.media_id, still.label) == (first, "cat")
    again = client.post(
        f"/api/media/{first}/annotations", json={"add": [record | {"id": "mine", "label": "dog"}]}
    )
    assert again.status_code == 200
    assert [a.label for a in app_state.store.annotations()] == ["dog"]
    twice = client.post(f"/api/media/{first}/annotations", json={"add": [record | {"id": "x"}] * 2})
    assert twice.status_code == 400


def test_an_upload_to_a_store_that_cannot_be_written_is_refused(client, app_state):
    app_state.store.folder.mkdir(parents=True)
    # A file in the way, since a user who may do everything ignores modes.
    app_state.store.uploads_folder.write_text("")
    status, text = said(client.put("/api/uploads/clip.mp4", content=b"x"))
    assert status == 403
    assert "cannot be written" in text


def test_an_upload_to_a_read_only_store_is_refused(open_folder):  # noqa: F811
    store = open_folder / "store"
    store.mkdir()
    store.chmod(0o555)
    app_state = AppState(Config(store=store))
    client = client_of(routes(app_state))
    client.get("/api/health")  # all that it imports
    with as_nobody():
        status, text = said(client.put("/api/uploads/clip.mp4", content=b"x"))
    app_state.close()
    assert status == 403
    assert "cannot be written" in text


@pytest.mark.parametrize("name", ["ä" * 120 + ".mp4", "x" * 251 + ".mp4", ".." * 20, "a\\b/c.mp4"])
def test_the_name_of_an_upload_fits_every_file_system(name):
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= 150
    assert "/" not in safe
    assert "\\" not in safe
    assert safe.strip(".")


def test_a_clock_offset_that_fits_no_column_is_refused(client, run):
    path = f"/api/media/{run.media['media_id']}/offset"
    assert send(client, path, b'{"offset_us": 1e300}')[0] == 400
    assert send(client, path, b'{"offset_us": 5000}')[0] == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("source?for=otter", "library?for=otter"),
        ("run", "analyse"),
        ("tune?run=a%26b&rule=x", "review?run=a%26b&rule=x"),
        ("experiments", "notebook"),
        ("compare", "measure?step=proof"),
        ("compare?x=1", "measure?step=proof&x=1"),
    ],
)
def test_an_old_address_of_a_page_leads_to_the_new_one(old, new):
    client = TestClient(Starlette(routes=moved_pages()), follow_redirects=False)
    answer = client.get(f"/{old}")
    assert answer.status_code == 308
    assert str(answer.url.join(answer.headers["location"])) == f"http://testserver/{new}"
