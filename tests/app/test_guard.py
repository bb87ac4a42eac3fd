"""Who gets in: the token, the cookie, Host and Origin; of the real app, as a user starts it."""

import asyncio
import http.client
import os
import re
import signal
import stat
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import lab
from lab.access.tokens import Tokens
from lab.app.server.guard import Guard
from lab.app.server.token import BrowserSecret, address_to_print, startup_token
from tests.browser.server import ROOT, Server, free_port

TOKEN = "a-token-of-a-test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=\S+")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The app with a token of its own, as a user gets it."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "store").mkdir(mode=0o755)
    made = Server(folder, [], token=None)
    yield made
    made.stop()


def printed_address(server) -> str:
    return ADDRESS.search(server.log.read_text())[0]


def ask(server, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(method, path, headers={"Accept": "text/html", **headers})
    answer = connection.getresponse()
    answer.text = answer.read().decode(errors="replace")
    return answer


def cookie_of(server) -> dict[str, str]:
    address = urlsplit(printed_address(server))
    answer = ask(server, f"{address.path}?{address.query}")
    assert answer.status == 303
    return {"Cookie": answer.getheader("set-cookie").split(";")[0]}


def test_the_printed_address_is_exchanged_for_a_cookie_that_opens_the_page(app):
    address = urlsplit(printed_address(app))
    answer = ask(app, f"/review?run=abc&{address.query}")
    assert (answer.status, answer.getheader("location")) == (303, "/review?run=abc")
    assert "HttpOnly" in answer.getheader("set-cookie")
    assert "samesite=strict" in answer.getheader("set-cookie").lower()
    token = address.query.removeprefix("token=")
    assert token not in answer.getheader("set-cookie")
    page = ask(app, "/", **cookie_of(app))
    assert page.status == 200
    assert token not in page.text
    assert page.getheader("set-cookie") is None


@pytest.mark.parametrize(
    "path",
    ["/", "/review", "/api/health", "/api/media/x/file", "/favicon.png"],
)
def test_nothing_is_answered_without_the_token(app, path):
    answer = ask(app, path)
    assert answer.status == 401
    assert "address that the app printed" in answer.text
    assert answer.getheader("set-cookie") is None
    assert ask(app, path, **cookie_of(app)).status != 401


def test_an_open_page_that_is_not_let_in_any_more_is_told_what_to_do(app):
    """Streamlit's page shows a text in JSON of any answer but 403, which it says is CORS."""
    answer = ask(app, "/_stcore/host-config", Accept="*/*")
    assert answer.status == 401
    assert "address that the app printed" in answer.text
    assert answer.getheader("set-cookie") is None
    assert ask(app, "/_stcore/host-config", **cookie_of(app)).status == 200
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert ask(app, "/_stcore/host-config", **foreign).status == 403


def test_the_frontends_files_need_the_cookie_too(app):
    page = ask(app, "/", **cookie_of(app)).text
    script = re.search(r'src="\./(static/[^"]+\.js)"', page)[1]
    assert ask(app, f"/{script}").status == 401
    assert ask(app, f"/{script}", **cookie_of(app)).status == 200


def test_only_the_health_of_the_server_is_told_to_everybody(app):
    answer = ask(app, "/_stcore/health")
    assert (answer.status, answer.text) == (200, "ok")


def joins(server, headers) -> int:
    """The status with which Streamlit's WebSocket answers; 101 if it opens."""

    async def opened():
        address = server.url.replace("http", "ws") + "/_stcore/stream"
        try:
            async with connect(address, additional_headers=headers):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    return asyncio.run(opened())


def test_streamlits_socket_needs_the_cookie_and_the_very_origin(app):
    cookie, port = cookie_of(app), urlsplit(app.url).port
    assert joins(app, {}) == 401
    assert joins(app, {"Origin": app.url}) == 401
    assert joins(app, {**cookie, "Origin": app.url}) == 101
    for origin in (
        "http://localhost:3000",
        "http://127.0.0.1:3000",
        f"http://localhost:{port}",
        f"https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "null",
        "",
    ):
        assert joins(app, {**cookie, "Origin": origin}) == 403, origin


def test_a_token_that_is_made_while_the_app_runs_opens_what_its_scope_allows(app):
    tokens = Tokens(app.store)
    _, secret = tokens.add("ci", "read")
    bearer = {"Authorization": f"Bearer {secret}", "Accept": "*/*"}
    assert ask(app, "/api/health", **bearer).status == 200
    assert ask(app, f"/api/health?token={secret}", Accept="*/*").status == 200
    for path, method in (("/", "GET"), ("/_stcore/host-config", "GET"), ("/api/uploads/x", "PUT")):
        answer = ask(app, path, method, **bearer)
        assert answer.status == 403
        assert answer.getheader("content-type") == "application/problem+json"
        assert "ci has the scope read" in answer.text
    assert joins(app, bearer) == 403
    tokens.revoke("ci")
    assert ask(app, "/api/health", **bearer).status == 401
    assert secret not in app.log.read_text()


def test_the_page_that_the_browser_is_started_with_is_the_users_alone(app):
    (page,) = app.store.glob("open_app_*.html")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert printed_address(app) in page.read_text()
    assert stat.S_IMODE(app.store.stat().st_mode) == 0o700


def test_the_page_goes_when_the_app_ends(tmp_path):
    (tmp_path / "store").mkdir()
    server = Server(tmp_path, [])
    assert list(server.store.glob("open_app_*.html"))
    server.stop()
    assert not list(server.store.glob("open_app_*.html"))


def test_on_a_desktop_the_browser_is_started_with_the_page_and_not_with_the_token(
    tmp_path, monkeypatch
):
    """As on a desktop: with a screen, and a program that opens addresses."""
    opener = tmp_path / "browser"
    opener.write_text(f'#!/bin/sh\necho "$@" > {tmp_path / "opened"}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(opener))
    server = Server(tmp_path, [], headless="false")
    try:
        (page,) = server.store.glob("open_app_*.html")
        assert until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text())
        assert (tmp_path / "opened").read_text().strip() == page.as_uri()
        assert stat.S_IMODE(server.store.stat().st_mode) == 0o700
    finally:
        server.stop()


def until(condition, times=200):
    for _ in range(times):
        if condition():
            return True
        time.sleep(0.1)
    return False


def is_let_in(asking) -> bool:
    try:
        asking.request("GET", f"/api/health?token={TOKEN}")
        answer = asking.getresponse()
        return bool(answer.read()) and answer.status == 200
    except OSError:
        asking.close()
        return False


def printed_token(server) -> str:
    return urlsplit(printed_address(server)).query


def test_a_browser_that_was_let_in_stays_in_over_a_restart_on_the_same_store(tmp_path):
    """The token of the printed address is new, the old one is worth nothing."""
    (tmp_path / "store").mkdir()
    server = Server(tmp_path, [], token=None)
    try:
        cookie, token = cookie_of(server), printed_token(server)
        kept = server.store / "browser_secret"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        server.restart()
        assert printed_token(server) != token
        assert ask(server, "/", **cookie).status == 200
        assert ask(server, f"/?{token}").status == 401
        assert joins(server, {**cookie, "Origin": server.url}) == 101
    finally:
        server.stop()


@pytest.mark.long
def test_a_browser_that_came_before_there_was_a_store_stays_in_too(tmp_path):
    """The first write makes the store; the next page that is opened keeps the secret in it."""
    server = Server(tmp_path, [], token=None)
    try:
        cookie = cookie_of(server)
        assert not server.store.exists()
        lab.open_store(server.store).store.save_rule("a", lab.Rule())
        assert joins(server, {**cookie, "Origin": server.url}) == 101
        server.restart(signal.SIGKILL)
        assert ask(server, "/", **cookie).status == 200
    finally:
        server.stop()


def test_a_browser_that_comes_from_a_file_gets_the_cookie_by_a_page_of_ours(app):
    query = urlsplit(printed_address(app)).query
    answer = ask(app, f"//evil.example/a?{query}", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 200
    assert "url=/evil.example/a" in answer.text
    assert answer.getheader("set-cookie").startswith("lab_")


def refused_socket(port, path, headers) -> int:
    """The status with which a WebSocket is refused."""
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    asking.request("GET", path, headers={**upgrade, **headers})
    status = asking.getresponse().status
    asking.close()
    return status


def test_uvicorn_prints_the_address_too(tmp_path):
    env = {**os.environ, "LAB_STORE": str(tmp_path / "store"), "LAB_TOKEN": TOKEN}
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(free_port())]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log)
        try:
            said = next(line for line in map(bytes.decode, running.stdout) if "Lab: http" in line)
            assert said.strip() == (
                f"Sighting Lab: http://127.0.0.1:{command[-1]} "
                "(to get in, put /?token= and your LAB_TOKEN behind it)"
            )
            asking = http.client.HTTPConnection("127.0.0.1", int(command[-1]), timeout=60)
            assert until(lambda: is_let_in(asking))
            port = int(command[-1])
            for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
                asking.request("GET", f"/api/refused?token={TOKEN}", headers=headers)
                answer = asking.getresponse()
                assert (answer.status, bool(answer.read())) == (403, True)
                assert refused_socket(port, f"/ws/live?token={TOKEN}", headers) == 403
            assert until(lambda: (tmp_path / "log").read_text().count('/ws/live" 403') == 2)
        finally:
            running.terminate()
            running.wait(20)
            running.stdout.close()
    assert not (tmp_path / "store").exists()  # the first write makes it
    told = (tmp_path / "log").read_text()
    assert told.count("/api/refused ") == 2
    assert "/api/health" in told  # uvicorn logs addresses, but for their tokens
    assert TOKEN not in told


