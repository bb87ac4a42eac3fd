"""The timeline in a real Chromium: wheel, mouse, strip, thresholds, zones, sound, keys."""

from urllib.parse import parse_qs, urlsplit

import pytest

from lab.app.ui.widgets.rule_state import rule_from_query
from tests.browser.page_actions import LAB, seconds_of, until, wait_for_sightings

CATS = {"labels": ["cat"]}
SOUND = ("-f", "lavfi", "-i", "sine=440:duration=30", "-c:v", "copy", "-c:a", "aac", "-shortest")
TRIANGLE = [[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]]


@pytest.fixture
def opened(page, server, analysed, samples, encode):
    """The page Review with a run of a clip with sound."""
    clip = encode("meowing.mp4", *SOUND, source=str(samples / "cat_comes_and_goes.mp4"))
    (run,) = analysed(server.store, (clip, CATS))
    server.run_id = run.run_id
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page, 2)
    until(page, lambda: view(page))
    return page


def view(page) -> tuple[float, ...]:
    """From when to when the timeline shows the clip, in seconds."""
    return tuple(map(float, (page.locator(LAB).get_attribute("data-view") or "").split()))


def span(page) -> float:
    begin, end = view(page)
    return end - begin


def over(page, selector, x, y):
    """The mouse over a place of an element: shares of its width and height."""
    box = page.locator(selector).bounding_box()
    place = box["x"] + x * box["width"], box["y"] + y * box["height"]
    page.mouse.move(*place)
    return place


def told(page):
    """The rule in the page's address, as Python was told it."""
    word = parse_qs(urlsplit(page.url).query).get("rule", [""])[0]
    return rule_from_query(word) if word else None


@pytest.mark.long
def test_the_wheel_scrolls_and_with_ctrl_zooms_and_the_strip_moves_the_view(opened):
    page = opened
    page.locator("canvas.timeline").scroll_into_view_if_needed()
    whole = view(page)
    over(page, "canvas.timeline", 0.5, 0.5)
    page.mouse.wheel(0, 40)
    page.wait_for_timeout(300)
    assert view(page) == whole
    over(page, "canvas.timeline", 0.5, 0.5)
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -60)
    page.keyboard.up("Control")
    until(page, lambda: span(page) < span_of(whole) / 2)
    # Along, by the strip's window.
    before = view(page)
    x, y = over(page, "canvas.overview", sum(before) / 2 / whole[1], 0.5)
    page.mouse.down()
    page.mouse.move(x - 40, y, steps=4)
    page.mouse.up()
    until(page, lambda: view(page)[0] < before[0])
    assert span(page) == pytest.approx(span_of(before), abs=0.03)
    # A zoomed timeline goes along with the next sighting.
    page.locator(LAB).focus()
    for _ in range(2):
        page.keyboard.press("]")
    until(page, lambda: view(page)[0] <= playhead(page) <= view(page)[1])
    page.keyboard.press("0")
    until(page, lambda: view(page) == whole)
    over(page, "canvas.timeline", 0.4, 0.9)
    page.locator(".peek img").wait_for(timeout=30_000)


def span_of(stretch) -> float:
    return stretch[1] - stretch[0]


def playhead(page) -> float:
    return seconds_of(page.locator(".transport .time").inner_text().split(" / ")[0])


def enter_at(page) -> float:
    return float(page.locator('input[data-setting="enter_threshold"]').input_value())


@pytest.mark.long
def test_a_threshold_is_dragged_undone_and_done_again(opened):
    page = opened
    before = enter_at(page)
    lane = page.locator("canvas.timeline").bounding_box()
    x, y = lane["x"] + lane["width"] / 2, lane["y"] + 4 + (1 - before) * 28
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 5)
    page.mouse.move(x, y - 8)
    page.mouse.up()
    assert enter_at(page) > before + 0.2
    page.locator(LAB).focus()
    page.keyboard.press("Control+z")
    assert enter_at(page) == pytest.approx(before)
    page.keyboard.press("Control+Shift+Z")
    assert enter_at(page) > before + 0.2
    shown = enter_at(page)
    until(page, lambda: told(page) and told(page).default.debounce.enter_threshold == shown)


@pytest.mark.long
def test_sound_is_off_until_it_is_turned_on_and_its_waveform_is_a_lane(opened):
    page = opened
    lane = page.locator("canvas.timeline")
    until(page, lambda: lane.evaluate("e => e.style.height") == "72px", 60)
    video = page.locator("video")
    assert video.evaluate("v => v.muted")
    page.get_by_role("button", name="Sound").click()
    assert not video.evaluate("v => v.muted")
    page.locator(LAB).focus()
    page.keyboard.press("s")
    assert video.evaluate("v => v.muted")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").get_by_text("loop and play").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Keys").wait_for(state="hidden")


@pytest.mark.long
def test_a_corner_of_a_zone_is_dragged_by_mouse(opened):
    page = opened
    page.locator("summary", has_text="Zones and sizes").click()
    page.get_by_role("button", name="Draw zone").click()
    for x, y in TRIANGLE:
        over(page, "canvas.overlay", x, y)
        page.mouse.down()
        page.mouse.up()
    page.locator(LAB).focus()
    page.keyboard.press("Enter")
    page.get_by_text("1 zone,").wait_for()
    over(page, "canvas.overlay", 0.8, 0.2)
    page.mouse.down()
    over(page, "canvas.overlay", 0.9, 0.3)
    over(page, "canvas.overlay", 0.95, 0.1)
    page.mouse.up()

    def corners():
        return [[list(p) for p in z] for z in told(page).default.box_filter.include]

    moved = [TRIANGLE[0], [0.95, 0.1], TRIANGLE[2]]
    until(page, lambda: told(page) and corners() and corners() == [approximately(moved)])
    page.locator(LAB).focus()
    page.keyboard.press("z")
    until(page, lambda: corners() == [approximately(TRIANGLE)])


def approximately(corners):
    return [pytest.approx(corner, abs=0.01) for corner in corners]
