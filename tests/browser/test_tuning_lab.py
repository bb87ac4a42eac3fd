"""A study in a real Chromium: annotate by keyboard, recommend, load, compare, conclude, export."""

import csv
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

import lab
from lab.store.store import Store
from tests.browser.page_actions import (
    LAB,
    follow,
    open_part,
    open_popover,
    open_step,
    pick,
    seconds_of,
    set_slider,
    settled,
    until,
    wait_for,
    wait_for_sightings,
)


def playhead(page) -> float:
    """Seconds, as the player shows them."""
    return seconds_of(page.locator(".transport .time").inner_text().split(" / ")[0])


def go_to(page, seconds):
    """By keys: 10 s, 1 s, frames."""
    for key, step in (("PageUp", 10.0), ("ArrowUp", 1.0), ("ArrowRight", 0.1)):
        while seconds - playhead(page) >= step - 0.02:
            before = playhead(page)
            page.keyboard.press(key)
            until(page, lambda before=before: playhead(page) != before)
    assert abs(playhead(page) - seconds) < 0.15


@pytest.mark.long
def test_a_study_from_annotating_to_a_notebook_that_runs(page, server, clips, tmp_path, visits):
    visits.store.catalog.give_up()
    shutil.copytree(visits.store.folder, server.store)
    run = lab.open_store(server.store).run(visits.run_id)
    visits = [
        (float(r["start_s"]), float(r["end_s"]))
        for r in csv.DictReader((clips / "ground_truth.csv").open())
    ]
    page.goto(f"{server.url}/review")
    wait_for_sightings(page, 6)
    until(page, lambda: page.locator("video").evaluate("v => v.readyState") > 1)
    page.locator(LAB).focus()
    for number, (start, end) in enumerate(visits, 1):
        go_to(page, start)
        page.keyboard.press("m")
        go_to(page, end)
        page.keyboard.press("m")
        wait_for(page, "annotations", str(number))
    page.keyboard.press("v")
    wait_for(page, "watched", "100")
    wait_for(page, "f1", "1")
    page.keyboard.press("m")
    before = playhead(page)
    page.keyboard.press("ArrowUp")
    until(page, lambda: playhead(page) > before)
    page.keyboard.press("m")
    wait_for(page, "annotations", "7")
    page.keyboard.press("z")
    wait_for(page, "annotations", "6")
    until(page, lambda: len(Store(server.store).annotations()) == 6)
    marks = Store(server.store).annotations()
    assert [(a.origin, a.label) for a in marks] == [("independent", "person")] * 6
    for mark, (start, end) in zip(marks, visits):
        assert abs(mark.start_s - start) < 0.15
        assert abs(mark.end_s - end) < 0.15

    # What the page shows is what Python says, for another rule, too.
    set_slider(page, "enter_threshold", 0.9)
    python = lab.evaluate(run, None, lab.Debounce(enter_threshold=0.9)).overall.f1
    until(
        page, lambda: abs(float(page.locator(LAB).get_attribute("data-f1") or -1) - python) < 1e-9
    )
    page.wait_for_timeout(500)
    open_popover(page, "Rules")
    page.get_by_label("Name of the rule").fill("too strict")
    page.keyboard.press("Enter")
    open_popover(page, "Rules")
    page.get_by_role("button", name="Save rule").click()
    page.get_by_text("saved, with an entry").wait_for()

    follow(page, page.get_by_role("link", name="Measure").first, "/measure")
    open_step(page, "Better rule")
    page.get_by_role("button", name="Search for a better rule").click()
    page.get_by_text("all footage is of one clip").wait_for(timeout=90_000)
    page.get_by_text("rules that were tried").click()
    page.get_by_text("Click a point to load its rule").wait_for()
    page.locator(".js-plotly-plot .point").first.click(force=True)
    page.get_by_role("button", name="Load this rule in Review").wait_for()
    page.get_by_role("button", name="Load the recommended rule in Review").click()
    wait_for_sightings(page, 6)
    wait_for(page, "f1", "1")
    open_popover(page, "Rules")
    page.get_by_label("Name of the rule").fill("recommended")
    page.keyboard.press("Enter")
    open_popover(page, "Rules")
    page.get_by_role("button", name="Save rule").click()
    page.get_by_text("saved, with an entry").wait_for()

    page.goto(f"{server.url}/compare")  # as it was called
    open_part(page, "Two runs or rules")
    page.locator(".duet[data-ready]").wait_for(timeout=30_000)
    pick(page, page.get_by_label("Rule B"), page.get_by_role("option", name="too strict"))
    page.get_by_text("Sightings of B").wait_for()
    page.get_by_text("Differences (", exact=False).filter(has_not_text="(0)").wait_for()

    page.get_by_role("link", name="Notebook").first.click()
    page.get_by_text("3 of 3 entries").wait_for()
    page.get_by_role("button", name="Open entry").first.click()
    page.get_by_label("Conclusion").fill("Six visits, each found once.")
    page.get_by_role("button", name="Save entry").click()
    page.get_by_text("Conclusion: Six visits").wait_for()
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Notebook").click()
    saved = tmp_path / "experiment.ipynb"
    waited.value.save_as(saved)
    made = nbformat.read(saved, 4)
    assert "Six visits, each found once." in made.cells[-1].source
    NotebookClient(made, timeout=120).execute()
    table = next(c for c in made.cells if "lab.evaluate" in c.source).outputs[-1]["data"][
        "text/plain"
    ]
    assert "1.0" in table