def test_a_token_that_was_given_is_printed_on_a_terminal_alone(monkeypatch):
    startup_token.cache_clear()
    monkeypatch.setenv("LAB_TOKEN", TOKEN)
    try:
        address = "http://127.0.0.1:8501"
        on_a_terminal = address_to_print(address, is_terminal=True)
        assert on_a_terminal == f"{address}/?token={TOKEN}"
        for given in (address, ""):
            assert TOKEN not in address_to_print(given, is_terminal=False)
        startup_token.cache_clear()
        monkeypatch.delenv("LAB_TOKEN")
        made = address_to_print(address, is_terminal=False)
        assert made == f"{address}/?token={startup_token()}", "nobody else knows it"
    finally:
        startup_token.cache_clear()


def test_what_the_command_line_keeps_is_the_users_alone(tmp_path, samples):
    env = {**os.environ, "LAB_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-m", "lab", "analyze", str(samples / "nothing.mp4")]
    command += ["--detector", "motion", "--every", "1"]
    previous = os.umask(0o022)
    try:
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    finally:
        os.umask(previous)
    modes = {
        path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode)
        for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]
    }
    assert len(modes) > 5
    assert set(modes.values()) <= {0o600, 0o700}


def test_a_store_that_others_could_read_is_closed_when_it_is_used(tmp_path):
    (tmp_path / "store").mkdir(mode=0o755)
    (tmp_path / "store").chmod(0o755)
    lab.open_store(tmp_path / "store").store.save_rule("a", lab.Rule())
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


