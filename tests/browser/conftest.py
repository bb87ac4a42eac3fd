"""A real server on a free port, and a real Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The app as a user starts it, over a store of its own."""

    def __init__(self, folder: Path, roots: list[Path]) -> None:
        self.store = folder / "store"
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rsplit(":", 1)[1]
        env = {
            **os.environ,
            "LAB_STORE": str(self.store),
            "LAB_MEDIA_ROOTS": os.pathsep.join(map(str, roots)),
            "LAB_TOKEN": "test-token",
        }
        self.log = (folder / "server.log").open("w")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamlit",
                "run",
                "app.py",
                "--server.port",
                port,
                "--server.headless",
                "true",
            ],
            cwd=ROOT,
            env=env,
            stdout=self.log,
            stderr=self.log,
        )
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2)
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError((folder / "server.log").read_text()) from None
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


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


@pytest.fixture
def server(chromium, tmp_path):
    made = Server(tmp_path, [tmp_path, ROOT.parent / "shared" / "clips"])
    yield made
    made.stop()


@pytest.fixture
def page(chromium):
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        made = browser.new_context(viewport={"width": 1440, "height": 1200}).new_page()
        made.set_default_timeout(30_000)
        yield made
        browser.close()
