"""The queue of Analyse in a real Chromium: clips that are dropped, and what is done with them."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from lab.jobs.batch.work import Work
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.store.store import Store
from tests.browser.page_actions import settled, until
from tests.browser.test_first_screen import drop
from tests.faults.test_batch_killed import few


def open_form(page, server):
    page.goto(f"{server.url}/analyse?detector=visual")
    settled(page)
    open_upload(page)


def open_upload(page):
    expander = page.get_by_test_id("stExpander").filter(has_text="Add clips").locator("details")
    if expander.get_attribute("open") is None:
        expander.locator("summary").click()


def row(page, name):
    return page.locator(".queue tr").filter(has_text=name)


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def click(page, name, gone=True):
    """Click a button until it is gone: a click during a rerun may be lost."""
    for _ in range(6):
        settled(page)
        button(page, name).first.click()
        try:
            if gone:
                expect(button(page, name)).to_have_count(0, timeout=5000)
            return
        except AssertionError:
            pass
    raise AssertionError(f"{name!r} does nothing")


def contents(paths):
    return [(path.name, path.read_bytes()) for path in paths]


def start(page):
    settled(page)
    page.get_by_role("button", name=re.compile(r"^Start( \d+ clips)?$")).click()
    page.locator(".queue tbody tr").first.wait_for()


def ended(page, words, seconds=60):
    until(page, lambda: page.get_by_text(words).count() > 0, seconds)


@pytest.mark.long
def test_clips_that_are_dropped_on_the_page_are_analysed_as_a_batch(
    page, server, samples, tmp_path
):
    open_form(page, server)
    drop(page, *contents(few(samples, tmp_path / "cards", 2)), ("bad.mp4", b"no video" * 99))
    page.get_by_role("alert").filter(has_text="bad.mp4").wait_for()
    start(page)
    ended(page, re.compile("2 of 2"))
    for name in ("0.mp4", "1.mp4"):
        expect(row(page, name)).to_contain_text("done")
        expect(row(page, name)).to_contain_text("samples in")
    page.get_by_role("link", name="Review: 1.mp4").click()
    page.wait_for_url("**/review?run=*")
    assert [run["state"] for run in Store(server.store).runs()] == ["done"] * 2


def queued(server, clip):
    """A paused queue: 30 clips that failed and 3 that wait, of the app; 2 that a terminal left."""
    analyses = [{"name": "visual", "detector": {"name": "visual"}, "interval_s": 0.5}]
    with JobQueue(server.store) as queue:
        app = Work(analyses, is_app=True).to_dict()
        queue.add("app", app, [(f"/gone/{i:02}.mp4", Stamp()) for i in range(30)])
        while (job := queue.claim()) is not None:
            queue.finish(job.job_id, "failed", reason="it was away")
        queue.pause()
        queue.add("app", app, [(f"/gone/b{i}.mp4", Stamp()) for i in range(3)])
        left = [str(clip), "/outside/c.mp4"]
        queue.add("term", Work(analyses).to_dict(), [(path, Stamp()) for path in left])


@pytest.mark.long
def test_several_rows_are_steered_at_once_and_what_a_terminal_left_is_taken_over(
    page, server, samples, tmp_path
):
    queued(server, shutil.copy(samples / "nothing.mp4", tmp_path / "left.mp4"))
    page.goto(f"{server.url}/analyse")
    settled(page)
    said = page.get_by_role("status").filter(has_text="selected")
    page.get_by_role("checkbox", name="Select b0.mp4").click()
    page.get_by_role("checkbox", name="Select b1.mp4").click(modifiers=["Shift"])
    expect(said).to_have_text("2 selected")
    page.keyboard.press("Shift+ArrowDown")
    expect(said).to_have_text("3 selected")
    page.get_by_role("checkbox", name="Select b0.mp4").click()
    expect(said).to_have_text("2 selected")
    button(page, "Cancel: 2 selected").click()
    button(page, "Select all 2 cancelled").wait_for()
    expect(row(page, "b0.mp4")).to_contain_text("waiting")
    button(page, "Select all 30 failed").click()
    expect(said).to_have_text("30 selected")  # five of them on the next page
    button(page, "Retry: 30 selected").click()
    button(page, "Select all 33 waiting").wait_for()
    expect(row(page, "left.mp4")).to_have_count(0)
    page.get_by_text("2 clips wait for a lab batch that has ended").wait_for()
    click(page, "Take over")
    page.get_by_text("1 clip taken over").wait_for()
    page.get_by_text("outside of the media roots").wait_for()
    button(page, "Select all 33 waiting").click()
    click(page, "Cancel: 33 selected")
    click(page, "Go on")
    ended(page, re.compile("35 of 35"))


@pytest.mark.long
def test_twelve_clips_with_a_bad_one_are_paused_gone_on_with_and_retried(
    page, server, samples, tmp_path
):
    open_form(page, server)
    good = few(samples, tmp_path / "cards", 11)
    drop(page, *contents(good), ("bad.mp4", b"no video" * 99))
    page.get_by_role("alert").filter(has_text="bad.mp4").wait_for()
    start(page)
    click(page, "Pause")
    expect(page.get_by_text("paused: what runs goes on")).to_be_visible()
    (file,) = server.store.glob("uploads/*/10.mp4")
    file.rename(tmp_path / "away.mp4")
    click(page, "Do first: 10.mp4", gone=False)
    expect(row(page, "10.mp4")).to_contain_text("waiting, first")
    click(page, "Go on")
    ended(page, re.compile("min left"))
    ended(page, re.compile("11 of 11.*1 failed"), 120)
    expect(row(page, "10.mp4")).to_contain_text("the video file is missing")
    shutil.move(tmp_path / "away.mp4", file)
    click(page, "Retry: 10.mp4")
    ended(page, re.compile("11 of 11$"))
    expect(row(page, "10.mp4")).to_contain_text("done")
    assert [run["state"] for run in Store(server.store).runs()] == ["done"] * 11
    click(page, "Clear ended")
    expect(page.get_by_text("Nothing waits.")).to_be_visible()


@pytest.mark.long
def test_what_was_cancelled_in_the_middle_is_resumed_from_its_row(page, server, clips):
    page.goto(f"{server.url}/analyse?detector=visual")
    settled(page)
    page.get_by_role("radio", name="Folder", exact=True).click()
    place = page.get_by_role("textbox", name="Folder or pattern")
    place.fill(f"{clips}/car-det*.mp4")
    place.press("Enter")
    page.get_by_text("1 clip", exact=True).wait_for()
    start(page)
    page.locator(".queue tr.running").filter(has_text=re.compile(r"\d+ of \d+")).wait_for()
    click(page, "Cancel all")
    click(page, "Resume: car-detection.mp4")
    ended(page, re.compile("min left"))
    ended(page, re.compile("1 of 1$"), 120)
    (run,) = Store(server.store).runs()
    assert run["state"] == "done"
    page.goto(f"{server.url}/analyse?detector=visual&media={run['media_id']}")
    start(page)
    row(page, "the same run was there").wait_for()
