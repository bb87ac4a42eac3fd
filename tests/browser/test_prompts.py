"""Prompts in a real Chromium: typed in Library, analysed, added in Review, each with its rule."""

import re
import shutil

import pytest
from playwright.sync_api import expect

import lab
from lab.detectors.open_vocabulary.text_features import CLIP, read_embeddings
from lab.store.store import Store
from tests.browser.page_actions import (
    LAB,
    attributes,
    choose_sample,
    follow,
    open_advanced,
    open_popover,
    pick,
    set_slider,
    settled,
    until,
    wait_for,
    wait_for_setting,
    wait_for_sightings,
)


@pytest.fixture
def weights(models, tmp_path, monkeypatch):
    """A models folder with YOLO-World, and its vocabulary in the server's store."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(models / "yolov8s-world.pt", folder)
    monkeypatch.setenv("LAB_MODELS", str(folder))
    Store(tmp_path / "store").save_embeddings(
        CLIP, read_embeddings(models / "vocab_clip_vitb32.npz"), "test"
    )
    return folder


def type_chip(page, label, *words):
    field = page.get_by_role("combobox", name=re.compile(label)).first
    for word in words:
        field.click()
        field.fill(word)
        field.press("Enter")
    page.keyboard.press("Escape")


def labels_of(page):
    return sorted(attributes(page, f"{LAB} .chip[data-label]", "data-label"))


@pytest.mark.long
def test_a_prompt_joins_a_finished_run_and_has_a_rule_of_its_own(
    weights, server, page, samples, models
):
    store = Store(server.store)
    choose_sample(page, server, "cat_then_person.mp4")
    type_chip(page, "What to look for", "cat", "dog")
    expect(page.get_by_text("starts with these")).to_be_visible()

    page.get_by_role("link", name="Analyse 1 clip").click()
    expect(page.get_by_text("yolo knows all of these")).to_be_visible()
    open_advanced(page)
    pick(
        page,
        page.get_by_role("combobox", name=re.compile("Detector")),
        page.get_by_role("option", name=re.compile("^yolo-world")),
    )
    expect(page.get_by_text("Mode independent")).to_be_visible()
    page.get_by_text("Own", exact=True).click()
    pick(
        page,
        page.get_by_role("combobox", name=re.compile("Image size")),
        page.get_by_role("option", name="320"),
    )
    page.get_by_role("spinbutton", name="Seconds between samples").fill("0.5")
    page.keyboard.press("Enter")
    settled(page)
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("link", name="Review").last.wait_for()
    until(page, lambda: store.runs() and store.runs()[0]["state"] == "done", 120)
    before = lab.open_store(server.store).run(store.runs()[0]["run_id"])
    assert before.labels == ("cat", "dog")
    assert before.recipe["prompt_mode"] == "independent"

    page.goto(f"{server.url}/review?run={before.run_id}")
    wait_for_sightings(page)
    open_popover(page, "+ prompt")
    type_chip(page, "Add prompts", "person")
    open_popover(page, "+ prompt")
    page.get_by_role("button", name="Look for them").click()
    until(page, lambda: labels_of(page) == ["cat", "dog", "person"], 120)
    until(page, lambda: len(store.run(before.run_id)["recipe"]["labels"]) == 3, 60)
    after = lab.open_store(server.store).run(before.run_id)
    for label in ("cat", "dog"):
        assert (after.log.scores(label) == before.log.scores(label)).all()
    whole = lab.analyze(
        samples / "cat_then_person.mp4", detector="yolo-world", weights="yolov8s-world.pt",
        labels=["cat", "dog", "person"], image_size=320, every_s=0.5, store=store, progress=False,
    )  # fmt: skip
    assert whole.recipe_hash == after.recipe_hash
    assert (whole.log.scores("person") == after.log.scores("person")).all()

    # A rule for one label: the others keep the common one.
    wait_for_sightings(page, 3)
    page.get_by_label("Rule for").select_option("dog")
    set_slider(page, "enter_threshold", 0.99)
    wait_for_sightings(page, 2)


def chips(page):
    return [
        name.removeprefix("Remove ")
        for name in attributes(page, '[aria-label^="Remove "]', "aria-label")
    ]


@pytest.mark.long
def test_chips_typed_in_a_burst_are_all_there_on_both_pages_and_after_a_reload(server, page):
    words = ["cat", "dog", "sea otter", "otter swimming", "קטן", "bird"]
    choose_sample(page, server, "nothing.mp4")
    type_chip(page, "What to look for", *words)
    until(page, lambda: chips(page) == words and page.url.count("&for=") == len(words))
    link = page.get_by_role("link", name="Analyse 1 clip")
    assert link.get_attribute("href").count("for=") == len(words)
    follow(page, link, "/analyse")
    until(page, lambda: chips(page) == [*words, "nothing.mp4"], 40)
    until(page, lambda: page.url.count("&for=") == len(words))
    page.reload()
    until(page, lambda: chips(page) == [*words, "nothing.mp4"], 40)
    type_chip(page, "What to look for", "a", "b", "c")
    until(page, lambda: chips(page) == [*words, "a", "b", "c", "nothing.mp4"])
    follow(page, page.get_by_role("link", name="Library").first, "/library")
    until(page, lambda: chips(page) == [*words, "a", "b", "c"], 40)


@pytest.mark.long
def test_joint_prompts_say_that_another_set_is_another_run(weights, server, page, samples):
    run = lab.analyze(
        samples / "nothing.mp4",
        detector="yolo-world",
        weights="yolov8s-world.pt",
        labels=["cat", "dog"],
        prompt_mode="joint",
        every_s=2.0,
        store=server.store,
        progress=False,
    )
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page)
    open_popover(page, "+ prompt")
    expect(page.get_by_text("other prompts need a new run")).to_be_visible()
    page.get_by_role("button", name="Start another run with other prompts").click()
    expect(page.get_by_text("Mode independent")).to_be_visible()
    until(page, lambda: chips(page) == ["cat", "dog", "nothing.mp4"])
    expect(page.get_by_role("spinbutton", name="Seconds between samples")).to_have_value("2")


@pytest.mark.long
def test_several_analyses_are_listed_and_run_over_one_decode(server, page, samples):
    choose_sample(page, server, "nothing.mp4")
    page.get_by_role("link", name="Analyse 1 clip").click()
    settled(page)
    open_advanced(page)
    page.get_by_role("button", name="Add to the list").click()
    expect(page.get_by_role("button", name="Start 1 analysis")).to_be_visible()
    page.get_by_role("button", name="Add to the list").click()
    expect(page.get_by_text("already named 'yolo'")).to_be_visible()
    pick(
        page,
        page.get_by_role("combobox", name=re.compile("Detector")),
        page.get_by_role("option", name=re.compile("^motion")),
    )
    settled(page)
    page.get_by_role("button", name="Add to the list").click()
    page.get_by_role("button", name="Start 2 analyses").click()
    store = Store(server.store)
    until(page, lambda: [r["state"] for r in store.runs()] == ["done", "done"], 60)
    rows = {r["environment"]["analysis"]: r for r in store.runs()}
    assert set(rows) == {"yolo", "motion"}
    assert rows["yolo"]["environment"]["pass_id"] == rows["motion"]["environment"]["pass_id"]
    # From one to the other: each begins with the rule that its own detector declares, and keeps it.
    runs = {name: lab.open_store(server.store).run(row["run_id"]) for name, row in rows.items()}
    page.goto(f"{server.url}/review?run={runs['yolo'].run_id}")
    wait_for_sightings(page)
    set_slider(page, "enter_threshold", 0.77)
    wait_for_setting(page, "enter_threshold", 0.77)
    pick(
        page,
        page.get_by_label("Runs of this pass").first,
        page.get_by_role("option", name="motion"),
    )
    wait_for(page, "rule-hash", runs["motion"].default_rule.rule_hash)
    pick(
        page,
        page.get_by_label("Run", exact=True).first,
        page.get_by_role("option").filter(has_text=runs["yolo"].run_id),
    )
    wait_for_setting(page, "enter_threshold", 0.77)


@pytest.mark.long
def test_refused_prompts_stay_as_chips(weights, server, page, samples):
    run = lab.analyze(
        samples / "nothing.mp4", detector="yolo-world", weights="yolov8s-world.pt", labels=["cat"],
        image_size=320, every_s=2.0, store=server.store, progress=False,
    )  # fmt: skip
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page)
    open_popover(page, "+ prompt")
    type_chip(page, "Add prompts", "chair", "zebra swimming")
    open_popover(page, "+ prompt")
    until(page, lambda: chips(page) == ["chair", "zebra swimming"])
    page.get_by_role("button", name="Look for them").click()
    # The worker loads torch and the checkpoint first, which takes long where cores are busy.
    unknown = page.get_by_text("no embedding is known for 'zebra swimming'")
    expect(unknown).to_be_visible(timeout=120_000)
    until(page, lambda: chips(page) == ["chair", "zebra swimming"])
    page.get_by_role("button", name="Remove zebra swimming").click()
    expect(page.get_by_text("no embedding is known")).to_have_count(0)
    page.get_by_role("button", name="Look for them").click()
    until(page, lambda: labels_of(page) == ["cat", "chair"], 60)
