"""A real server on a free port, and a real Chromium."""

import os
import shutil
from contextlib import contextmanager
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


@pytest.fixture(scope="module")
def fork_server(chromium):
    with ForkServer() as made:
        yield made


@pytest.fixture
def server(fork_server, tmp_path):
    made = Server(tmp_path, [tmp_path, ROOT.parent / "shared" / "clips"], fork_server.start)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser(chromium):
    """browser() gives the Chromium of the file's tests; another one where that has crashed.

    Of a file and no longer: while it is open, no other test of the process can run asyncio.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    running = None

    def launched():
        nonlocal running
        if running is None or not running.is_connected():
            running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        return running

    with sync_playwright() as playwright:
        yield launched
        if running is not None:
            running.close()


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
    context = browser().new_context(viewport={"width": 1440, "height": 1200})
    made = context.new_page()
    made.set_default_timeout(30_000)
    made.goto = let_in(made)
    yield made
    context.close()


@pytest.fixture
def page(browser):
    with new_page(browser) as made:
        yield made
