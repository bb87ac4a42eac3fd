"""Several clips are analysed, one is tuned, and its rule is applied to all, in a real Chromium."""

from playwright.sync_api import expect

from tests.browser.page_actions import (
    LAB,
    close_popover,
    open_popover,
    pick,
    set_slider,
    settled,
    until,
    wait_for_setting,
    wait_for_sightings,
)


def test_one_clip_is_tuned_and_its_rule_saved_for_all(page, server, analysed, samples):
    clips = ("cat_comes_and_goes", "cat_then_person", "nothing")
    runs = analysed(
        server.store,
        *((samples / f"{name}.mp4", {"labels": ["cat"], "every_s": 0.5}) for name in clips),
    )
    store = runs[0].store
    page.goto(f"{server.url}/review?run={runs[0].run_id}")
    wait_for_sightings(page, 2)
    set_slider(page, "merge_gap_s", 10)
    wait_for_sightings(page, 1)
    settled(page)
    page.get_by_role("button", name="Apply to all 3 clips").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("2 of 3")).to_be_visible()
    dialog.get_by_label("Name of the rule").fill("cats")
    dialog.get_by_role("button", name="Apply to all 3 clips").click()
    page.get_by_text("Applied to 3 clips: 2 sightings saved").wait_for()
    expect(dialog).to_have_count(0)
    assert store.sighting_counts("name", current=True) == {
        "cat_comes_and_goes.mp4": 1,
        "cat_then_person.mp4": 1,
    }
    (current,) = store.current_rules().values()
    assert (current.name, current.run_id) == ("cats", runs[0].run_id)
    assert current.rule.default.debounce.merge_gap_s == 10

    settled(page)
    page.get_by_role("button", name="›", exact=True).click()
    until(page, lambda: runs[1].run_id in page.url)
    settled(page)
    expect(page.locator(f'{LAB} input[data-setting="merge_gap_s"]').first).to_have_value("10")
    open_popover(page, "Current")
    page.get_by_text("Current rule: cats, shown here").wait_for()

    # Saved beside the current rule, which is said.
    close_popover(page)
    set_slider(page, "merge_gap_s", 5)
    wait_for_setting(page, "merge_gap_s", 5)
    page.get_by_role("button", name="Save sightings").click()
    page.get_by_text(
        "1 sighting saved. Sightings shows those of the current rule, cats, unless others are"
    ).wait_for()

    page.goto(f"{server.url}/sightings")
    page.get_by_text("2 of 2 sightings").wait_for()
    page.get_by_text("1 of other rules are saved as well").wait_for()
    pick(
        page,
        page.get_by_role("combobox", name="Rules"),
        page.get_by_role("option", name="All rules"),
    )
    page.get_by_text("3 of 3 sightings").wait_for()

    page.goto(f"{server.url}/review?run={runs[0].run_id}")
    open_popover(page, "Current")
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Undo").click()
    page.get_by_text("No rule is current now").wait_for()
    assert store.current_rules() == {}
