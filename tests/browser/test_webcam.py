"""The component that sends the camera of a browser, in Chromium with its fake camera."""

import socket
import threading
import time

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from lab.app.server.state import AppState
from lab.app.server.webcam_routes import webcam_routes
from lab.app.ui.shared import asset, script
from lab.config import Config
from lab.video.live.make import live_source
from lab.video.sampling import EVERY_FRAME
from tests.browser.conftest import FLAGS, ready
from tests.browser.page_actions import LAB, pick, settled, until

FAKE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PAGE = """<!doctype html><meta charset="utf-8"><main>{html}</main>
<script type="module">
import show from "/webcam.mjs";
const main = document.querySelector("main");
window.close_it = show({{ data: {{ feed_id: "cam", fps: 10, height: 120 }}, parentElement: main }});
</script>"""


@pytest.fixture
def page_server(tmp_path):
    """The component alone on a page, with the app's route; gives the state and the address."""
    state = AppState(Config(store=tmp_path / "store"))

    async def page(request):
        return HTMLResponse(PAGE.format(html=asset("webcam/webcam.html")))

    async def module(request):
        return Response(script("webcam/webcam.js"), media_type="text/javascript")

    app = Starlette(routes=[Route("/", page), Route("/webcam.mjs", module), *webcam_routes(state)])
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield state, f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    state.close()


@pytest.fixture
def with_camera(chromium, chromiums):
    """launch(*flags) gives a page of a Chromium with these flags."""
    running = []

    def launch(*flags):
        browser = chromiums.launch(executable_path=chromium, args=[*FLAGS, *flags])
        running.append(browser)
        return browser.new_page()

    yield launch
    for browser in running:
        browser.close()


@pytest.mark.long
def test_the_camera_reaches_the_feed_until_it_is_stopped(page_server, with_camera):
    from playwright.sync_api import expect

    state, address = page_server
    page = with_camera(*FAKE)
    page.goto(address)
    button, status = page.get_by_role("button"), page.get_by_role("status")
    button.click()
    expect(status).to_have_text("this feed does not wait for a browser's camera; start it")
    folder = state.store.folder / "feeds" / "cam" / "source"
    with live_source({"type": "webcam"}, state_folder=folder) as source:
        source.begin([EVERY_FRAME])
        expect(status).to_have_text("The feed sees this camera.")
        samples = source.samples([EVERY_FRAME])
        pictures = [next(samples).frame for _ in range(5)]
        shapes = {
            one.image_bgr.shape for one in pictures if getattr(one, "image_bgr", None) is not None
        }
        assert {height for height, _, _ in shapes} == {120}
        assert abs(source.began - time.time()) < 3600
        expect(page.get_by_label("Camera", exact=True)).to_be_hidden()
        button.click()
        expect(status).to_be_empty()
        expect(button).to_have_text("Use this computer's camera")
        assert page.evaluate("document.querySelector('video').srcObject === null")
        source.stop()


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "This computer has no camera that the browser knows of."),
        (FAKE[:1], "The browser does not let this page use the camera."),
    ],
)
def test_why_there_is_no_camera_is_said(page_server, with_camera, flags, words):
    from playwright.sync_api import expect

    page = with_camera(*flags)
    page.goto(page_server[1])
    page.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text(words)


@pytest.mark.long
def test_the_camera_is_watched_on_the_page_live(with_camera, server):
    page = ready(with_camera(*FAKE))
    page.goto(f"{server.url}/live?detector=motion")
    pick(page, page.get_by_label("Source"), page.get_by_role("option", name="webcam · "))
    settled(page)
    page.get_by_role("button", name="Start", exact=True).click()
    button = page.get_by_role("button", name="Use this computer's camera")
    button.click(timeout=90_000)
    page.wait_for_selector(f"{LAB}[data-pictures]", timeout=90_000)
    shown = page.locator(LAB)
    until(page, lambda: int(shown.get_attribute("data-pictures")) > 5, 60)
    # The page was drawn again when the picture came: the camera went on.
    page.get_by_role("button", name="Stop the camera").wait_for()
    page.get_by_text("The feed sees this camera.").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).wait_for()
