"""Requests that cannot be served: each answered in the same form, in words, without the values."""

import json

import pytest

from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.limits import Limits
from tests.api.conftest import problem_of
from tests.guarded import BEARER, client_of

JSON = {"Content-Type": "application/json"}
DEEP = b'{"path":' * 5000 + b"1" + b"}" * 5000


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"path": NaN}', 400, "finite"),
        (b'{"path": 1e999}', 400, "finite"),
        (b'{"every_s": 9007199254740993000}', 400, "2**53"),
        (DEEP, 400, "nested"),
        (b"[]", 400, "object"),
        (b"", 422, "body"),
        (b'{"path": "a\\u0000b"}', 403, "not a path"),
        (b'{"path": "a\\ud800b"}', 422, "path"),
        (b'{"path": 7}', 422, "path"),
        (b'{"path": "x", "every_s": "soon"}', 422, "every_s"),
    ],
    ids=str,
)
def test_a_body_that_makes_no_sense_is_refused_in_words(api, content, status, words):
    answer = api.client.post("/api/jobs", content=content, headers=JSON)
    assert words in problem_of(answer, status)


def test_a_body_is_as_large_as_the_limit_and_no_larger(api):
    client = client_of(api.routes, limits=Limits(max_body_bytes=1000))
    large = json.dumps({"path": "x" * 2000})
    assert "1000 bytes" in problem_of(client.post("/api/jobs", content=large, headers=JSON), 413)


def test_who_may_not_do_it_is_told_so_before_a_body_is_read(api):
    def never():
        yield b"{"
        raise AssertionError("the body was read")

    reader = api.anyone("read")
    answer = reader.post("/api/media", content=never(), headers=JSON)
    assert "needs analyse" in problem_of(answer, 403)


@pytest.mark.parametrize(
    "path", ["/api/runs/..%2f..%2fx", "/api/runs/%2e%2e/log.tar", "/api/media/a%0ab", "/api/jobs/0"]
)
def test_what_is_no_id_is_not_found_or_not_valid(api, path):
    problem_of(api.client.get(path), 422 if path.endswith("/0") else 404)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/jobs?media_id=x", "cursor, limit, state"),
        ("/api/runs?media=x", "media_id"),
        ("/api/runs?Limit=1", "limit"),
        ("/api/media?limit=1&sites=creek", "'sites'"),
        ("/api/sightings?labels=x", "label"),
        ("/api/jobs/summary?state=done", "nothing"),
        ("/api/annotations?from_s=3", "'from_s'"),
    ],
)
def test_a_condition_of_another_name_is_refused_with_those_that_are_known(api, path, words):
    assert words in problem_of(api.client.get(path), 422)
    assert words in problem_of(api.client.get(f"{path}&token=x"), 422)


def test_a_value_that_is_refused_is_not_said_again(api):
    body = {"id": "x", "source": "rtsp://u:planted-secret@host/", "detector": {}}
    answer = api.client.post("/api/feeds", json=body)
    assert "source" in problem_of(answer, 422)
    assert "planted-secret" not in answer.text
    many = {f"unknown{i}": 1 for i in range(3000)}
    assert len(problem_of(api.client.post("/api/media", json=many), 422)) < 2000


def test_who_is_not_let_in_gets_the_same_form(api):
    nobody = client_of(api.routes, headers={})
    problem_of(nobody.get("/api/media"), 401)
    foreign = client_of(api.routes, headers={**BEARER, "Origin": "http://evil.example"})
    problem_of(foreign.get("/api/media"), 403)


def test_a_store_that_fails_says_when_to_ask_again_too(tmp_path):
    (tmp_path / "store").mkdir()
    state = AppState(Config(store=tmp_path / "store"))
    client = client_of(routes(state))
    (tmp_path / "store" / "catalog.duckdb").mkdir()  # no file that can be opened
    answer = client.get("/api/runs")
    problem_of(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    state.close()


def test_a_store_that_is_busy_is_503_and_says_when_to_ask_again(api, monkeypatch):
    catalog = api.state.store.catalog
    monkeypatch.setattr(catalog, "_wait_s", 0.2)
    with catalog.closed():  # as while another process has it
        answer = api.client.get("/api/runs")
    problem_of(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
