"""What a hand and an eye do in a page, for the tests that drive one."""

import re
import time

from playwright.sync_api import TimeoutError as NotShown

from lab.app.ui.widgets.rule_state import rule_from_query

LAB = ".lab"


def until(page, holds, seconds=60):
    """Poll: the component lives in a shadow root, which locators pierce and scripts do not."""
    end, code = time.monotonic() + seconds, holds.__code__
    while not holds():
        what = f"what {code.co_filename}:{code.co_firstlineno} asks for"
        assert time.monotonic() < end, f"{what} did not come about in {seconds} s"
        page.wait_for_timeout(30)


def wait_for(page, name, value, seconds=60):
    until(page, lambda: page.locator(LAB).get_attribute(f"data-{name}") == value, seconds)


def attributes(page, selector, name):
    """Of all that match, in one look: between two, one of them may go."""
    return page.locator(selector).evaluate_all(
        "(all, name) => all.map((e) => e.getAttribute(name))", name
    )


def settled(page):
    """No script of the page is running."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def follow(page, link, part_of_address):
    """Click a link until the page changes: a click during a rerun may be lost."""
    for _ in range(5):
        settled(page)
        link.click()
        try:
            page.wait_for_url(lambda url: part_of_address in url, timeout=8000, wait_until="commit")
            return
        except NotShown:
            pass
    raise AssertionError(f"{link} leads nowhere")


def pick(page, field, option):
    """Pick an option of a select box; open it again if a rerun of the page closed it."""
    for _ in range(6):
        settled(page)
        if not option.first.is_visible():
            field.click()
        try:
            option.first.click(timeout=5000)
            return
        except NotShown:
            page.keyboard.press("Escape")
    raise AssertionError(f"{option} is not offered")


def choose_sample(page, server, name):
    page.goto(f"{server.url}/library")
    settled(page)
    page.get_by_role("button", name="Samples").click()
    pick(page, page.get_by_label("Sample clips"), page.get_by_role("option", name=name))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Use these samples").click()
    page.get_by_text("1 selected").wait_for()


def seconds_of(text) -> float:
    """Media time as a page shows it, such as 1:05.20, in seconds."""
    value = 0.0
    for part in text.split(":"):
        value = 60 * value + float(part)
    return value


def sightings_shown(page) -> int:
    return int(page.locator(LAB).get_attribute("data-sightings") or -1)


def wait_for_sightings(page, count=None, seconds=30):
    page.wait_for_selector(LAB)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        shown = sightings_shown(page)
        if shown == count or (count is None and shown >= 0):
            return shown
        page.wait_for_timeout(50)
    raise AssertionError(f"expected {count} sightings, got {sightings_shown(page)}")


def set_slider(page, name, value):
    """As a hand would: the input events of a drag, then its release."""
    page.locator(f'input[data-setting="{name}"]').evaluate(
        """(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true}));
                       e.dispatchEvent(new Event('change', {bubbles: true})); }""",
        str(value),
    )


def open_popover(page, name):
    """Open one of the page's popovers, unless it is open; another one is closed."""
    button = page.get_by_test_id("stPopover").get_by_role("button", name=name)
    for _ in range(6):
        settled(page)
        if button.get_attribute("aria-expanded") == "true":
            return
        if page.get_by_test_id("stPopoverBody").is_visible():
            close_popover(page)
        button.click()
        try:
            page.get_by_test_id("stPopoverBody").wait_for(timeout=3000)
            return
        except NotShown:
            pass
    raise AssertionError(f"the popover {name!r} does not open")


def close_popover(page):
    page.keyboard.press("Escape")
    page.get_by_test_id("stPopoverBody").wait_for(state="hidden")


def rule_of(page):
    """The rule in the page's address, which is the one that Python has; None before it has any."""
    found = re.search(r"[?&]rule=([^&]+)", page.url)
    return rule_from_query(found[1]) if found else None


def wait_for_setting(page, name, value):
    """Python has got the rule that the player shows."""

    def is_there():
        rule = rule_of(page)
        return rule is not None and getattr(rule.default.debounce, name) == value

    until(page, is_there)
    settled(page)


def open_advanced(page):
    """The settings of the page Analyse that are folded."""
    settings = page.get_by_test_id("stExpander").filter(has_text="Advanced").locator("details")
    if settings.get_attribute("open") is None:
        settings.locator("summary").click()


def open_step(page, name):
    """A step of the page Measure."""
    choose_segment(page, page.get_by_role("radio", name=name))


def open_part(page, name):
    """A part of a step of the page Measure."""
    choose_segment(page, page.get_by_role("radio", name=name, exact=True))


def choose_segment(page, segment):
    """Click a segment until it is the chosen one: a click during a rerun may be lost."""
    for _ in range(6):
        settled(page)
        segment.click()
        try:
            until(page, lambda: segment.get_attribute("aria-checked") == "true", 5)
            return
        except AssertionError:
            pass
    raise AssertionError(f"{segment} cannot be chosen")
