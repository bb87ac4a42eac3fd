"""The page Notebook in a real Chromium."""

import pytest

import lab
from lab.experiments.entry import save_rule_entry
from tests.browser.page_actions import settled, until, wait_for_sightings


@pytest.mark.long
def test_a_row_has_a_picture_and_intervals_and_opens_in_review(page, server, analysed, samples):
    (run,) = analysed(server.store, (samples / "cat_comes_and_goes.mp4", {"labels": ["cat"]}))
    marks = [
        {"media": run.media["name"], "label": "cat", "start_s": a, "end_s": b}
        for a, b in ((2.0, 6.0), (9.0, 13.4))
    ]
    truth = lab.Truth.coerce(marks, [run])
    run.store.add_records([*truth.annotations, *truth.coverage])
    strict = lab.Rule.coerce(lab.Debounce(enter_threshold=0.99))
    save_rule_entry(run, strict, "too strict " + "and long " * 32)
    save_rule_entry(run, lab.Rule.coerce(lab.Debounce(enter_threshold=0.55)), "חתול")
    found = lab.evaluate(run, rule=lab.Debounce(enter_threshold=0.55)).overall
    run.store.catalog.give_up()

    page.goto(f"{server.url}/notebook")
    low, high = found.recall_interval
    page.get_by_text(f"recall {found.recall:.2f} [{low:.2f}, {high:.2f}]").first.wait_for()
    page.get_by_text("Enter at 0.99 → 0.55").wait_for()
    picture = page.locator("img[src*='/api/pictures/']").first
    until(page, lambda: picture.evaluate("e => e.complete && e.naturalWidth > 100"))
    strongest = max(run.find(lab.Debounce(enter_threshold=0.55)), key=lambda s: s.peak_confidence)
    assert picture.get_attribute("src").endswith(f"/{strongest.peak_us}.jpg")
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_role("link", name="Review").nth(2).click()  # after those of navigation and row 1
    wait_for_sightings(page, len(run.find(strict)))
    slider = page.locator('input[data-setting="enter_threshold"]')
    until(page, lambda: slider.input_value() == "0.99")
