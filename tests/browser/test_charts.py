"""Charts of the page Sightings in a real Chromium: a click leads to the table and the player."""

from datetime import datetime

import pytest

from lab.charts import CHARTS
from lab.rules.rule import Debounce, LabelRule, Rule
from tests.browser.page_actions import until
from tests.browser.test_sightings import LIST, listed

RULE = Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.4)))
POINTS = ".js-plotly-plot .points .point, .js-plotly-plot .scatterlayer .point"


@pytest.fixture
def with_sightings(server, analysed, samples):
    (run,) = analysed(server.store, (samples / "cat_comes_and_goes.mp4", {}))
    run.save_sightings(RULE)
    start = datetime(2026, 5, 1, 6)
    run.store.edit_media(run.media["media_id"], start_utc=start, utc_offset_s=0, site="yard")
    return server


def click_last(page):
    point = page.locator(POINTS).last
    point.wait_for()
    page.wait_for_timeout(500)
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def top_of(page, selector):
    return page.locator(selector).first.bounding_box()["y"]


def bottom_of(page, selector):
    box = page.locator(selector).first.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.long
def test_from_a_chart_to_the_table_to_the_player(page, with_sightings):
    page.goto(f"{with_sightings.url}/sightings?view=charts&chart=first-last")
    page.get_by_text("2 of 2 sightings").wait_for()
    click_last(page)
    page.get_by_text("1 of 2 sightings").wait_for()
    listed(page, 1)
    page.locator(f"{LIST} .open").first.click()
    until(page, lambda: page.locator(f"{LIST} .screen.playing").count() == 1)
    video = page.locator(f"{LIST} video").first
    until(page, lambda: video.evaluate("v => v.currentTime") > 8.5)  # the second one


@pytest.mark.long
def test_every_chart_is_drawn_and_can_be_taken_away(page, with_sightings):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{with_sightings.url}/sightings?view=charts")
    for name, (title, _) in CHARTS.items():
        page.get_by_test_id("stButtonGroup").get_by_text(title, exact=True).click()
        page.wait_for_url(f"**chart={name}**")
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        page.wait_for_timeout(700)
        assert page.get_by_test_id("stException").count() == 0, name
    assert not errors
    page.set_viewport_size({"width": 400, "height": 800})
    until(page, lambda: bottom_of(page, ".modebar") <= top_of(page, ".legend"))
    page.set_viewport_size({"width": 1440, "height": 1200})
    kinds = {"PNG": (".png", b"\x89PNG"), "SVG": (".svg", b"<svg")}
    for kind, (ending, begins) in kinds.items():
        page.get_by_role("button", name="Download", exact=True).click()
        page.get_by_text(kind, exact=True).click()
        page.keyboard.press("Escape")
        page.wait_for_timeout(1500)
        with page.expect_download() as found:
            page.locator(".modebar-btn[data-title^=Download]").first.click(force=True)
        assert found.value.suggested_filename == f"{list(CHARTS)[-1]}{ending}"
        assert begins in found.value.path().read_bytes()[:200]
    for button, begins in (("Chart as HTML", b"<!doctype html>"), ("Table as CSV", b"label,")):
        page.get_by_role("button", name="Download", exact=True).click()
        with page.expect_download() as found:
            page.get_by_role("button", name=button, exact=True).click()
        assert found.value.path().read_bytes().startswith(begins)
        page.keyboard.press("Escape")