CATS = {"labels": ["cat"]}


@pytest.mark.long
def test_edges_are_dragged_and_sightings_are_judged(page, server, analysed, samples):
    (run,) = analysed(server.store, (samples / "cat_comes_and_goes.mp4", CATS))
    found = run.find()
    store = Store(server.store)
    page.goto(f"{server.url}/review")
    wait_for_sightings(page, 2)
    page.get_by_role("button", name="Right", exact=True).first.click()
    wait_for(page, "annotations", "1")
    page.get_by_role("button", name="Wrong", exact=True).nth(1).click()
    until(page, lambda: len(store.verdicts()) == 2)
    (mark,) = store.annotations()
    assert (mark.origin, mark.start_us) == ("accepted", found[0].onset_us)
    assert sorted(v.verdict for v in store.verdicts()) == ["accepted", "rejected"]
    # Precision is known from verdicts; recall is refused.
    page.get_by_role("button", name="Figures").click()
    page.get_by_text("no stretch was watched for it").wait_for()
    page.get_by_role("button", name="Close").click()

    line = page.locator("canvas.timeline").bounding_box()
    media = run.media
    span = (media["end_us"] - media["first_pts_us"]) / 1e6
    x = line["x"] + line["width"] * (mark.end_s - media["first_pts_us"] / 1e6) / span
    y = line["y"] + 36 - 7
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + line["width"] / span, y, steps=6)
    page.mouse.up()
    until(page, lambda: store.annotations()[0].end_us != mark.end_us)
    (moved,) = store.annotations()
    assert moved.annotation_id == mark.annotation_id
    assert abs(moved.end_s - mark.end_s - 1.0) < 0.15
    assert moved.origin == "independent"