# The guard by itself, around an app that answers everything.


async def _answers(request):
    return PlainTextResponse("in")


async def _joins(socket):
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


@pytest.fixture(scope="module")
def guarded():
    inner = Starlette(
        routes=[
            WebSocketRoute("/socket", _joins),
            Route("/{path:path}", _answers, methods=["GET", "POST", "OPTIONS"]),
        ]
    )
    guard = Guard(inner, token=TOKEN, allowed_hosts=("lab.example.org", "*.inner.example"))
    return TestClient(guard, base_url="http://localhost:8501", follow_redirects=False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8501"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "https://localhost:8501"}, 403),
        ({"Origin": "http://localhost:8501.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8501"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:8501"}, 403),
        ({"Host": "evil.example@localhost:8501"}, 403),
        ({"Host": "localhost:8501/evil"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "lab.example.org"}, 200),
        ({"Host": "LAB.example.org."}, 200),
        ({"Host": "a.inner.example"}, 200),
        ({"Host": "inner.example"}, 403),
        ({"Host": "[::1]:8501"}, 200),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer ü"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
    ],
)
def test_token_host_and_origin_of_every_request_are_checked(guarded, headers, status):
    given = {k: v.encode() for k, v in {**BEARER, **headers}.items()}
    assert guarded.get("/any/page", headers=given).status_code == status
    assert guarded.post("/any/page", headers=given).status_code == status
    if status != 200:
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            guarded.websocket_connect("ws://localhost:8501/socket", headers=given),
        ):
            pass
        assert refused.value.status_code == status


def test_a_preflight_of_another_site_is_refused(guarded):
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    assert guarded.options("/api/replay", headers=headers).status_code == 403


