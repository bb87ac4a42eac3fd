"""A page that stays open: over a restart of the app, in two tabs, by back and forward.

What it shows is what the store gets, or it says why it shows nothing.
"""

import re
import signal

import pytest
from playwright.sync_api import expect

import lab
from lab.store.store import Store
from tests.browser.page_actions import (
    LAB,
    open_step,
    pick,
    rule_of,
    seconds_of,
    set_slider,
    settled,
    until,
    wait_for,
    wait_for_setting,
    wait_for_sightings,
)
from tests.browser.server import ROOT, Server
from tests.browser.test_sightings import LIST

CATS = {"labels": ["cat"]}
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=\S+")
SAVED = re.compile(r"\d+ sightings? saved")
STRICT = 0.9  # one of the two cats is long enough above


@pytest.fixture
def own_server(fork_server, tmp_path):
    """As a user starts it: with a token of its own, which is new at each start."""
    made = Server(tmp_path, [tmp_path, ROOT / "sample_videos"], fork_server.start, token=None)
    yield made
    made.stop()


@pytest.fixture
def two(own_server, analysed, samples):
    names = ("cat_then_person.mp4", "cat_comes_and_goes.mp4")
    return analysed(own_server.store, *((samples / name, {}) for name in names))


def let_in(page, server):
    address = ADDRESS.search(server.log.read_text())[0]
    page.context.request.get(address, max_redirects=0)


def go(page, server, path):
    let_in(page, server)
    page.goto(server.url + path)


def choose_run(page, run):
    option = page.get_by_role("option").filter(has_text=run.run_id)
    pick(page, page.get_by_label("Run", exact=True).first, option)


def save(page):
    return page.get_by_role("button", name="Save sightings")


def saved(server, run):
    rows = Store(server.store).sightings(run_id=run.run_id)
    return len(rows), {row["rule_hash"] for row in rows}


def shown(page):
    root = page.locator(LAB)
    return (
        int(root.get_attribute("data-sightings")),
        {root.get_attribute("data-rule-hash")},
    )


def run_of(page):
    return re.search(r"run=([^&]+)", page.url)[1]


def enter_at(page):
    return float(page.get_by_label("Enter at, value").input_value())


def playhead(page):
    return page.locator("video").evaluate("v => v.currentTime")


@pytest.mark.long
def test_a_page_that_is_open_over_a_restart_goes_on_and_saves_what_it_shows(page, own_server, two):
    first, second = two
    go(page, own_server, f"/review?run={first.run_id}")
    wait_for_sightings(page)
    set_slider(page, "enter_threshold", 0.6)
    wait_for_setting(page, "enter_threshold", 0.6)
    own_server.stop(signal.SIGKILL)
    # Moved while the app is away: nothing of the rule before is left.
    set_slider(page, "enter_threshold", STRICT)
    said = page.locator(".message")
    expect(said).to_contain_text("The app does not answer")
    assert page.locator(LAB).get_attribute("data-sightings") is None
    expect(page.locator(".counts")).to_have_text("")
    assert not page.locator("tr.sighting").count()
    own_server.start()
    expect(said).to_be_hidden()
    # The rule is as it was moved, and the app knows it.
    wait_for_setting(page, "enter_threshold", STRICT)
    assert (run_of(page), enter_at(page)) == (first.run_id, STRICT)
    wait_for(page, "rule-hash", rule_of(page).rule_hash)
    expect(save(page)).to_be_enabled()
    choose_run(page, second)
    until(page, lambda: run_of(page) == second.run_id)
    wait_for_sightings(page, 2)
    set_slider(page, "enter_threshold", STRICT)
    # Until Python has it, the button is that of the rule before, and a click on it saves nothing.
    wait_for_setting(page, "enter_threshold", STRICT)
    save(page).click()
    page.get_by_text(SAVED).wait_for()
    assert saved(own_server, second) == shown(page)
    assert saved(own_server, first) == (0, set())


@pytest.mark.long
def test_a_page_that_is_not_let_in_any_more_says_what_to_do_and_goes_on_when_it_is(
    page, own_server, two
):
    first, _ = two
    go(page, own_server, f"/review?run={first.run_id}")
    wait_for_sightings(page)
    set_slider(page, "enter_threshold", 0.6)
    wait_for_setting(page, "enter_threshold", 0.6)
    own_server.stop()
    (own_server.store / "browser_secret").unlink()
    own_server.start()
    set_slider(page, "enter_threshold", 0.8)
    expect(page.locator(".message")).to_contain_text("Open the address that it printed")
    assert page.locator(LAB).get_attribute("data-sightings") is None
    assert "cannot play" not in page.locator(".message").inner_text()
    with page.expect_navigation():
        let_in(page, own_server)
    wait_for_sightings(page)
    assert run_of(page) == first.run_id
    assert enter_at(page) == 0.6


@pytest.mark.long
def test_nothing_is_saved_while_the_figures_are_older_than_the_rule(page, own_server, two):
    _, second = two
    go(page, own_server, f"/review?run={second.run_id}")
    wait_for_sightings(page, 2)
    expect(save(page)).to_be_enabled()
    held, is_held = [], True
    page.route("**/api/replay", lambda route: held.append(route) if is_held else route.continue_())
    set_slider(page, "enter_threshold", STRICT)
    until(page, lambda: held)
    expect(save(page)).to_be_disabled()
    is_held = False
    for route in held:
        route.continue_()
    expect(save(page)).to_be_enabled()
    save(page).click()
    page.get_by_text(SAVED).wait_for()
    assert saved(own_server, second) == shown(page)
    assert rule_of(page).rule_hash in saved(own_server, second)[1]


