"""What people need who do not see well, hear well, or use no mouse, in a real Chromium."""

import time

import pytest
from axe_playwright_python.sync_playwright import Axe

import lab
from lab.annotation import Annotation
from lab.experiments.entry import save_rule_entry
from lab.formats.placing import whole
from lab.rules.rule import Debounce
from lab.store.store import Store
from tests.browser.conftest import let_in, new_page
from tests.browser.page_actions import (
    LAB,
    close_popover,
    open_popover,
    settled,
    until,
    wait_for,
    wait_for_sightings,
)
from tests.browser.server import ROOT, Server
from tests.browser.test_one_screen import LABELS, made_run
from tests.browser.test_tuning_lab import playhead
from tests.feeds.status_examples import many, sink_row, status_of, write_status
from tests.quick_set import mostly_long

STEPS = [f"measure?step={step}" for step in ("good", "rule", "next", "proof")]
PAGES = ["", "library", "analyse", "review", "feeds", *STEPS, "sightings", "notebook", "models"]
# What a page shows itself; the gear and the style are there before it.
OF_THE_PAGE = (
    ".stMainBlockContainer > .stVerticalBlock > :not(:has(.st-key-models_gear)) >> visible=true"
)
AXE = Axe().axe_script
RUN_AXE = """only => axe.run(document, {
  resultTypes: ["violations"],
  ...(only && { runOnly: { type: "rule", values: only } }),
})"""


def serious(page, only=None):
    """What axe finds serious or critical: (rule, selector, what is wrong)."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(RUN_AXE, only)["violations"]
    return [
        (
            one["id"],
            node["target"],
            [m["message"] for m in node["any"] + node["all"] + node["none"]],
        )
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def assert_accessible(page):
    """By every rule in light, and by its contrast in dark."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    settled(page)
    assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    page.locator('[data-testid="stApp"]').evaluate(
        "async e => { while (getComputedStyle(e).colorScheme !== 'dark')"
        " await new Promise(requestAnimationFrame) }"
    )
    # Components take the colours of the page after it has changed.
    found, until_s = serious(page, ["color-contrast"]), time.monotonic() + 10
    while found and time.monotonic() < until_s:
        page.wait_for_timeout(200)
        found = serious(page, ["color-contrast"])
    assert found == []
    page.emulate_media(color_scheme="light")


def fill(folder, samples):
    """A run of four labels with annotations, sightings, entries, a clip that is new, feeds."""
    run = made_run(folder, samples, LABELS, prompt_mode="independent")
    media_id = run.media["media_id"]
    run.store.add_records(
        [
            record
            for label in LABELS[:2]
            for record in (
                whole(run.media, label),
                Annotation(media_id=media_id, label=label, start_us=2_000_000, end_us=5_000_000),
            )
        ]
    )
    run.save_sightings()
    save_rule_entry(run, run.default_rule, "as it was")
    save_rule_entry(run, lab.Rule.coerce(Debounce(enter_threshold=0.7)), "stricter")
    run.store.edit_media(media_id, site="river")
    run.store.add_media(lab.probe(samples / "nothing.mp4"))
    run.store.catalog.give_up()
    sinks = {"chat": sink_row("discord", state="failing", reason="no connection", waiting=3)}
    # Nobody watches them: a status of the future stays fresh.
    status = status_of(many(9), sinks=sinks, now=time.time() + 86_400)
    write_status(run.store.folder, status, pictures=["camera_000", "camera_002"])


def served(folder, fork_server):
    return Server(folder, [folder, ROOT / "sample_videos"], fork_server.start)


