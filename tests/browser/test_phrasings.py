"""Phrases compared on identical frames, in a real Chromium."""

import csv

import pytest

import lab
from lab.evaluation.phrasing import compare_phrases
from lab.store.store import Store
from tests.browser.page_actions import attributes, follow, open_part, open_step, pick, until
from tests.builders import make_run, scores_of

PHRASES = ".phrases[data-ready]"


@pytest.fixture
def cats(server, analysed, samples):
    """A run of three labels over a sample clip, on which a cat was annotated."""
    settings = {"labels": ["cat", "dog", "person"], "every_s": 0.5}
    (run,) = analysed(server.store, (samples / "cat_then_person.mp4", settings))
    rows = [{"media": run.media["name"], "label": "cat", "start_s": 1.6, "end_s": 5.8}]
    truth = lab.Truth.coerce(rows, [run])
    run.store.add_records([*truth.annotations, *truth.coverage])
    return run


def open_phrasings(page, server):
    page.goto(f"{server.url}/measure?step=proof")
    open_part(page, "Phrasings")
    page.locator(PHRASES).wait_for()


def of_panels(page, name):
    return attributes(page, ".panels canvas", f"data-{name}")


def playhead(page):
    return float(page.locator(PHRASES).get_attribute("data-pts"))


def cell(page, phrase, name):
    return (
        page.locator("table.figures tr", has_text=phrase)
        .locator(f"td[data-name={name}]")
        .inner_text()
    )


def choose(page, label, option):
    pick(
        page,
        page.get_by_label(label, exact=True),
        page.get_by_role("option", name=option, exact=True),
    )


@pytest.mark.long
def test_all_panels_show_the_frame_that_is_sought(page, server, cats):
    open_phrasings(page, server)
    until(page, lambda: of_panels(page, "picture") == ["yes"] * 3)
    assert page.locator(".phrases video").count() == 1
    assert page.locator("canvas.tracks").get_attribute("data-tracks") == "3"
    found = compare_phrases(cats, ["cat", "person", "dog"])
    peak = next(r["peak_s"] for r in found.rows if r["phrase"] == "cat")
    page.get_by_role("button", name="Go to the peak of cat").click()
    until(page, lambda: abs(playhead(page) - peak) < 0.02)
    assert len(set(of_panels(page, "pts"))) == 1
    assert len(set(of_panels(page, "sample"))) == 1
    cat = page.locator(".panels figure", has_text="cat")
    assert int(cat.locator("canvas").get_attribute("data-boxes")) >= 1
    assert cat.locator("canvas").get_attribute("data-sighting") == "yes"
    score = float(cats.log.scores("cat").max())
    assert cat.locator(".score").inner_text() == f"{score:.2f}"
    # By keys: a sample on, a frame back; and by a click on the shared axis.
    page.locator(PHRASES).focus()
    page.keyboard.press("Shift+ArrowRight")
    until(page, lambda: abs(playhead(page) - peak - 0.5) < 0.02)
    page.keyboard.press("ArrowLeft")
    until(page, lambda: 0 < peak + 0.5 - playhead(page) < 0.15)
    moments = sorted(d.pts_s for d in found.disagreements)
    page.get_by_role("button", name="Go to the peak of cat").click()
    until(page, lambda: abs(playhead(page) - peak) < 0.02)
    after = next((t for t in moments if t > peak + 0.1), None)
    if after is not None:
        page.keyboard.press("]")
        until(page, lambda: abs(playhead(page) - after) < 0.02)
    line = page.locator("canvas.tracks").bounding_box()
    page.mouse.click(line["x"] + line["width"] / 2, line["y"] + 30)
    middle = (cats.media["first_pts_us"] + cats.media["end_us"]) / 2e6
    until(page, lambda: abs(playhead(page) - middle) < 0.15)
    assert len(set(of_panels(page, "pts"))) == 1
    # Playing moves all, too.
    page.get_by_role("button", name="Play or pause").click()
    until(page, lambda: playhead(page) > middle + 0.3)
    page.keyboard.press(" ")
    page.locator(".bar button", has_text="▶").first.wait_for()
    assert len(set(of_panels(page, "pts"))) == 1


