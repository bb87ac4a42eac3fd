"""What the guard does for tokens: cookies of them, limits, and the end of what goes on."""

import asyncio
import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from lab.access.asker import RefusedError
from lab.access.tokens import Tokens
from lab.app.server.access import HEADER, OurMount, OurRoute, OurSocket, asker_of, needs
from lab.app.server.bounds import run_while
from lab.app.server.guard import Guard
from lab.app.server.problem import refused
from lab.app.server.token import BrowserSecret
from lab.limits import Limits
from tests.guarded import BEARER, TOKEN, client_of


async def who(request):
    asker = asker_of(request)
    seen = {"query": request.url.query, "headers": request.headers.getlist(HEADER)}
    return JSONResponse({"name": asker.name, "is_local": asker.is_local, **seen})


async def echo(socket):
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


async def length(request):
    return PlainTextResponse(str(len(await request.body())))


ROUTES = [
    OurRoute("/who", who, wants="read"),
    OurRoute("/length", length, wants="analyse", methods=["POST"]),
    OurSocket("/echo", echo, wants="read"),
    OurSocket("/short", echo, wants="read", max_message_bytes=10),
    OurSocket("/picture", echo, wants="read", max_message_bytes=30, is_beyond_setting=True),
]
ECHO = "ws://127.0.0.1/echo"


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "store")


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_handlers_learn_who_asks_and_no_client_can_say_so_itself(tokens):
    client = client_of(ROUTES, tokens=tokens)
    assert client.get("/who").json()["name"] == "app"
    _, secret = tokens.add("ci", "read")
    said = client.get("/who", headers={**bearer(secret), HEADER: '{"name": "me"}'}).json()
    assert said["name"] == "ci"
    assert len(said["headers"]) == 1
    assert '"scope": "read"' in said["headers"][0]


def test_a_token_of_the_address_is_taken_from_it(tokens):
    _, secret = tokens.add("ci", "read")
    client = client_of(ROUTES, {}, tokens=tokens)
    assert client.get(f"/who?a=1&token={secret}&b=x%26y").json()["query"] == "a=1&b=x%26y"
    with client.websocket_connect(f"{ECHO}?token={secret}") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize(
    ("headers", "client", "is_local"),
    [
        ({}, "127.0.0.1", True),
        ({}, "::1", True),
        ({}, "192.168.1.7", False),
        ({"Host": "lab.example.org"}, "127.0.0.1", False),
        ({"X-Forwarded-For": "203.0.113.9"}, "127.0.0.1", False),
        ({"X-Forwarded-Proto": "https"}, "127.0.0.1", False),
        ({"Forwarded": "for=203.0.113.9"}, "127.0.0.1", False),
        ({"Via": "1.1 proxy"}, "127.0.0.1", False),
    ],
)
def test_who_sits_at_this_machine_is_told_from_who_came_by_a_proxy(headers, client, is_local):
    routes = Guard(
        Starlette(routes=ROUTES), token=TOKEN, routes=ROUTES, allowed_hosts=("lab.example.org",)
    )
    asking = TestClient(routes, base_url="http://localhost", client=(client, 5))
    assert asking.get("/who", headers={**BEARER, **headers}).json()["is_local"] is is_local


def test_an_admin_token_lets_a_browser_in_until_it_is_revoked(tokens, tmp_path):
    made, secret = tokens.add("eve", "admin")
    _, lower = tokens.add("ci", "analyse")
    (tmp_path / "store").mkdir(exist_ok=True)
    kept = BrowserSecret(tmp_path / "store")
    browser = client_of(ROUTES, {}, tokens=tokens, secret=kept)
    assert browser.get(f"/?token={lower}").status_code == 403
    let_in = browser.get(f"/?token={secret}")
    assert let_in.status_code == 303
    assert secret not in let_in.headers["set-cookie"]
    assert made.sha256 not in let_in.headers["set-cookie"]
    assert browser.get("/who").json()["name"] == "eve"
    (cookie,) = browser.cookies.jar
    forged = {"Cookie": f"{cookie.name}={made.token_id}.{'0' * 64}"}
    assert client_of(ROUTES, forged, tokens=tokens, secret=kept).get("/who").status_code == 401
    tokens.revoke("eve")
    assert browser.get("/who").status_code == 401


