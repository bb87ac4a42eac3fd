"""People who log in at a provider of OpenID Connect, a real one, in a real Chromium."""

import warnings
from urllib.parse import urlsplit

import pytest
import requests

from tests.browser.conftest import FLAGS
from tests.browser.server import Server, start

# Its own dependency speaks of a later version.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from oidc_provider_mock import User, run_server_in_thread

EVE, MALLORY = "eve@lab.example", "mallory@other.example"
SECRETS = """
[auth]
redirect_uri = "{url}/oauth2callback"
cookie_secret = "a long text that only this test knows, and nobody else"
client_id = "sighting-lab"
client_secret = "the secret of a client"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def provider():
    users = [User(sub=one, claims={"email": one, "email_verified": True}) for one in (EVE, MALLORY)]
    with run_server_in_thread(user_claims=users) as made:
        yield made.server_port


@pytest.fixture(scope="module")
def app(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    (folder / ".streamlit").mkdir()

    def with_a_provider(words, env, log):
        url = f"http://127.0.0.1:{words[words.index('--server.port') + 1]}"
        text = SECRETS.format(url=url, provider=provider)
        (folder / ".streamlit" / "secrets.toml").write_text(text)
        users = {"LAB_LOGIN_USERS": "*@lab.example", "HOME": str(folder)}
        return start(words, {**env, **users}, log)

    made = Server(folder, [], with_a_provider)
    yield made
    made.stop()
    assert "Traceback" not in made.log.read_text()


def at_the_provider(app, who):
    """A session that has come back from the provider as somebody, and the last answer."""
    session = requests.Session()
    session.headers["Accept"] = "text/html"
    first = session.get(app.url)
    assert first.status_code == 401
    assert '<a href="/login">' in first.text
    page = session.get(app.url + "/login")
    assert urlsplit(page.url).path == "/oauth2/authorize"
    return session, session.post(page.url, data={"sub": who})


@pytest.mark.long
def test_who_may_log_in_is_let_in_with_all_that_pages_may(app):
    session, page = at_the_provider(app, EVE)
    assert page.url == app.url + "/"
    assert page.status_code == 200
    assert session.get(app.url + "/api/health").json() == {"status": "ok"}
    foreign = {"Origin": "http://evil.example"}
    assert session.get(app.url + "/api/health", headers=foreign).status_code == 403


@pytest.mark.long
def test_another_e_mail_address_is_refused(app):
    session, page = at_the_provider(app, MALLORY)
    assert page.status_code == 401
    assert "This browser has not been let in" in page.text
    assert session.get(app.url + "/api/health").status_code == 401


def test_who_is_turned_away_by_the_provider_stays_out(app):
    session = requests.Session()
    page = session.get(app.url + "/login")
    session.post(page.url, data={"action": "deny"})
    assert session.get(app.url + "/api/health").status_code == 401
    forged = session.get(app.url + "/oauth2callback?code=guessed&state=guessed")
    assert forged.status_code in (400, 401)
    assert session.get(app.url + "/api/health").status_code == 401


@pytest.mark.long
@pytest.mark.parametrize(("who", "is_let_in"), [(EVE, True), (MALLORY, False)])
def test_a_browser_logs_in(app, chromium, chromiums, who, is_let_in):
    from playwright.sync_api import expect

    browser = chromiums.launch(executable_path=chromium, args=FLAGS)
    try:
        page = browser.new_page()
        page.goto(app.url)
        page.get_by_role("link", name="Log in").click()
        page.get_by_role("button", name=who).click()
        if is_let_in:
            expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
        else:
            expect(page.get_by_text("This browser has not been let in")).to_be_visible()
            assert page.get_by_role("button", name="Try the sample").count() == 0
    finally:
        browser.close()