@pytest.mark.long
def test_the_annotations_of_a_label_fill_the_table(page, server, cats, tmp_path):
    open_phrasings(page, server)
    assert page.locator("td[data-name=auc]").count() == 0
    choose(page, "Against the annotations of", "cat")
    page.locator("td[data-name=auc]").first.wait_for()
    found = compare_phrases(cats, ["cat", "person", "dog"], truth_label="cat")
    for row in found.rows:
        assert cell(page, row["phrase"], "auc").removeprefix("★ ") == f"{row['auc']:.2f}"
        f1 = cell(page, row["phrase"], "f1").removeprefix("★ ").split("\n")
        assert f1[0] == ("–" if row["f1"] is None else f"{row['f1']:.2f}")
    best = page.locator("tr", has_text="cat").locator("td[data-name=auc]")
    assert best.get_attribute("class") == "best"
    assert page.locator("canvas.tracks").get_attribute("data-truth") == "1"
    page.get_by_text("Against 1 annotation of “cat”").wait_for()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Table as CSV").click()
    waited.value.save_as(tmp_path / "table.csv")
    saved = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert {r["phrase"]: r["auc"] for r in saved} == {
        r["phrase"]: str(r["auc"]) for r in found.rows
    }
    # What was chosen stays while another page is looked at.
    follow(page, page.get_by_role("link", name="Review").first, "/review")
    page.locator(".lab").wait_for()
    follow(page, page.get_by_role("link", name="Measure").first, "/measure")
    open_step(page, "Proof")
    page.locator("td[data-name=auc]").first.wait_for()


@pytest.mark.long
def test_fewer_phrases_and_another_rule_are_taken_over(page, server, cats):
    strict = lab.Rule.from_dict({"default": {"debounce": {"enter_threshold": 0.99}}})
    Store(server.store).save_rule("too strict", strict)
    open_phrasings(page, server)
    assert cell(page, "cat", "sightings") == "1"
    page.get_by_role("button", name="Remove dog").click()
    until(page, lambda: len(of_panels(page, "pts")) == 2)
    choose(page, "Rule", "too strict")
    until(page, lambda: cell(page, "cat", "sightings") == "0")
    page.get_by_role("button", name="Remove person").click()
    page.get_by_text("Choose at least two phrases").wait_for()


@pytest.mark.long
def test_without_the_video_scores_sightings_and_seeking_work(page, server, tmp_path):
    scores = {
        "otter": scores_of(60, [(10, 20)], 0.8, 0.1),
        "sea otter": scores_of(60, [(30, 40)], 0.9, 0.2),
    }
    scores["otter"][50] = float("nan")
    make_run(tmp_path, scores, every_s=1.0)
    open_phrasings(page, server)
    page.get_by_text("The video file is missing").wait_for()
    assert of_panels(page, "picture") == ["no", "no"]
    page.get_by_role("button", name="Go to 0:30.00").click()
    until(page, lambda: of_panels(page, "sample") == ["30", "30"])
    assert of_panels(page, "sighting") == ["yes", "no"]
    assert page.locator(".score").all_inner_texts() == ["0.90", "0.10"]
    page.locator(PHRASES).focus()
    page.keyboard.press("]")
    until(page, lambda: of_panels(page, "sample") == ["32", "32"])
    page.keyboard.press("[")
    until(page, lambda: of_panels(page, "sample") == ["30", "30"])
    for seconds in (40, 50):
        page.keyboard.press("PageUp")
        until(page, lambda seconds=seconds: abs(playhead(page) - seconds) < 0.01)
    assert page.locator(".score").all_inner_texts() == ["–", "–"]
    assert page.locator(".state").all_inner_texts() == ["failed sample"] * 2


@pytest.mark.long
def test_a_store_of_single_labels_says_what_to_do(page, server, tmp_path):
    make_run(tmp_path, scores_of(20, [(3, 9)], 0.8), every_s=1.0)
    page.goto(f"{server.url}/measure?step=proof")
    open_part(page, "Phrasings")
    page.get_by_text("add prompts to a run").wait_for()
