"""A real server on a free port, and a real Chromium."""

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.browser.server import ROOT, TOKEN, ForkServer, Server

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
VIEWPORT = {"width": 1440, "height": 1200}


def pytest_collection_modifyitems(items):
    """A click may be lost in a page that is drawn again while every core is busy: one more try."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def chromium():
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if path is None:
        if os.environ.get("LAB_BROWSER_TESTS") == "required":
            pytest.fail("browser tests are required, and no Chromium is installed")
        pytest.skip("no Chromium is installed")
    return path


@pytest.fixture(scope="session")
def fork_server(chromium):
    with ForkServer() as made:
        yield made


@pytest.fixture
def server(fork_server, tmp_path):
    made = Server(tmp_path, [tmp_path, ROOT.parent / "shared" / "clips"], fork_server.start)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def chromiums(chromium):
    """Starts a Chromium: launch(), or with a profile launch_persistent_context(folder, ...).

    Of a file and no longer: while it is open, no other test of the process can run asyncio.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def browser(chromium, chromiums):
    """browser() gives the Chromium of the file's tests; another one where that has crashed."""
    running = None

    def launched():
        nonlocal running
        if running is None or not running.is_connected():
            running = chromiums.launch(executable_path=chromium, args=FLAGS)
        return running

    yield launched
    if running is not None:
        running.close()


@pytest.fixture(scope="session")
def profile(tmp_path_factory):
    """The folder in which Chromium keeps the app's scripts, compiled, from file to file."""
    return tmp_path_factory.mktemp("profile")


class Window:
    """A Chromium whose pages share nothing but the cache; another one where it has crashed."""

    def __init__(self, launch) -> None:
        self._launch, self._context = launch, None

    def new_page(self):
        from playwright.sync_api import Error

        if self._context is not None:
            try:
                return self._context.new_page()
            except Error:  # it has crashed
                self.close()
        self._context = self._launch()
        return self._context.new_page()

    def forget(self) -> None:
        """Close the pages, and remove what they kept; without any page Chromium would end."""
        from playwright.sync_api import Error

        try:
            first, *pages = self._context.pages
            session = self._context.new_cdp_session(first)
            shown = [page.url for page in pages if page.url.startswith("http")]
            for origin in {"/".join(url.split("/")[:3]) for url in shown}:
                kinds = {"origin": origin, "storageTypes": "local_storage,indexeddb,cache_storage"}
                session.send("Storage.clearDataForOrigin", kinds)
            session.detach()
            self._context.clear_cookies()
            for page in pages:
                page.close()
        except Error:  # it has crashed
            self.close()

    def close(self) -> None:
        from playwright.sync_api import Error

        if self._context is not None:
            with suppress(Error):
                self._context.close()
            self._context = None


@pytest.fixture(scope="module")
def window(chromium, chromiums, profile):
    """The Chromium of the file's tests that take a page."""
    made = Window(
        lambda: chromiums.launch_persistent_context(
            profile, executable_path=chromium, args=FLAGS, viewport=VIEWPORT
        )
    )
    yield made
    made.close()


def let_in(page):
    """`page.goto` that exchanges the token of a test's server for its cookie first."""
    goto, known = page.goto, set()

    def opened(url, **options):
        server = "/".join(url.split("/")[:3])
        if server not in known and url.startswith("http"):
            page.context.request.get(f"{server}/?token={TOKEN}", max_redirects=0)
            known.add(server)
        return goto(url, **options)

    return opened


@contextmanager
def new_page(browser):
    """A page of its own, let in: cookies, storage and cache are of nobody else."""
    context = browser().new_context(viewport=VIEWPORT)
    yield ready(context.new_page())
    context.close()


def ready(page):
    page.set_default_timeout(30_000)
    page.goto = let_in(page)
    return page


@pytest.fixture
def page(window):
    """A page, let in: cookies and storage are of nobody else."""
    yield ready(window.new_page())
    window.forget()
