"""From a table of deployments to events, in a real Chromium."""

import pytest
from playwright.sync_api import expect

import lab
from lab.store.store import Store
from tests.browser.page_actions import choose_segment, pick, settled, until

TABLE = """\
deployment,site,latitude,longitude,camera,start,end,zone
yard-1,yard,52.50,13.40,cam1,2026-10-01,2026-11-30,Europe/Berlin
barn-1,barn,52.51,13.42,cam2,2026-10-01,2026-11-30,Europe/Berlin
"""
STARTS = "media,start\ncat_then_person.mp4,2026-10-25 02:30:00\n"


def part(page, name):
    choose_segment(page, page.get_by_role("radio", name=name, exact=True))
    settled(page)


def give(page, name, text, number=0):
    """Hand a file to one of the page's fields."""
    page.locator("input[type=file]").nth(number).set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    )
    settled(page)


def write(page, field, text):
    page.get_by_role("combobox", name=field).click()
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    settled(page)


def choose(page, field, option):
    pick(page, page.get_by_role("combobox", name=field), page.get_by_role("option", name=option))
    settled(page)


def read_table(page, server):
    page.goto(f"{server.url}/library?view=sites")
    settled(page)
    give(page, "deployments.csv", TABLE)
    expect(page.get_by_text("2 deployments read:")).to_be_visible()
    page.get_by_role("button", name="Keep these deployments").click()
    expect(page.get_by_text("2 deployments kept.")).to_be_visible()


@pytest.mark.long
def test_a_table_of_deployments_is_shown_on_a_map(page, server):
    read_table(page, server)
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    assert [one.site for one in Store(server.store).deployments()] == ["barn", "yard"]
    page.reload()
    settled(page)
    assert "view=sites" in page.url
    choose_segment(page, page.get_by_role("radio", name="Clips", exact=True))
    until(page, lambda: "view=" not in page.url)
    expect(page.get_by_role("button", name="Samples")).to_be_visible()


@pytest.mark.long
def test_from_a_table_to_events_and_a_package(page, server, analysed, samples, tmp_path):
    (run,) = analysed(server.store, (samples / "cat_then_person.mp4", {"labels": ["cat"]}))
    lab.apply(run.store, lab.Debounce(enter_threshold=0.4))
    read_table(page, server)
    part(page, "Joining")
    write(page, "Pattern", "cat_then_{deployment}")
    expect(page.get_by_text("0 clips would join")).to_be_visible()
    run.store.join_clips({run.media["media_id"]: "yard-1"})  # its path names none of them
    part(page, "Starts")
    choose(page, "From", "A table")
    give(page, "starts.csv", STARTS)
    expect(page.get_by_text("1 start found")).to_be_visible()
    page.get_by_role("button", name="Keep 1 start").click()
    expect(page.get_by_text("1 clip began at a change of the clock")).to_be_visible()
    part(page, "Clocks")
    choose(page, "Deployment", "yard-1")
    for field, text in (
        ("The camera's clock said", "2026-10-01 13:00"), ("True time", "2026-10-01 12:00"),
    ):  # fmt: skip
        page.get_by_label(field, exact=True).fill(text)
        page.keyboard.press("Enter")
        settled(page)
    page.get_by_role("button", name="Keep the anchor").click()
    expect(page.get_by_text("1 clip of yard-1 corrected")).to_be_visible()
    part(page, "Events")
    page.get_by_role("button", name="Find events").click()
    expect(page.get_by_text("1 event of 1 sighting")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="All as CSV").click()
    rows = download.value.path().read_text().splitlines()
    assert rows[1].startswith("1,yard,cat,,2026-10-24T23:30:")
    part(page, "Camtrap DP")
    page.get_by_role("textbox", name="Title of the project").fill("Yard")
    page.get_by_role("textbox", name="Contributors").fill("Ann Lee\nBob")
    write(page, "Sampling design", "targeted")
    page.get_by_role("button", name="Make the package").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "yard.zip")
    package = lab.read_camtrap_dp(tmp_path / "yard.zip")
    assert [one.deployment_id for one in package.deployments] == ["barn-1", "yard-1"]
    assert len(package.media) == 1
    assert Store(server.store).about_study().contributors == ("Ann Lee", "Bob")
