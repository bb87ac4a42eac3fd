"""Video, timeline, rule and figures are on one screen, measured in a real Chromium."""

import itertools
from datetime import datetime

import pytest

import lab
from tests.browser.page_actions import until, wait_for_sightings
from tests.builders import make_box_run

LABELS = ["person", "dog", "bicycle", "sea otter"]
LONG = [
    "a person in a bright yellow raincoat who carries a very large umbrella and a bag",
    "otter swimming on its back near the shore in the rain",
    "x" * 80,
    "short",
]
LEFT = [".frame", ".transport", ".overview", ".lanes", ".figures", ".annotate"]
WATCHED = [".picture", ".rows"]
SIZES = [(1440, 900), (1280, 720), (1920, 1080)]
LEAST_VIDEO_PX = {900: 450, 720: 350, 1080: 600}
BOX = """e => { const { left, top, right, bottom } = e.getBoundingClientRect();
               return { left, top, right, bottom } }"""
# Of the parts of a line, those that reach beyond its right end.
BEYOND = """e => [...e.children].filter(c => c.getBoundingClientRect().width > 0 &&
              c.getBoundingClientRect().right > e.getBoundingClientRect().right + 1)
              .map(c => c.textContent)"""
SCROLLS = """() => [...document.querySelectorAll('*')].filter(e =>
              ['auto', 'scroll'].includes(getComputedStyle(e).overflowY) &&
              e.clientHeight > 0 && e.scrollHeight > e.clientHeight + 1).length"""