@pytest.mark.long
def test_blind_mode_hides_what_the_detector_saw(page, server, analysed, samples):
    analysed(server.store, (samples / "cat_comes_and_goes.mp4", CATS))
    page.goto(f"{server.url}/review")
    wait_for_sightings(page, 2)
    page.locator(LAB).focus()
    page.keyboard.press("h")
    assert page.locator(".rows").evaluate("e => getComputedStyle(e).visibility") == "hidden"
    page.locator(".rates").get_by_text("Blind: what the detector saw").wait_for()
    # What blind hides cannot be found by keys either.
    before = playhead(page)
    for key in ("]", "l", "y"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert playhead(page) == before
    page.get_by_text("Blind: sightings are hidden").wait_for()
    assert Store(server.store).verdicts() == []
    page.reload()
    page.locator(".rates").get_by_text("Blind: what the detector saw").wait_for()
    page.locator(LAB).focus()
    page.keyboard.press("h")
    until(
        page,
        lambda: page.locator(".rows").evaluate("e => getComputedStyle(e).visibility") == "visible",
    )


@pytest.mark.long
def test_the_queue_asks_and_goes_on_after_each_answer(page, server, analysed, samples):
    names = ("cat_comes_and_goes.mp4", "cat_then_person.mp4")
    analysed(server.store, *((samples / name, CATS) for name in names))
    page.goto(f"{server.url}/measure?step=next")
    page.get_by_role("button", name="Ask me").click()
    question = page.locator(".question")
    question.wait_for()
    first = question.inner_text()
    page.locator(LAB).focus()
    page.keyboard.press("Shift+N")
    until(page, lambda: not question.count() or question.inner_text() != first)
    until(page, lambda: len(Store(server.store).coverage()) == 1)
    assert [c.origin for c in Store(server.store).coverage()] == ["queue"]


@pytest.mark.long
def test_an_audit_is_blind_until_it_is_answered_and_belongs_to_its_clip(
    page, server, analysed, samples
):
    names = ("cat_comes_and_goes.mp4", "cat_then_person.mp4", "nothing.mp4")
    runs = analysed(server.store, *((samples / name, CATS) for name in names))
    page.goto(f"{server.url}/measure?step=next")
    open_part(page, "Audit")
    page.get_by_role("button", name="Freeze the rule and draw").click()
    page.get_by_role("button", name="Watch the next of 3, blind").click()
    question = page.locator(".question")
    question.get_by_text("Audit (3 clips left)").wait_for()
    page.locator(LAB).focus()
    page.keyboard.press("h")
    page.get_by_text("The audit is blind until it is answered").wait_for()
    assert page.locator(".rows").evaluate("e => getComputedStyle(e).visibility") == "hidden"
    assert page.get_by_role("button", name="Save sightings").count() == 0
    # Another clip is not asked about, and an answer there is none.
    asked = page.url.split("run=")[1].split("&")[0]
    other = next(r for r in runs if r.run_id != asked)
    pick(page, page.get_by_label("Run", exact=True), page.get_by_role("option", name=other.run_id))
    page.get_by_text("The open question is about another clip").wait_for()
    page.locator(LAB).focus()
    page.keyboard.press("Shift+N")
    page.wait_for_timeout(500)
    assert Store(server.store).coverage() == []
    pick(page, page.get_by_label("Run", exact=True), page.get_by_role("option", name=asked))
    question.wait_for()
    page.locator(LAB).focus()
    page.keyboard.press("Shift+N")
    question.get_by_text("Audit (2 clips left)").wait_for()
    (covered,) = Store(server.store).coverage()
    assert (covered.origin, covered.media_id) == (
        "audit",
        lab.open_store(server.store).run(asked).media["media_id"],
    )


@pytest.mark.long
def test_measure_is_one_path_whose_step_is_in_the_address(page, server, analysed, samples):
    names = ("cat_comes_and_goes.mp4", "cat_then_person.mp4")
    runs = analysed(server.store, *((samples / name, CATS | {"every_s": 0.5}) for name in names))
    spans = ([(2.0, 6.0), (9.0, 13.4)], [(1.6, 5.8)])
    rows = [
        {"media": run.media["name"], "label": "cat", "start_s": a, "end_s": b}
        for run, times in zip(runs, spans)
        for a, b in times
    ]
    truth = lab.Truth.coerce(rows, runs)
    runs[0].store.add_records([*truth.annotations, *truth.coverage])
    page.goto(f"{server.url}/measure")
    recall = page.get_by_test_id("stMetric").filter(has_text="Recall")
    recall.get_by_text("95 % interval").wait_for()
    assert "step" not in page.url
    page.get_by_role("button", name="Is there a better rule?").click()
    page.wait_for_url("**/measure?step=rule")
    page.get_by_role("button", name="Search for a better rule").click()
    recall.wait_for(state="detached")  # only the step that is shown is drawn
    page.get_by_role("button", name="in Review").first.wait_for(timeout=90_000)
    assert "_threshold" not in page.locator("body").inner_text()
    page.get_by_role("button", name="What to annotate next?").click()
    page.wait_for_url("**/measure?step=next")
    page.get_by_text("everything was watched").wait_for()
    open_step(page, "Proof")
    page.wait_for_url("**/measure?step=proof")
    recall.get_by_text("95 % interval").wait_for()
    page.get_by_text("Held out: for each of 2").wait_for()
    open_part(page, "Two runs or rules")
    page.get_by_text("There is one run and one rule here").wait_for()
    # The address keeps the step: reloaded, back and forward.
    page.reload()
    is_chosen = lambda name: (  # noqa: E731
        page.get_by_role("radio", name=name).get_attribute("aria-checked") == "true"
    )
    page.get_by_role("radio", name="Proof").wait_for()
    assert is_chosen("Proof")
    settled(page)
    page.go_back()
    page.get_by_text("everything was watched").wait_for()
    until(page, lambda: is_chosen("What next"))
    page.go_back()
    page.get_by_role("button", name="in Review").first.wait_for()
    until(page, lambda: is_chosen("Better rule"))
    page.go_forward()
    page.get_by_text("everything was watched").wait_for()