def test_a_socket_ends_when_its_token_is_revoked(tokens):
    _, secret = tokens.add("ci", "read")
    client = client_of(ROUTES, bearer(secret), tokens=tokens)
    with client.websocket_connect(ECHO) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
        tokens.revoke("ci")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1008


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_answer_that_does_not_end_is_broken_off_when_the_token_is_revoked(
    has_begun, monkeypatch
):
    monkeypatch.setattr("lab.app.server.bounds._LOOK_EVERY_S", 0.01)
    ended, sent = [], []
    begin = {"type": "http.response.start", "status": 200, "headers": []}

    async def endless(scope, receive, send):
        try:
            if has_begun:
                await send(begin)
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def keep(message):
        sent.append(message)

    answers = iter([True, False])
    asyncio.run(run_while(lambda: next(answers), endless, {"type": "http"}, None, keep))
    assert ended == [True]
    if has_begun:  # the server cuts the connection
        assert sent == [begin]
        return
    assert (sent[0]["status"], json.loads(sent[1]["body"])["status"]) == (401, 401)
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]


def test_too_large_a_message_closes_the_socket():
    client = client_of(ROUTES, limits=Limits(max_message_bytes=10))
    with client.websocket_connect(ECHO) as socket:
        socket.send_text("ü" * 5)
        assert socket.receive_text() == "ü" * 5
        socket.send_text("ü" * 6)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1009


@pytest.mark.parametrize(
    ("place", "setting", "most"),
    [("short", 4, 4), ("short", 20, 10), ("picture", 20, 30), ("echo", 20, 20)],
)
def test_of_two_limits_of_a_message_the_smaller_one_holds_but_for_pictures(place, setting, most):
    client = client_of(ROUTES, limits=Limits(max_message_bytes=setting))
    with client.websocket_connect(f"ws://127.0.0.1/{place}") as socket:
        socket.send_text("x" * most)
        assert socket.receive_text() == "x" * most
        socket.send_text("x" * (most + 1))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1009


def test_one_socket_too_many_is_refused_and_told_when_to_come_again(tokens):
    limits = Limits(max_clients=3, max_clients_per_token=2)
    secrets = [tokens.add(name, "read")[1] for name in ("a", "b")]
    client = client_of(ROUTES, {}, tokens=tokens, limits=limits)

    def join(i):
        return client.websocket_connect(ECHO, headers=bearer(secrets[i]))

    with join(0), join(0):
        with pytest.raises(WebSocketDenialResponse) as refusal, join(0):
            pass
        assert refusal.value.status_code == 429
        assert int(refusal.value.headers["retry-after"]) > 0
        with join(1):
            with pytest.raises(WebSocketDenialResponse) as refusal, join(1):
                pass
            assert refusal.value.status_code == 503
    with join(0):
        pass


def test_a_body_of_which_nothing_comes_is_given_up():
    async def silent(request):
        try:
            await request.body()
        except Exception as error:
            return PlainTextResponse(type(error).__name__)
        return PlainTextResponse("whole")

    routes = [OurRoute("/body", silent, wants="read", methods=["POST"])]
    guard = client_of(routes, limits=Limits(silence_s=1)).app
    sent = []

    async def never():
        await asyncio.Event().wait()

    async def keep(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/body", "scheme": "http", "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"127.0.0.1"), (b"authorization", BEARER["Authorization"].encode())
        ],
    }  # fmt: skip
    asyncio.run(guard(scope, never, keep))
    assert b"SilentClientError" in b"".join(one.get("body", b"") for one in sent)


def test_an_app_below_a_mount_asks_for_more_by_a_dependency(tokens):
    """As FastAPI calls it: a function of the connection."""
    needs_analyse = needs("analyse")

    async def change(request: Request):
        return PlainTextResponse(needs_analyse(request).name)

    inner = Starlette(
        routes=[OurRoute("/change", change, wants="read")],
        exception_handlers={RefusedError: refused},
    )
    secrets = {scope: tokens.add(scope, scope)[1] for scope in ("read", "analyse")}
    client = client_of([OurMount("/v1", inner, wants="read")], {}, tokens=tokens)
    assert client.get("/v1/change", headers=bearer(secrets["analyse"])).text == "analyse"
    answer = client.get("/v1/change", headers=bearer(secrets["read"]))
    assert (answer.status_code, answer.json()["status"]) == (403, 403)
    assert client.get("/v1/change").status_code == 401
    # Without a guard nobody is let in.
    assert TestClient(inner).get("/change").status_code == 401


def test_no_answer_lets_another_site_read_it_whatever_the_app_says():
    async def open_to_all(request):
        more = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}
        return PlainTextResponse("in", headers=more)

    answer = client_of([OurRoute("/open", open_to_all, wants="read")]).get("/open")
    assert answer.text == "in"
    assert not [name for name in answer.headers if name.startswith("access-control-")]
