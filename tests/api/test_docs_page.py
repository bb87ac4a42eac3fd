"""The documentation in a browser: whole, and with nothing from elsewhere."""

import pytest

from tests.api.serving import TOKEN, Served
from tests.browser.conftest import FLAGS, chromium, chromiums

__all__ = ["chromium", "chromiums"]
ELSEWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="module")
def page(api, chromium, chromiums):
    with Served(api.routes) as address:
        browser = chromiums.launch(executable_path=chromium, args=[*FLAGS, ELSEWHERE])
        page = browser.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda one: page.asked.append(one.url))
        page.on("console", lambda one: page.said.append((one.type, one.text)))
        page.goto(f"{address}/api/docs?token={TOKEN}")
        page.address = address
        yield page
        browser.close()


@pytest.mark.long
def test_the_documentation_shows_every_resource_and_asks_nobody_else(page):
    page.get_by_text("What pages and the command line do, for programs.").wait_for()
    for tag in ("media", "runs", "sightings", "rules", "annotations", "exports", "feeds", "jobs"):
        page.locator(f"#operations-tag-{tag}").wait_for()
    assert {url.split("/api/")[0] for url in page.asked if not url.startswith("data:")} == {
        page.address
    }
    assert not [text for kind, text in page.said if kind == "error"]


def test_a_request_can_be_tried_with_a_token(page):
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".modal-ux input").fill(TOKEN)
    page.locator(".modal-ux .auth-btn-wrapper button").first.click()
    page.locator(".modal-ux .btn-done").click()
    page.locator("#operations-tag-jobs").click()
    operation = page.locator(".opblock", has_text="/api/jobs/summary")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    operation.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
