"""The page Sightings in a real browser: review by keyboard, chips, views, playing a stretch."""

import re
import time

import pytest

import lab
from lab.store.store import Store
from tests.browser.page_actions import settled, until
from tests.store.test_queries import make_sighting

LIST = ".sightings"
RULE = lab.Rule.coerce(lab.Debounce(enter_threshold=0.4))


@pytest.fixture
def stored(server, analysed, samples):
    """stored(n) puts n sightings of a cat and a person, in turn, into the store of the server."""

    def put(n):
        (run,) = analysed(server.store, (samples / "cat_comes_and_goes.mp4", {"every_s": 0.5}))
        found = [
            make_sighting(
                ("cat", "person")[i % 2],
                2_000_000 + 150_000 * i,
                offset_us=2_500_000 + 150_000 * i,
                peak_confidence=0.5 + i / 200,
            )
            for i in range(n)
        ]
        run.store.save_sightings(run.run_id, RULE, found, "made")
        return Store(server.store)

    return put


def opened(page):
    return page.locator(LIST).get_attribute("data-open")


def listed(page, count):
    page.locator(f'{LIST}[data-rows="{count}"]').wait_for()
    settled(page)


@pytest.mark.long
def test_a_sighting_is_played_reviewed_and_found_again_by_a_saved_view(page, server, stored):
    store = stored(8)
    page.goto(f"{server.url}/sightings?label=cat&site=nowhere")
    page.get_by_text("No sighting fulfils all of these conditions").wait_for()
    page.get_by_role("button", name="Without “Site: nowhere”: 4").click()
    listed(page, 4)
    assert "site" not in page.url

    page.locator(f"{LIST} .open").first.click()
    canvas = page.locator(f"{LIST} .screen canvas")
    until(page, lambda: int(canvas.get_attribute("data-boxes") or 0) > 0)
    until(page, lambda: page.locator(f"{LIST} .screen.playing").count() == 1)
    first = opened(page)
    page.keyboard.press("y")
    page.keyboard.press("n")
    until(page, lambda: {v.verdict for v in store.verdicts()} == {"accepted", "rejected"})
    assert [a.origin for a in store.annotations()] == ["accepted"]
    page.keyboard.press("z")
    until(page, lambda: len(store.verdicts()) == 1)
    page.keyboard.press(".")
    page.keyboard.type("A Cat by the wall")
    page.keyboard.press("Enter")
    until(page, lambda: store.count_sightings(note="wall cat") == 1)
    page.keyboard.press("ArrowLeft")
    assert opened(page) == first

    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of this view").fill("Cats")
    page.get_by_role("button", name="Save this view").click()
    until(page, lambda: len(store.saved_views()) == 1)
    (view,) = store.saved_views()
    page.goto(f"{server.url}/sightings?saved={view.view_id}")
    listed(page, 4)
    assert re.search(r"[?&]label=cat", page.url)
    page.get_by_role("button", name="Label: cat").click()
    listed(page, 8)
    assert "label" not in page.url


@pytest.mark.long
def test_fifty_sightings_are_reviewed_by_keyboard(page, server, stored, capsys):
    store = stored(60)
    page.goto(f"{server.url}/sightings?view=gallery&reviewed=no")
    listed(page, 48)
    begun = time.monotonic()
    page.keyboard.press("ArrowRight")
    for i in range(50):
        shown = opened(page)
        key = "ynu"[i % 3]
        if i % 10 == 9:
            page.keyboard.press("l")
            page.keyboard.type("fox")
            key = "Enter"
        page.keyboard.press(key)
        page.wait_for_function(
            f"""shown => [...document.querySelectorAll('*')].map((e) => e.shadowRoot)
            .some((r) => r?.querySelector('{LIST}')?.dataset.open !== shown
                && r?.querySelector('{LIST}'))""",
            arg=shown,
        )
    took_s = time.monotonic() - begun
    until(page, lambda: len(store.verdicts()) == 50)
    with capsys.disabled():
        print(f"\n{took_s / 50:.2f} s for each of fifty sightings")
    assert store.count_sightings(reviewed=True) == 50
    assert store.count_sightings(verdict="relabelled") == 5
    assert {a.label for a in store.annotations()} == {"cat", "person", "fox"}
    assert store.coverage() == []
    page.goto(f"{server.url}/sightings?reviewed=no")
    listed(page, 10)