@pytest.mark.long
def test_what_is_refused_leaves_nothing_to_save(page, own_server, two):
    _, second = two
    go(page, own_server, f"/review?run={second.run_id}")
    wait_for_sightings(page, 2)
    page.route("**/api/replay", lambda route: route.fulfill(status=404, body="no such run"))
    set_slider(page, "enter_threshold", STRICT)
    page.locator(".side").get_by_text("no such run").wait_for()
    expect(save(page)).to_be_disabled()
    assert page.locator(LAB).get_attribute("data-sightings") is None
    assert not page.locator("tr.sighting").count()


def replay_last_sighting(page, server):
    go(page, server, "/sightings")
    page.locator(f"{LIST} .open").nth(1).click()
    page.locator(f"{LIST} .screen").wait_for()
    page.keyboard.press("o")
    page.wait_for_url("**/review?**")


def opened_at(page, run, count=None):
    """Where the player is a while after a run has been opened."""
    until(page, lambda: f"run={run.run_id}" in page.url)
    wait_for_sightings(page, count)
    until(page, lambda: page.locator("video").evaluate("v => v.readyState") > 1)
    settled(page)
    page.wait_for_timeout(500)
    return playhead(page)


@pytest.mark.long
def test_a_moment_from_sightings_is_of_its_run_and_of_that_visit(page, own_server, two):
    first, second = two
    second.save_sightings(lab.Rule())
    replay_last_sighting(page, own_server)
    wait_for_sightings(page, 2)
    until(page, lambda: playhead(page) > 8.9)
    page.get_by_role("link", name="Library").first.click()
    page.get_by_role("heading", name="Library").wait_for()
    page.get_by_role("link", name="Review", exact=True).first.click()
    assert opened_at(page, second, 2) < 1
    choose_run(page, first)
    assert opened_at(page, first) < 1
    choose_run(page, second)
    assert opened_at(page, second, 2) < 1


@pytest.mark.long
def test_a_question_begins_at_its_start_whatever_was_looked_at_before(
    page, own_server, analysed, samples
):
    (run,) = analysed(own_server.store, (samples / "cat_comes_and_goes.mp4", CATS))
    run.save_sightings(lab.Rule())
    replay_last_sighting(page, own_server)
    until(page, lambda: playhead(page) > 8.9)
    page.get_by_role("link", name="Measure").first.click()
    open_step(page, "What next")
    page.get_by_role("button", name="Ask me").click()
    question = page.locator(".question")
    question.wait_for()
    start_s = seconds_of(re.search(r"([\d:.]+) to", question.inner_text())[1])
    page.wait_for_timeout(1000)
    assert abs(playhead(page) - start_s) < 1


@pytest.mark.long
def test_two_tabs_on_two_runs_do_not_disturb_each_other(page, own_server, two):
    first, second = two
    go(page, own_server, f"/review?run={first.run_id}")
    wait_for_sightings(page)
    other = page.context.new_page()
    other.goto(f"{own_server.url}/review?run={second.run_id}")
    wait_for_sightings(other, 2)
    set_slider(other, "enter_threshold", STRICT)
    wait_for_setting(other, "enter_threshold", STRICT)
    set_slider(page, "enter_threshold", 0.6)
    wait_for_setting(page, "enter_threshold", 0.6)
    for tab, run, value in ((page, first, 0.6), (other, second, STRICT)):
        save(tab).click()
        tab.get_by_text(SAVED).wait_for()
        assert (run_of(tab), enter_at(tab)) == (run.run_id, value)
        assert saved(own_server, run) == shown(tab)
        tab.reload()
        wait_for_sightings(tab)
        assert (run_of(tab), enter_at(tab)) == (run.run_id, value)


@pytest.mark.long
def test_a_slider_that_is_moved_as_the_page_is_left_keeps_its_value(page, own_server, two):
    go(page, own_server, f"/review?run={two[0].run_id}")
    wait_for_sightings(page)
    settled(page)
    set_slider(page, "enter_threshold", 0.7)
    page.get_by_role("link", name="Measure").first.click()  # the page may not have run since
    page.get_by_role("heading", name="Measure").wait_for()
    page.get_by_role("link", name="Review").first.click()
    wait_for_sightings(page)
    assert enter_at(page) == 0.7


@pytest.mark.long
def test_back_and_forward_show_the_run_and_the_rule_of_the_address(page, own_server, two):
    first, second = two
    go(page, own_server, f"/review?run={first.run_id}")
    wait_for_sightings(page)
    visited = []

    def at(run, value):
        until(page, lambda: run_of(page) == run.run_id and "rule=" in page.url)
        until(page, lambda: enter_at(page) == value)
        until(page, lambda: rule_of(page).default.debounce.enter_threshold == value)
        wait_for(page, "rule-hash", rule_of(page).rule_hash)

    for value in (0.6, 0.8):
        set_slider(page, "enter_threshold", value)
        at(first, value)
        visited.append((first, value))
    choose_run(page, second)
    at(second, 0.4)
    visited.append((second, 0.4))
    for run, value in visited[-2::-1]:
        page.go_back()
        at(run, value)
    for run, value in visited[1:]:
        page.go_forward()
        at(run, value)
    # From another page as well, over a rule that was loaded meanwhile.
    page.get_by_role("link", name="Measure").first.click()
    page.wait_for_url("**/measure")
    settled(page)
    page.go_back()
    at(second, 0.4)
    page.go_back()
    at(first, 0.8)
