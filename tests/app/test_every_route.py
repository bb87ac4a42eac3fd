"""Every route of the app: who is refused, by which answer. The routes are those of the app itself,
so that one which lets somebody in by mistake fails here.
"""

import re
import runpy
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from lab.access.asker import SCOPES
from lab.access.tokens import Tokens
from lab.app.server.access import Declared, OurMount, Probe, declared
from lab.app.server.api import app as app_module
from lab.app.server.api.app import api_app, routes_of, scope_of
from lab.app.server.api.errors import install_errors
from lab.app.server.api.route import StrictRoute
from lab.app.server.guard import Guard
from lab.app.server.moved import MOVED
from lab.app.server.state import app_state
from tests.guarded import client_of

ROOT = Path(__file__).parents[2]
HOST = "http://127.0.0.1:8501"
FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
)
OURS = ("/api/", "/ws/", "/metrics")


class Behind:
    """What stands behind the guard: answers all, and keeps what came. The routes of FastAPI, which
    look at the scope themselves, are the real ones; of these it keeps what they let in.
    """

    def __init__(self, routes):
        self.came, self.routes = [], routes

    async def __call__(self, scope, receive, send):
        found = declared(self.routes, scope) if scope["type"] == "http" else None
        if isinstance(getattr(found, "app", None), FastAPI):
            await self._inside(found, scope, receive, send)
            return
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            self.came.append(scope["path"])
            await socket.accept()
            await socket.close()
        elif scope["type"] == "http":
            self.came.append(scope["path"])
            await Response("in")(scope, receive, send)

    async def _inside(self, mount, scope, receive, send):
        async def seen(message):
            if message["type"] == "http.response.start" and message["status"] not in (401, 403):
                self.came.append(scope["path"])
            await send(message)

        await mount.app({**scope, **mount.matches(scope)[1]}, receive, seen)