@pytest.fixture(scope="module")
def filled(fork_server, tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("filled")
    fill(folder, samples)
    server = served(folder, fork_server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def empty(fork_server, tmp_path_factory):
    server = served(tmp_path_factory.mktemp("empty"), fork_server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def reader(browser):
    """One page for all that only look: its cache keeps the app's scripts."""
    with new_page(browser) as made:
        yield made


def opened(page, server, name):
    page.goto(f"{server.url}/{name}")
    page.locator(OF_THE_PAGE).first.wait_for()
    settled(page)
    page.locator('[data-testid="stSkeleton"]').first.wait_for(state="detached")


@pytest.mark.long
@pytest.mark.parametrize(
    "name", mostly_long([name for name in PAGES if name not in STEPS[1:]], "", "review")
)
def test_axe_finds_nothing_serious_in_an_empty_store(reader, empty, name):
    opened(reader, empty, name)
    assert_accessible(reader)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", mostly_long(PAGES, "library", "analyse", "review", STEPS[1], "sightings")
)
def test_axe_finds_nothing_serious_in_a_filled_store_and_nothing_is_cut_off(reader, filled, name):
    opened(reader, filled, name)
    if name == "review":
        wait_for_sightings(reader)
    assert_accessible(reader)
    assert_usable_where_narrow(reader, is_review=name == "review")
    for tab in reader.get_by_role("tab").all()[1:]:
        tab.click()
        settled(reader)
        assert serious(reader) == []


CUT = """() => {
  const main = document.querySelector('[data-testid="stMain"]');
  return main.scrollWidth - main.clientWidth;
}"""
BESIDE_WINDOW = """all => all.filter(e => e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0)
  .map(e => e.textContent)"""
NARROW = [(720, 450), (480, 800)]  # 1440x900 at a zoom of 200 %; a telephone


def assert_usable_where_narrow(page, is_review):
    for width, height in NARROW:
        page.set_viewport_size({"width": width, "height": height})
        until(page, lambda: page.evaluate(CUT) <= 0)
        if not is_review:
            continue
        for part in (".picture", ".transport", ".lanes", ".figures", ".annotate"):
            page.locator(f".lab {part}").scroll_into_view_if_needed()
            assert page.locator(f".lab {part}").bounding_box()["height"] > 20, part
        assert page.locator(".lab button:visible").evaluate_all(BESIDE_WINDOW) == []
        assert page.locator(".st-key-context button").evaluate_all(BESIDE_WINDOW) == []
        assert page.get_by_role("combobox").first.bounding_box()["width"] > 300
    page.set_viewport_size({"width": 1440, "height": 1200})


@pytest.mark.long
def test_axe_finds_nothing_serious_in_whatever_review_opens(page, filled):
    opened(page, filled, "review")
    wait_for_sightings(page)
    for popover in ("+ prompt", "Rules"):
        open_popover(page, popover)
        assert serious(page) == [], popover
        close_popover(page)
    page.get_by_role("button", name="sea otter", exact=True).click()  # is off
    page.locator(".figures").get_by_role("button", name="Code").click()
    page.locator(".drawer").get_by_role("button", name="Copy").first.wait_for()
    assert_accessible(page)
    page.locator(".figures").get_by_role("button", name="Figures").click()
    assert serious(page) == []
    page.locator(".figures").get_by_role("button", name="Decisions").click()
    page.get_by_role("button", name="Annotate", exact=True).click()
    assert_accessible(page)
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    assert serious(page) == []


# What has the focus, through shadow roots, and whether that can be seen.
IS_SEEN = """e => {
  const { outlineStyle, boxShadow } = getComputedStyle(e);
  return !e.matches('a, button, .overview, select, summary, tr') || outlineStyle !== 'none' ||
         boxShadow !== 'none';
}"""
FOCUS = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  return e;
}"""
NAME = """e => (e.getAttribute('aria-label') || e.labels?.[0]?.textContent ||
                (e.tagName === 'MAIN' ? 'main' : e.textContent)).replace(/\\s+/g, ' ').trim()"""


def focused(page) -> str:
    element = page.evaluate_handle(FOCUS).as_element()
    assert element.evaluate(IS_SEEN), element.evaluate(NAME)
    return element.evaluate(NAME)


def tab_to(page, name, most=90):
    """Press Tab until what is named so has the focus."""
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(focused(page))
        if name in passed[-1]:
            return
    raise AssertionError(f"Tab does not come to {name!r}, but to {passed}")


@pytest.mark.long
def test_keys_are_enough_from_an_empty_store_to_a_stored_sighting(page, server):
    page.goto(server.url)
    settled(page)
    page.get_by_role("button", name="Try the sample").wait_for()
    tab_to(page, "Try the sample")
    page.keyboard.press("Enter")
    page.wait_for_url("**/review?run=*", timeout=60_000)
    count = wait_for_sightings(page)
    settled(page)
    until(page, lambda: "Player and rule" in focused(page))  # keys are the player's

    page.keyboard.press("ArrowUp")
    until(page, lambda: playhead(page) >= 1)
    tab_to(page, "Play or pause")
    page.keyboard.press("Enter")
    assert "Play or pause" in focused(page)
    page.keyboard.press("Enter")
    tab_to(page, "Playhead in the whole clip")
    page.keyboard.press("Home")
    page.locator('.overview[aria-valuetext="0.00 s"]').wait_for()

    tab_to(page, "Decisions")
    page.keyboard.press("Enter")
    page.locator(".decided .decision").first.wait_for()
    tab_to(page, "Close", most=3)
    page.keyboard.press("Escape")
    page.locator(".drawer").wait_for(state="hidden")
    assert focused(page) == "Decisions"

    tab_to(page, "Annotate", most=4)
    page.keyboard.press("Enter")
    page.locator(".lab[data-mode=annotate]").wait_for()
    tab_to(page, "Mark the start", most=3)
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    until(page, lambda: playhead(page) >= 1)
    assert "Mark the start" in focused(page)
    page.keyboard.press("Enter")
    wait_for(page, "annotations", "1")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "Tune"
    page.keyboard.press("Enter")

    tab_to(page, "Enter at")
    before = page.locator(LAB).get_attribute("data-rule-hash")
    page.keyboard.press("ArrowLeft")
    until(page, lambda: page.locator(LAB).get_attribute("data-rule-hash") not in (None, before))
    tab_to(page, "Enter at, value", most=1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert "Enter at, value" in focused(page)

    count = wait_for_sightings(page)
    page.get_by_role("button", name="Save sightings").and_(page.locator(":enabled")).wait_for()
    settled(page)
    while "Save sightings" not in focused(page):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    until(page, lambda: Store(server.store).count_sightings() == count)

    while "Sightings" not in focused(page) or "Save" in focused(page):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sightings*")
    page.locator(".sightings[data-rows]").wait_for()
    settled(page)
    tab_to(page, "List of sightings")
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Open in Review").wait_for()
    page.keyboard.press("o")
    page.wait_for_url("**/review?run=*")
    wait_for_sightings(page, count)


@pytest.mark.long
def test_fingers_reach_what_a_mouse_sees_by_hovering(browser, filled):
    context = browser().new_context(
        viewport={"width": 480, "height": 800}, has_touch=True, is_mobile=True
    )
    try:
        page = context.new_page()
        page.goto = let_in(page)
        page.goto(f"{filled.url}/review")
        wait_for_sightings(page)
        page.get_by_role("button", name="Settings").tap()
        page.locator("#help-enter_threshold").wait_for()
        page.get_by_role("button", name="Settings").tap()
        page.locator(".lanes").tap(position={"x": 240, "y": 20})
        until(page, lambda: 5 < playhead(page) < 7)
        page.get_by_role("button", name="Keys and signs").tap()
        page.get_by_text("A stretch that a person watched").wait_for()
        page.get_by_role("button", name="Close").last.tap()
        page.get_by_role("button", name="The list of sightings").tap()
        page.locator("tr.sighting").nth(1).tap()
        until(page, lambda: abs(playhead(page) - 4) < 0.3)
    finally:
        context.close()


@pytest.mark.long
def test_who_wants_no_motion_sees_none_of_ours(page, filled):
    page.emulate_media(reduced_motion="reduce")
    opened(page, filled, "review")
    wait_for_sightings(page)
    page.evaluate(
        """() => { Element.prototype.scrollIntoView =
                   function (how) { window.scrolled = how.behavior } }"""
    )
    for wish, behaviour in (("reduce", "auto"), ("no-preference", "smooth")):
        page.emulate_media(reduced_motion=wish)
        page.locator("tr.sighting").nth(1).click()
        assert page.evaluate("() => window.scrolled") == behaviour
