"""The page Feeds in a real Chromium, with the process that watches and a clip as a camera."""

import shutil

import pytest
from playwright.sync_api import expect

from lab.feeds.status import read_status
from tests.browser.page_actions import settled, until


def button(place, name):
    return place.get_by_role("button", name=name, exact=True)


def opened(page, name):
    """The dialog behind a button: a click during a rerun may be lost."""
    dialog = page.get_by_role("dialog")
    for _ in range(6):
        settled(page)
        button(page, name).click()
        try:
            expect(dialog).to_be_visible(timeout=5000)
            return dialog
        except AssertionError:
            pass
    raise AssertionError(f"{name!r} does nothing")


def type_into(page, dialog, label, text):
    dialog.get_by_label(label, exact=True).fill(text)
    dialog.get_by_label(label, exact=True).press("Tab")
    settled(page)


@pytest.mark.long
def test_a_feed_is_made_in_the_form_seen_live_stopped_and_started_again(
    page, server, samples, tmp_path
):
    clip = shutil.copy(samples / "cat_comes_and_goes.mp4", tmp_path / "clip.mp4")
    page.goto(f"{server.url}/feeds")
    dialog = opened(page, "Add a feed")
    type_into(page, dialog, "Id", "yard")
    dialog.get_by_role("combobox", name="Source").click()
    page.get_by_role("option", name="file · a clip").click()
    type_into(page, dialog, "Path", str(clip))
    dialog.locator("label").filter(has_text="Loop").click()
    settled(page)
    type_into(page, dialog, "Seconds between samples", "0.5")
    button(dialog, "Add").click()

    card = page.locator(".feed")
    until(page, lambda: card.get_attribute("data-state") == "live" if card.count() else False, 90)
    picture = card.locator("img")
    picture.wait_for()
    assert picture.evaluate("(img) => img.complete && img.naturalWidth > 100")
    first = picture.get_attribute("src")
    until(page, lambda: picture.get_attribute("src") != first, 60)  # a newer one
    until(page, lambda: "cat" in card.inner_text(), 90)

    run_id = read_status(server.store)["feeds"]["yard"]["run_id"]
    button(page, "Stop: yard").click()
    until(page, lambda: card.get_attribute("data-state") == "stopped", 60)
    button(page, "Start: yard").click()
    until(page, lambda: card.get_attribute("data-state") == "live", 60)
    status = read_status(server.store)["feeds"]["yard"]
    assert status["every_s"] == 0.5
    assert status["run_id"] != run_id
    button(page, "Review: yard").click()
    page.wait_for_url("**/review?run=*")