class Made:
    """The app as `app.py` makes it, its guard around something that answers all."""

    def __init__(self, store):
        app = runpy.run_path(str(ROOT / "app.py"))["app"]
        (guard,) = [one for one in app._user_middleware if one.cls is Guard]
        self.all_routes, self.behind = app._user_routes, Behind(app._user_routes)
        self.probes = [one for one in self.all_routes if isinstance(one, Probe)]
        self.routes = [one for one in self.all_routes if one not in self.probes]
        self.client = TestClient(
            Guard(self.behind, **guard.kwargs), base_url=HOST, follow_redirects=False
        )
        self.tokens = Tokens(store)

    def token(self, name, scope):
        return self.tokens.add(name, scope)[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = tmp_path_factory.mktemp("routes") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_STORE", str(store))
        app_state.cache_clear()
        yield Made(store)
        app_state().close()
        app_state.cache_clear()


@pytest.fixture(scope="module")
def secrets(made):
    found = {scope: made.token(scope, scope) for scope in SCOPES}
    found["revoked"] = made.token("revoked", "admin")
    made.tokens.revoke("revoked")
    return found


def flat(routes, before=""):
    """Path, methods (None for a WebSocket) and scope of each route, those of mounts as well."""
    for route in routes:
        wants = getattr(route, "wants", "admin")
        if isinstance(getattr(route, "app", None), FastAPI):
            for one in routes_of(route.app):
                inner = scope_of(one)
                assert inner is not None, f"{one.path} needs no scope"
                wanted = max(wants, inner, key=SCOPES.index)
                yield before + route.path + one.path, sorted(one.methods), wanted
            continue
        if isinstance(route, Mount):
            for path, methods, inner in flat(route.routes, before + route.path):
                yield path, methods, max(wants, inner, key=SCOPES.index) if inner else wants
            if not route.routes:
                yield before + route.path + "/x", ["GET", "POST"], wants
        elif isinstance(route, WebSocketRoute):
            yield before + route.path, None, wants
        else:
            yield before + route.path, sorted(route.methods), wants


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def asked(made, path, method, headers, query=""):
    """The status, and whether the request came through."""
    made.behind.came.clear()
    path = re.sub(r"\{[^}]*\}", "x", path) + query
    made.client.cookies.clear()
    if method is not None:
        answer = made.client.request(method, path, headers=headers)
        return answer, bool(made.behind.came)
    try:
        with made.client.websocket_connect(f"ws://127.0.0.1:8501{path}", headers=headers):
            return Response(), bool(made.behind.came)
    except WebSocketDenialResponse as refused:
        refused.read()
        return refused, bool(made.behind.came)


def every(made):
    for path, methods, wants in flat(made.routes):
        for method in [None] if methods is None else methods:
            yield path, method, wants


def test_every_route_of_ours_says_which_scope_it_wants(made):
    undeclared = {one.path for one in made.routes if not isinstance(one, Declared)}
    assert undeclared == {f"/{old}" for old in MOVED}  # they lead to pages, which want admin
    ours = [path for path, *_ in flat(made.routes) if path.startswith(OURS)]
    assert len(ours) > 30


def test_nothing_is_open_but_the_probes_and_these_only_to_be_read(made):
    assert {one.path for one in made.probes} == {"/livez", "/readyz"}
    for probe in made.probes:
        for method in ("GET", "HEAD"):
            assert asked(made, probe.path, method, {"Host": "10.0.0.7:8501"})[1]
            answer, _ = asked(made, probe.path, method, {})
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        for method in ("POST", "PUT", "DELETE"):
            assert not asked(made, probe.path, method, {})[1]
        assert not asked(made, probe.path + "/x", "GET", {})[1]
        assert not asked(made, probe.path, None, {})[1]


@pytest.mark.parametrize("sent", ["nothing", "wrong", "revoked", "in the query", "other scheme"])
def test_without_a_valid_token_every_route_answers_401(made, secrets, sent):
    headers = {
        "nothing": {},
        "wrong": bearer("lab_" + "x" * 43),
        "revoked": bearer(secrets["revoked"]),
        "in the query": {},
        "other scheme": {"Authorization": f"Basic {secrets['admin']}"},
    }[sent]
    query = f"?token={secrets['revoked']}" if sent == "in the query" else ""
    for path, method, _ in every(made):
        answer, came = asked(made, path, method, headers, query)
        assert (answer.status_code, came) == (401, False), (path, method)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        if method != "HEAD":
            assert answer.json()["status"] == 401


def test_a_lower_scope_is_refused_and_the_right_one_is_let_in(made, secrets):
    for path, method, wants in every(made):
        for scope in SCOPES:
            answer, came = asked(made, path, method, bearer(secrets[scope]))
            is_enough = SCOPES.index(scope) >= SCOPES.index(wants)
            assert came == is_enough, (path, method, scope)
            if not is_enough:
                assert answer.status_code == 403
                assert method == "HEAD" or f"needs {wants}" in answer.json()["detail"]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_site_is_refused_by_every_route_though_it_has_a_token(made, secrets, headers):
    for path, method, _ in every(made):
        given = {**bearer(secrets["admin"]), **headers}
        answer, came = asked(made, path, method, given)
        assert (answer.status_code, came) == (403, False), (path, method)


def test_pages_and_what_no_route_declares_want_admin(made, secrets):
    for path in ("/", "/review", "/_stcore/host-config", "/static/x.js", "/apiary", "/new"):
        for scope in ("read", "analyse"):
            answer, came = asked(made, path, "GET", bearer(secrets[scope]))
            assert (answer.status_code, came) == (403, False), path
        assert asked(made, path, "GET", bearer(secrets["admin"]))[1]
    stream = "/_stcore/stream"
    assert not asked(made, stream, None, bearer(secrets["analyse"]))[1]
    assert asked(made, stream, None, bearer(secrets["admin"]))[1]


def test_the_api_has_no_other_addresses(made, secrets):
    for path in ("/api/unknown", "/api/", "/api/media/", "/api/docs/none.js", "/api/redoc"):
        answer, _ = asked(made, path, "GET", bearer(secrets["read"]))
        assert (answer.status_code, answer.json()["status"]) == (404, 404), path
        assert answer.headers["content-type"] == "application/problem+json"
    for path, takes in (
        ("/api/media", "GET, POST"),  # of two routes
        ("/api/health", "GET, HEAD"),
        ("/api/sightings.csv", "GET, HEAD"),
        ("/api/detect/video", "POST"),
        ("/api/uploads", "OPTIONS, POST"),
        ("/api/media/x/annotations", "GET, HEAD, POST"),
        ("/api/runs", "GET"),
    ):
        answer, _ = asked(made, path, "DELETE", bearer(secrets["admin"]))
        assert (answer.status_code, answer.json()["status"]) == (405, 405), path
        assert answer.headers["allow"] == takes, path
        assert answer.json()["detail"] == f"this address takes {takes}", path


def test_a_route_of_the_api_that_says_no_scope_is_refused(monkeypatch):
    router = APIRouter(route_class=StrictRoute)
    router.get("/open")(lambda: "in")
    monkeypatch.setattr(app_module, "_ROUTERS", (router,))
    with pytest.raises(ValueError, match="/open says no scope"):
        api_app()
    app = FastAPI()
    app.include_router(router)
    install_errors(app)
    assert client_of([OurMount("/api", app, wants="read")]).get("/api/open").status_code == 403


def test_a_token_in_the_query_opens_what_has_no_headers_to_send(made, secrets):
    query = f"?token={secrets['read']}"
    for path, method, wants in every(made):
        _, came = asked(made, path, method, {}, query)
        assert came == (wants == "read"), (path, method)


def test_every_answer_says_how_a_browser_may_use_it_and_none_lets_other_sites_read(made, secrets):
    for path, method, wants in every(made):
        for headers in ({}, bearer(secrets[wants]), {"Origin": "http://evil.example"}):
            if method is None:
                continue
            answer, _ = asked(made, path, method, headers)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert not [name for name in answer.headers if name.startswith("access-control-")]
