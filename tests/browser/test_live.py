"""The page Live, and Review of what it records: sources are watched, tuned, sought in, stopped."""

import shutil

import pytest

from lab.feeds.commands import send
from lab.feeds.status import last_status
from tests.browser.page_actions import LAB, pick, seconds_of, set_slider, settled, until
from tests.browser.server import ROOT
from tests.peers.programs import Program, free_port, is_open, needs_program, rtsp_server, wait_for
from tests.recordings import X264, frames_of

pytestmark = pytest.mark.long
CLIP = ROOT / "sample_videos" / "cat_then_person.mp4"


def shown(page, name):
    return page.locator(LAB).get_attribute(f"data-{name}")


def number(page, name):
    return int(shown(page, name) or 0)


def feed_of(server):
    (found,) = last_status(server.store)["feeds"].values()
    return found


def length(page):
    """Seconds that the session has, as the transport shows them."""
    return seconds_of(page.locator(".transport .time").inner_text().split("/")[-1].strip())


def choose(page, source):
    pick(page, page.get_by_label("Source"), page.get_by_role("option", name=f"{source} ·"))


def type_into(page, label, text):
    page.get_by_label(label, exact=True).fill(text)
    page.get_by_label(label, exact=True).press("Enter")
    settled(page)


def start(page):
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector(f"{LAB}[data-pictures]", timeout=90_000)
    moves(page)


def go_back(page):
    """To a quarter of the session."""
    timeline = page.locator(".timeline")
    timeline.wait_for()
    width = timeline.evaluate("(canvas) => canvas.clientWidth")
    timeline.click(position={"x": width / 4, "y": 20})
    until(page, lambda: shown(page, "live") == "back")


def moves(page):
    before = number(page, "pictures")
    until(page, lambda: number(page, "pictures") > before + 3, 60)


def test_a_source_is_watched_tuned_paused_and_its_growing_run_reviewed(page, server, tmp_path):
    clip = shutil.copy(CLIP, tmp_path / "clip.mp4")
    page.goto(f"{server.url}/live?detector=motion")
    settled(page)
    choose(page, "file")
    type_into(page, "Path", str(clip))
    page.get_by_text("Loop", exact=True).click()
    settled(page)
    start(page)
    until(page, lambda: number(page, "sightings") > 0, 90)
    assert "analysed" in page.locator(".feed").inner_text()
    clock = page.locator("tr.sighting td.clock").first
    assert len(clock.inner_text()) == len("18:30:07")

    set_slider(page, "enter_threshold", 0.95)

    def entered():
        return feed_of(server)["rule"]["default"]["debounce"]["enter_threshold"]

    until(page, lambda: entered() > 0.9, 60)

    page.get_by_role("button", name="Play or pause (space)").click()
    until(page, lambda: shown(page, "live") == "held")
    page.get_by_role("button", name="Go live").click()
    moves(page)

    go_back(page)
    video = page.locator(f"{LAB} video")
    until(page, lambda: video.evaluate("(v) => v.readyState >= 2 && v.currentTime > 0"), 60)

    page.get_by_role("button", name="Review", exact=True).click()
    page.wait_for_url("**/review?run=*")
    page.wait_for_selector(f"{LAB}[data-sightings]", timeout=60_000)
    run = page.url.split("&")[0]
    go_back(page)
    page.get_by_role("button", name="Play or pause (space)").click()
    page.get_by_role("button", name="Zoom into the timeline (+)").click()
    until(page, lambda: float(shown(page, "view").split()[1]) < length(page))
    view, end_s = shown(page, "view"), length(page)
    until(page, lambda: length(page) > end_s, 60)  # it goes on
    assert (shown(page, "view"), shown(page, "live")) == (view, "back")

    send(server.store, {"do": "stop", "feed": "file"}, 60)
    until(page, lambda: feed_of(server)["state"] == "stopped", 60)
    page.get_by_role("button", name="stopped", exact=True).wait_for()
    until(page, lambda: video.evaluate("(v) => v.readyState >= 2"), 60)
    assert page.url.split("&")[0] == run


def test_a_camera_by_rtsp_stops_is_seen_again_and_becomes_an_annotated_video(
    page, server, encode, tmp_path
):
    clip = encode("camera.mp4", *X264, source="testsrc2=size=320x240:rate=15:duration=120")
    with rtsp_server() as camera:
        camera.do(f"clip {clip}")
        page.goto(f"{server.url}/live?detector=motion")
        settled(page)
        type_into(page, "Address", f"{camera.url}/clip")
        start(page)
        until(page, lambda: length(page) > 4, 60)
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_role("button", name="Start", exact=True).wait_for()
    said = page.locator(".feed").get_by_text("This feed is stopped")
    said.wait_for()
    video = page.locator(f"{LAB} video")
    until(page, lambda: video.evaluate("(v) => v.readyState >= 2 && v.currentTime > 2"), 60)
    page.goto(f"{server.url}/live")  # its last session is there in a new page, too
    said.wait_for()
    until(page, lambda: video.evaluate("(v) => v.readyState >= 2"), 60)

    page.get_by_role("button", name="Video", exact=True).click()
    page.locator(".annotated").get_by_role("button", name="Annotated video").click()
    with page.expect_download(timeout=120_000) as download:
        page.get_by_role("button", name="Download annotated video").click()
    assert download.value.suggested_filename.endswith("_annotated.mp4")
    download.value.save_as(tmp_path / "annotated.mp4")
    assert len(frames_of(tmp_path / "annotated.mp4")) > 30


def test_what_is_published_by_rtmp_is_watched_and_tuned_while_it_runs(page, server, encode):
    clip = encode("published.mp4", *X264, source="testsrc2=size=320x240:rate=15:duration=120")
    port = free_port()
    page.goto(f"{server.url}/live?detector=motion")
    settled(page)
    choose(page, "rtmp")
    type_into(page, "Key", "a-key")
    page.get_by_text("More settings", exact=True).click()
    type_into(page, "Port", str(port))
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("waiting for a publisher").wait_for(timeout=90_000)
    assert "a-key" not in page.content()
    wait_for(lambda: is_open(port), "the listener")
    address = f"rtmp://127.0.0.1:{port}/live/a-key"
    publish = [needs_program("ffmpeg", "ffmpeg"), "-re", "-i", str(clip), "-c", "copy", "-f", "flv"]
    with Program(*publish, address):
        page.wait_for_selector(f"{LAB}[data-pictures]", timeout=90_000)
        moves(page)
        set_slider(page, "enter_threshold", 0.01)
        set_slider(page, "enter_frames", 1)
        until(page, lambda: number(page, "sightings") > 0, 60)

        def enters():
            return feed_of(server)["rule"]["default"]["debounce"]["enter_frames"]

        until(page, lambda: enters() == 1, 60)
        moves(page)
    page.wait_for_selector(f'{LAB}[data-feed="reconnecting"]', timeout=60_000)
    assert "Reconnecting" in page.locator(".feed").inner_text()