def made_run(folder, samples, labels, **recipe):
    """Of a real clip, with boxes of every label that come and go."""
    media = lab.probe(samples / "cat_then_person.mp4")
    found = [
        [
            (label, 0.9, (40 + 90 * k, 60, 120 + 90 * k, 200))
            for k, label in enumerate(labels)
            if (i // 10 + k) % 3
        ]
        for i in range(60)
    ]
    return make_box_run(folder, found, labels, media=media, **recipe)


def boxes(page, selectors):
    return {name: page.locator(f".lab {name}").evaluate(BOX) for name in selectors}


def is_inside(box, width, height):
    return (
        0 <= box["left"] < box["right"] <= width + 0.5
        and 0 <= box["top"] < box["bottom"] <= height + 0.5
    )


def is_beside(a, b):
    return (
        a["right"] <= b["left"] + 0.5
        or b["right"] <= a["left"] + 0.5
        or a["bottom"] <= b["top"] + 0.5
        or b["bottom"] <= a["top"] + 0.5
    )


def assert_on_one_screen(page, selectors, width, height):
    """All are inside the window, none covers another, no line is cut, and the page stays."""
    until(page, lambda: is_inside(boxes(page, [".annotate"])[".annotate"], width, height))
    found = boxes(page, selectors)
    context = page.locator(".st-key-context").evaluate(BOX)
    for name, box in {**found, "context": context}.items():
        assert is_inside(box, width, height), (name, box)
    for (a, one), (b, other) in itertools.combinations(found.items(), 2):
        assert is_beside(one, other), (a, b)
    for line in (".transport", ".figures", ".annotate"):
        assert page.locator(f".lab {line}").evaluate(BEYOND) == [], line
    assert page.locator(".st-key-context").evaluate(BEYOND) == []
    assert page.evaluate(SCROLLS) == 0
    return found


@pytest.mark.parametrize(
    "recipe",
    [pytest.param({}, marks=pytest.mark.long), {"prompt_mode": "independent"}],
    ids=["plain", "prompts"],
)
def test_everything_is_on_one_screen(page, server, samples, tmp_path, recipe):
    run = made_run(tmp_path, samples, LABELS, **recipe)
    page.goto(f"{server.url}/review?run={run.run_id}")
    assert wait_for_sightings(page) > 4
    assert page.get_by_role("button", name="+ prompt").count() == bool(recipe)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        watched = assert_on_one_screen(page, [*WATCHED, *LEFT[1:], ".side"], width, height)
        picture = watched[".picture"]
        assert picture["bottom"] - picture["top"] >= LEAST_VIDEO_PX[height]
        ratio = (picture["right"] - picture["left"]) / (picture["bottom"] - picture["top"])
        assert abs(ratio - 640 / 360) < 0.02
    for shape in (9 / 16, 1, 4 / 3, 21 / 9):
        page.locator(".lab").evaluate(f"e => e.style.setProperty('--ratio', {shape})")
        assert_no_strip_is_left(boxes(page, [".frame", ".stage", ".picture", ".rows"]), shape)
        side, last = boxes(page, [".side", ".annotate"]).values()
        assert abs(side["bottom"] - last["bottom"]) < 1  # all the height is used
    assert_below_each_other_on_a_telephone(page)


def assert_below_each_other_on_a_telephone(page):
    """Where lines wrap, none lies over another, no strip is empty, and the sheet can be seen."""
    page.locator(".lab").evaluate("e => e.style.setProperty('--ratio', 16 / 9)")
    page.set_viewport_size({"width": 400, "height": 800})
    lab_box, frame = boxes_of(page, ".lab", ".lab .frame")
    assert frame["top"] - lab_box["top"] <= 8
    for sheet in ([], [".side"]):
        if sheet:
            page.get_by_role("button", name="Settings").click()
            until(page, lambda: boxes(page, [".side"])[".side"]["top"] < 800 - 100)
        found = [boxes(page, [name])[name] for name in [*LEFT, *sheet] if name != ".overview"]
        parts = page.locator(".lab :is(.transport, .figures, .annotate) > *:visible").evaluate_all(
            f"all => all.map({BOX})"
        )
        assert all(one["bottom"] <= other["top"] + 1 for one, other in itertools.pairwise(found))
        lines = (found[1], found[3], found[4])
        assert all(any(is_within(part, line) for line in lines) for part in parts)


def boxes_of(page, *selectors):
    return [page.locator(selector).evaluate(BOX) for selector in selectors]


def is_within(part, line):
    return part["top"] >= line["top"] - 1 and part["bottom"] <= line["bottom"] + 1


def assert_no_strip_is_left(found, shape):
    """The picture is whole and fills its stage; stage and list take all the room."""
    frame, stage, picture, rows = found.values()
    width = picture["right"] - picture["left"]
    assert abs(width / (picture["bottom"] - picture["top"]) - shape) < 0.02
    assert picture["left"] >= stage["left"] - 0.5
    assert picture["right"] <= stage["right"] + 0.5
    assert picture["top"] >= stage["top"] - 0.5
    assert picture["bottom"] <= stage["bottom"] + 0.5
    assert abs(stage["left"] - frame["left"]) < 1
    assert picture["top"] - stage["top"] < 1
    assert stage["bottom"] - picture["bottom"] < 1
    assert abs(rows["left"] - stage["right"] - 8) < 1
    assert abs(rows["right"] - frame["right"]) < 1
    assert stage["bottom"] - stage["top"] == rows["bottom"] - rows["top"]


@pytest.mark.long
def test_long_labels_and_the_mode_for_annotating_fit_as_well(page, server, samples, tmp_path):
    run = made_run(tmp_path, samples, LONG, prompt_mode="independent")
    run.store.edit_media(
        run.media["media_id"], start_utc=datetime(2026, 5, 1, 23, 30), utc_offset_s=7200
    )
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page)
    page.locator(".lab .wall").get_by_text("2026-05-02 01:30:00").wait_for()
    page.set_viewport_size({"width": 1280, "height": 720})
    assert_on_one_screen(page, [*WATCHED, *LEFT[1:], ".side"], 1280, 720)
    page.get_by_role("button", name="Annotate", exact=True).click()
    assert_on_one_screen(page, [*WATCHED, *LEFT[1:], ".marks"], 1280, 720)
    page.reload()
    wait_for_sightings(page)
    page.locator(".lab .marks").wait_for()  # the mode is remembered


@pytest.mark.long
def test_in_a_narrow_window_the_rule_is_a_sheet_from_below(page, server, samples, tmp_path):
    run = made_run(tmp_path, samples, LABELS)
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page)
    page.set_viewport_size({"width": 800, "height": 900})
    assert_on_one_screen(page, [".picture", *LEFT[1:]], 800, 900)
    assert not page.locator(".lab .side").is_visible()
    page.locator(".lab").evaluate("e => e.style.setProperty('--ratio', 21 / 9)")
    page.get_by_role("button", name="Settings").click()
    sheet = boxes(page, [".side", ".figures", ".picture"])
    assert is_inside(sheet[".side"], 800, 900)
    assert is_beside(sheet[".side"], sheet[".figures"])
    assert_on_one_screen(page, [".picture", *LEFT[1:], ".side"], 800, 900)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Sightings").last.click()
    assert is_inside(boxes(page, [".rows"])[".rows"], 800, 900)