def test_a_wrong_token_lets_nobody_in_and_an_old_one_logs_nobody_out(guarded):
    assert guarded.get("/?token=wrong").status_code == 401
    let_in = guarded.get(f"/?token={TOKEN}")
    assert let_in.status_code == 303
    assert guarded.get("/").status_code == 200
    assert guarded.get("/?token=wrong").headers["location"] == "/"
    guarded.cookies.clear()
    assert guarded.get("/").status_code == 401


def let_in_by(app, store) -> TestClient:
    """A browser that the guard of a store let in."""
    guard = Guard(app, token=TOKEN, secret=BrowserSecret(store))
    browser = TestClient(guard, base_url="http://127.0.0.1:8501", follow_redirects=False)
    assert browser.get(f"/?token={TOKEN}").status_code == 303
    return browser


def cookie_from(browser) -> str:
    return "; ".join(f"{c.name}={c.value}" for c in browser.cookies.jar)


def test_the_cookie_of_another_store_is_worth_nothing_and_replaces_none(guarded, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = (let_in_by(guarded.app._app, tmp_path / name) for name in ("a", "b"))
    assert one.get("/", headers={"Cookie": cookie_from(other)}).status_code == 401
    # A browser has one jar for all ports of a host.
    other.cookies.update(one.cookies)
    assert len(other.cookies.jar) == 2
    assert other.get("/").status_code == 200


def test_the_cookie_tells_neither_token_nor_secret(guarded, tmp_path):
    cookie = cookie_from(let_in_by(guarded.app._app, tmp_path))
    assert (tmp_path / "browser_secret").read_text() not in cookie
    assert TOKEN not in cookie


def test_another_lab_token_or_a_removed_secret_lets_every_browser_out(
    guarded, tmp_path, monkeypatch
):
    cookie = {"Cookie": cookie_from(let_in_by(guarded.app._app, tmp_path))}
    same = let_in_by(guarded.app._app, tmp_path)
    same.cookies.clear()
    assert same.get("/", headers=cookie).status_code == 200
    monkeypatch.setenv("LAB_TOKEN", "another-token")
    other = let_in_by(guarded.app._app, tmp_path)
    other.cookies.clear()
    assert other.get("/", headers=cookie).status_code == 401
    monkeypatch.delenv("LAB_TOKEN")
    (tmp_path / "browser_secret").unlink()
    fresh = let_in_by(guarded.app._app, tmp_path)
    fresh.cookies.clear()
    assert fresh.get("/", headers=cookie).status_code == 401


@pytest.mark.parametrize("content", ["", "short", "x" * 5000])
def test_a_damaged_secret_is_made_anew(guarded, tmp_path, content):
    (tmp_path / "browser_secret").write_text(content)
    let_in_by(guarded.app._app, tmp_path)
    assert 40 < len((tmp_path / "browser_secret").read_text()) < 100


def test_a_secret_that_others_could_read_is_made_anew(guarded, tmp_path):
    cookie = {"Cookie": cookie_from(let_in_by(guarded.app._app, tmp_path))}
    (tmp_path / "browser_secret").chmod(0o644)
    again = let_in_by(guarded.app._app, tmp_path)
    again.cookies.clear()
    assert again.get("/", headers=cookie).status_code == 401
    assert stat.S_IMODE((tmp_path / "browser_secret").stat().st_mode) == 0o600


def test_a_store_that_cannot_be_written_gets_a_secret_of_the_process(guarded, tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    assert let_in_by(guarded.app._app, tmp_path / "store").get("/").status_code == 200


def test_a_link_of_another_site_offers_the_way_on_and_does_nothing(guarded):
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
    page = guarded.get('/review?run="><script>', headers=headers)
    assert page.status_code == 403
    assert 'href="/review?run=' in page.text
    assert "<script>" not in page.text


def test_every_answer_keeps_other_sites_out_of_its_frame_and_tells_them_no_address(guarded):
    for answer in (guarded.get("/", headers=BEARER), guarded.get("/")):
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_behind_tls_the_cookie_is_for_tls_alone(guarded):
    client = TestClient(guarded.app, base_url="https://lab.example.org", follow_redirects=False)
    answer = client.get(f"/?token={TOKEN}", headers={"Origin": "https://lab.example.org"})
    assert "Secure" in answer.headers["set-cookie"]
