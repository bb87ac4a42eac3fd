"""What was asked for one run is not shown with another, in a real Chromium."""

import pytest

from tests.browser.page_actions import pick, settled, until, wait_for_sightings


def labels(page):
    return page.locator(".side .chip[data-label]").all_inner_texts()


@pytest.mark.long
def test_a_slow_log_of_one_run_does_not_overwrite_that_of_the_next(page, server, analysed, samples):
    slow, quick = analysed(
        server.store,
        (samples / "cat_then_person.mp4", {}),
        (samples / "cat_comes_and_goes.mp4", {"labels": ["cat"]}),
    )
    held = []
    page.route(f"**/api/runs/{slow.run_id}/overview*", lambda route: held.append(route))
    page.goto(f"{server.url}/review?run={slow.run_id}")
    until(page, lambda: held)
    pick(
        page,
        page.get_by_label("Run", exact=True).first,
        page.get_by_role("option").filter(has_text=quick.run_id),
    )
    wait_for_sightings(page, 2)
    assert labels(page) == ["cat"]
    for route in held:
        route.continue_()
    page.wait_for_timeout(1500)
    settled(page)
    assert labels(page) == ["cat"]
    assert wait_for_sightings(page, 2) == 2
    assert page.locator(".timeline").evaluate("e => e.style.height") == "36px"  # one lane
