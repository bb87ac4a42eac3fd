"""Analyse while a clip comes, in a real Chromium with a slow connection."""

import shutil

import pytest

import lab
from lab.store.store import Store
from tests.app.upload_clips import KINDS, kinds  # noqa: F401
from tests.app.upload_server import until
from tests.browser.page_actions import settled
from tests.browser.test_queue import open_upload


def slow(page, bytes_per_s):
    """The connection of a page from now on."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    more = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s}
    session.send("Network.emulateNetworkConditions", {"offline": False, **more})


def analysing_while_they_come(page, server, samples):
    # Any clip, since the settings are those of a page with a clip.
    Store(server.store).add_media(lab.probe(samples / "nothing.mp4"))
    page.goto(f"{server.url}/analyse?detector=visual")
    settled(page)
    open_upload(page)
    page.get_by_text("Analyse while they come").click()
    page.get_by_text("Drop videos here").wait_for()
    settled(page)


@pytest.mark.long
def test_a_clip_of_each_kind_over_a_slow_connection(page, server, samples, kinds, tmp_path):  # noqa: F811
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((kinds / "fast.mp4").read_bytes()[:-100_000])
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"\x93 no video at all " * (6_000_000 // 17))
    files = [*(kinds / name for name in KINDS), cut]
    analysing_while_they_come(page, server, samples)
    slow(page, 1_000_000)
    page.locator(".uploader input[type=file]").set_input_files([str(garbage), *map(str, files)])
    store = Store(server.store)
    until(lambda: len([run for run in store.runs() if run["state"] == "done"]) == len(files), 120)
    page.get_by_text("is not a video").first.wait_for()
    expected = {lab.probe(file).media_id for file in files}
    until(lambda: {run["media_id"] for run in store.runs()} == expected)


@pytest.mark.long
def test_a_clip_that_is_dropped_is_analysed_while_it_comes(page, server, samples, tmp_path):
    """Into an empty library."""
    clip = tmp_path / "slow.mp4"
    shutil.copy(samples / "cat_comes_and_goes.mp4", clip)
    page.goto(f"{server.url}/analyse?detector=visual")
    settled(page)
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
    page.get_by_role("link", name="was analysed while it came").click()
    page.wait_for_url(f"**/review?run={run_id}*")
