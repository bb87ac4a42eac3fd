"""Who logs in at a provider: Streamlit's cookie, for this origin and these people alone; and what
is said where others can reach the app.
"""

import json
import sys

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import auth_util
from streamlit.runtime.secrets import AttrDict
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from lab.app.server.exposure import is_exposed, warnings_of
from lab.app.server.guard import Guard
from lab.app.server.login import Login
from tests.app.test_access import ROUTES
from tests.guarded import TOKEN

ORIGIN = "https://lab.example.org"
USERS = ("eve@example.org", "*@lab.example")


@pytest.fixture
def browser():
    guard = Guard(
        Starlette(routes=ROUTES),
        token=TOKEN,
        routes=ROUTES,
        allowed_hosts=("lab.example.org",),
        login=Login(USERS),
    )
    return TestClient(guard, base_url=ORIGIN, follow_redirects=False)


def cookie(secret=None, **said):
    said = {"is_logged_in": True, "origin": ORIGIN, "email": "eve@example.org", **said}
    value = create_signed_value(secret or get_cookie_secret(), USER_COOKIE_NAME, json.dumps(said))
    return {"Cookie": f"{USER_COOKIE_NAME}={value.decode()}"}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 200),
        ({"email": "EVE@example.org"}, 200),
        ({"email": "any@lab.example"}, 200),
        ({"email": "mallory@example.org"}, 401),
        ({"email": "eve@example.org.evil.example"}, 401),
        ({"email": "eve@evillab.example"}, 401),
        ({"email": None}, 401),
        ({"email_verified": False}, 401),
        ({"is_logged_in": False}, 401),
        ({"is_logged_in": "yes"}, 401),
        ({"origin": "https://other.example.org"}, 401),
        ({"secret": "another secret"}, 401),
    ],
    ids=str,
)
def test_only_those_who_may_log_in_are_let_in(browser, said, status):
    answer = browser.get("/who", headers=cookie(**said))
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["is_local"] is False


def test_another_site_gets_nothing_by_the_cookie_of_a_login(browser):
    foreign = {**cookie(), "Sec-Fetch-Site": "cross-site"}
    assert browser.get("/who", headers=foreign).status_code == 403
    foreign = {**cookie(), "Origin": "https://evil.example"}
    assert browser.get("/who", headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("path", "said", "sent", "status"),
    [
        ("/", {}, {}, 200),
        ("/", {"email": "mallory@example.org"}, {}, 403),
        ("/", {}, {"Sec-Fetch-Mode": "no-cors"}, 403),
        ("/who", {}, {}, 403),
        ("/?run=x", {}, {}, 403),
    ],
)
def test_who_comes_back_from_the_provider_is_led_on_to_the_first_page(
    browser, path, said, sent, status
):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", **sent}
    answer = browser.get(path, headers={**cookie(**said), **headers, "Accept": "text/html"})
    assert answer.status_code == status
    assert ('content="0; url=/"' in answer.text) is (status == 200)


def test_who_is_not_let_in_is_offered_to_log_in(browser, monkeypatch):
    page = browser.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert '<a href="/login">' in page.text
    monkeypatch.setattr(auth_util, "encode_provider_token", lambda provider: f"to-{provider}")
    assert browser.get("/login").headers["location"] == "/auth/login?provider=to-default"
    assert browser.get("/oauth2callback").status_code == 404  # Streamlit's, which is not here
    assert browser.get("/auth/logout").status_code == 401


@pytest.mark.parametrize(
    ("auth", "users", "has_login"),
    [({}, USERS, False), ({"client_id": "x"}, USERS, True), ({"client_id": "x"}, (), False)],
)
def test_a_login_needs_a_provider_and_somebody_who_may_come(monkeypatch, auth, users, has_login):
    monkeypatch.setattr(auth_util, "get_secrets_auth_section", lambda: AttrDict(auth))
    assert (Login.of_settings(users) is not None) is has_login
    monkeypatch.setitem(sys.modules, "authlib", None)
    assert Login.of_settings(users) is None


def test_without_a_login_nothing_is_open():
    guard = Guard(Starlette(routes=ROUTES), token=TOKEN, routes=ROUTES)
    client = TestClient(guard, base_url="http://localhost", follow_redirects=False)
    for path in ("/login", "/auth/login", "/oauth2callback"):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1"])
def test_nothing_is_said_where_the_app_stays_on_this_machine(host):
    assert not is_exposed(host)
    given = {"token": "x", "is_secure": False, "allowed_hosts": (), "login_users": None}
    assert warnings_of(host, **given) == []


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.5", "lab.example.org"])
def test_who_listens_for_others_is_told_what_follows(host):
    given = {"token": "short", "is_secure": False, "allowed_hosts": ("localhost",)}
    lines = warnings_of(host, **given, login_users=USERS)
    assert len(lines) == 4
    assert "eve@example.org" in lines[0]
    assert "can be guessed" in lines[1]
    assert "short" not in "".join(lines)
    given = {"token": None, "is_secure": True, "allowed_hosts": ("lab.example.org",)}
    assert len(warnings_of(host, **given, login_users=None)) == 1
