"""No request makes the app answer with a server error: every route, over a real store.

Requests are made from the document that the server gives: valid ones, with ids of the store
among them, and such as break one rule of it.
"""

import json
import shutil

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

import lab
from lab.app.server.api.app import document_of_api
from lab.app.server.guard import Guard
from lab.app.server.openapi import document
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.jobs.queue.job_queue import JobQueue
from tests.builders import make_run, scores_of

schemathesis = pytest.importorskip("schemathesis", reason="needs the extra test")
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
TOKEN = "fuzz"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OF_API = document_of_api()["paths"]
SCHEMA = schemathesis.openapi.from_dict(document())
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]


@pytest.fixture(scope="module")
def app(tmp_path_factory, samples):
    """The routes behind the guard, over a store with a clip, its picture, runs and records."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copy(samples / "nothing.mp4", folder / "clip.mp4")
    run = make_run(folder, {"x": scores_of(60, [(10, 20)]), "y": scores_of(60, [])}, every_s=1.0)
    app_state = AppState(Config(store=folder / "store", media_roots=(folder,)))
    app_state.retry_after_s = 1e9  # a picture that cannot be made is asked for once
    media = app_state.store.add_media(lab.probe(folder / "clip.mp4"))
    app_state.truth.change(
        run.media["media_id"],
        {"add": [{"kind": "coverage", "label": "x", "start_us": 0, "end_us": 60_000_000}]},
    )
    with JobQueue(app_state.store.folder) as queue:
        queue.pause()  # what is asked for is kept, and not done
    app_state.watching.close()  # nor is anything watched
    made = Starlette(
        routes=routes(app_state), middleware=[Middleware(Guard, token=TOKEN)], debug=False
    )
    made.ids = {"run_id": run.run_id, "media_id": media["media_id"], "label": "x"}
    made.imported = run.media["media_id"]
    yield made
    app_state.close()


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url="http://localhost", headers=BEARER) as made:
        yield made


def attack(case, app):
    """One request; ids that the store does not know are replaced by ones that it knows."""
    is_valid = case.meta is None or case.meta.generation.mode.is_positive
    if is_valid and case.method != "DELETE":  # what is deleted cannot be asked for any more
        for place in (case.path_parameters, case.body):
            if isinstance(place, dict):
                place.update({k: v for k, v in app.ids.items() if k in place})
    answer = case.call(app=app, base_url="http://localhost", headers=BEARER)
    assert answer.status_code < 500 or answer.status_code == 507, answer.text  # a small disk
    # Errors are one line for people.
    if answer.status_code >= 400 and answer.status_code not in (405, 416):
        assert len(answer.text) < 2_000
        assert "Traceback" not in answer.text
    if answer.status_code >= 400 and is_of_api(case):
        assert answer.headers["content-type"] == ["application/problem+json"]
        assert answer.json()["status"] == answer.status_code


def is_of_api(case):
    """Whether FastAPI answers, and not one of the earlier routes."""
    return case.method.lower() in OF_API.get(case.path, ())


@SCHEMA.parametrize()
@settings(max_examples=3, deadline=None, suppress_health_check=SLOW, phases=[Phase.generate])
def test_no_request_is_a_server_error(case, app):
    attack(case, app)


@pytest.mark.long
@SCHEMA.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
def test_no_request_is_a_server_error_searched_for_long(case, app):
    attack(case, app)


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -1, 1, 2**53, 1e308, 1e-320, -0.0]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
SETTINGS = st.sampled_from(
    [
        *("enter_threshold", "exit_threshold", "enter_frames", "enter_window", "exit_frames"),
        *(
            "min_duration_s",
            "merge_gap_s",
            "cooldown_s",
            "cooldown_from",
            "gap_policy",
            "enter_s",
            "exit_s",
        ),
    ]
)
BOXES = st.sampled_from(["min_area_fraction", "max_area_fraction", "include", "exclude"])
RULES = st.fixed_dictionaries(
    {},
    optional={
        "default": st.fixed_dictionaries(
            {},
            optional={
                "debounce": st.dictionaries(SETTINGS, VALUES | NUMBERS, max_size=3),
                "box_filter": st.dictionaries(BOXES, VALUES | NUMBERS, max_size=2),
            },
        ),
        "only": st.none() | st.lists(st.sampled_from(["x", "y", "z"]), max_size=3) | VALUES,
        "labels": st.dictionaries(st.sampled_from(["x", "z"]), VALUES, max_size=2),
    },
)
PATHS = ["/api/replay", "/api/decisions", "/api/explain"]


def rules_on_a_run(client, app, path, rule, more):
    body = {**app.ids, "pts_s": 12.5, "rule": rule, **more}
    answer = client.post(path, content=json.dumps(body))
    assert answer.status_code < 500, (rule, more, answer.text)


RULE_CASES = (
    st.sampled_from(PATHS),
    RULES,
    st.dictionaries(st.sampled_from(["tiou", "annotator", "pts_s", "most"]), VALUES, max_size=2),
)


@given(*RULE_CASES)
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
def test_no_rule_is_a_server_error(client, app, path, rule, more):
    rules_on_a_run(client, app, path, rule, more)


@pytest.mark.long
@given(*RULE_CASES)
@settings(max_examples=5_000, deadline=None, suppress_health_check=SLOW)
def test_no_rule_is_a_server_error_searched_for_long(client, app, path, rule, more):
    rules_on_a_run(client, app, path, rule, more)


RECORDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["annotation", "coverage", "verdict"]) | VALUES,
        "label": st.sampled_from(["x", ""]) | VALUES,
        "start_us": st.integers(0, 30_000_000) | VALUES,
        "end_us": st.integers(0, 60_000_000) | VALUES,
    },
    optional={
        "id": st.sampled_from(["a", "b"]) | VALUES,
        "annotator": VALUES,
        "origin": st.sampled_from(["queue", "independent"]) | VALUES,
        "verdict": st.sampled_from(["accepted"]) | VALUES,
        "run_id": VALUES,
        "rule_hash": VALUES,
        "media_id": VALUES,
        "created_utc": VALUES,
    },
)
CHANGES = st.fixed_dictionaries(
    {}, optional={"add": st.lists(RECORDS, max_size=3) | VALUES, "delete": VALUES}
)


def changes_of_a_clip(client, app, changes):
    path = f"/api/media/{app.imported}/annotations"
    answer = client.post(path, content=json.dumps(changes))
    assert answer.status_code < 500, (changes, answer.text)
    assert client.get(path).status_code == 200


@given(CHANGES)
@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
def test_no_annotation_is_a_server_error(client, app, changes):
    changes_of_a_clip(client, app, changes)


@pytest.mark.long
@given(CHANGES)
@settings(max_examples=1_000, deadline=None, suppress_health_check=SLOW)
def test_no_annotation_is_a_server_error_searched_for_long(client, app, changes):
    changes_of_a_clip(client, app, changes)
