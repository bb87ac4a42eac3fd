"""Analyse while a clip comes, in a real Chromium with a slow connection."""

import shutil

import pytest

import lab
from lab.store.store import Store
from tests.app.upload_server import until
from tests.browser.page_actions import settled
from tests.browser.test_queue import open_upload


@pytest.mark.long
def test_a_clip_that_is_dropped_is_analysed_while_it_comes(page, server, samples, tmp_path):
    # Any clip, since the settings are those of a page with a clip.
    Store(server.store).add_media(lab.probe(samples / "nothing.mp4"))
    clip = tmp_path / "slow.mp4"
    shutil.copy(samples / "cat_comes_and_goes.mp4", clip)
    page.goto(f"{server.url}/analyse?detector=visual")
    settled(page)
    open_upload(page)
    page.get_by_text("Analyse while they come").click()
    page.get_by_text("Drop videos here").wait_for()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    session.send("Network.emulateNetworkConditions", slow)
    settled(page)
    page.locator(".uploader input[type=file]").set_input_files(str(clip))
    link = page.get_by_role("link", name="watch it in Review")
    link.wait_for()
    run_id = link.get_attribute("href").partition("run=")[2]
    store = Store(server.store)
    run = store.run(run_id)
    assert run["media_id"].startswith("arriving-")
    review = page.context.new_page()
    review.goto(server.url + link.get_attribute("href"))
    settled(review)
    assert review.get_by_test_id("stException").count() == 0
    review.get_by_text("has not arrived as a whole").first.wait_for()
    review.close()
    session.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    until(lambda: store.run(run_id)["state"] == "done")
    until(lambda: store.run(run_id)["media_id"] == lab.probe(clip).media_id)
