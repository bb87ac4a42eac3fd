"""Several clips are analysed, one is tuned, and its rule is applied to all, in a real Chromium."""

import shutil

import pytest
from playwright.sync_api import expect

import lab
from lab.store.store import Store
from tests.browser.page_actions import (
    LAB,
    close_popover,
    follow,
    open_popover,
    pick,
    set_slider,
    settled,
    sightings_shown,
    until,
    wait_for_setting,
    wait_for_sightings,
)


@pytest.mark.long
def test_one_clip_is_tuned_and_its_rule_saved_for_all(page, server, analysed, samples):
    clips = ("cat_comes_and_goes", "cat_then_person", "nothing")
    runs = analysed(
        server.store,
        *((samples / f"{name}.mp4", {"labels": ["cat"], "every_s": 0.5}) for name in clips),
    )
    store = runs[0].store
    page.goto(f"{server.url}/review?run={runs[0].run_id}")
    wait_for_sightings(page, 2)
    set_slider(page, "merge_gap_s", 10)
    wait_for_sightings(page, 1)
    settled(page)
    page.get_by_role("button", name="Apply to all 3 clips").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("2 of 3")).to_be_visible()
    dialog.get_by_label("Name of the rule").fill("cats")
    dialog.get_by_role("button", name="Apply to all 3 clips").click()
    page.get_by_text("Applied to 3 clips: 2 sightings saved").wait_for()
    expect(dialog).to_have_count(0)
    assert store.sighting_counts("name", current=True) == {
        "cat_comes_and_goes.mp4": 1,
        "cat_then_person.mp4": 1,
    }
    (current,) = store.current_rules().values()
    assert (current.name, current.run_id) == ("cats", runs[0].run_id)
    assert current.rule.default.debounce.merge_gap_s == 10

    settled(page)
    page.get_by_role("button", name="›", exact=True).click()
    until(page, lambda: runs[1].run_id in page.url)
    settled(page)
    expect(page.locator(f'{LAB} input[data-setting="merge_gap_s"]').first).to_have_value("10")
    open_popover(page, "Current")
    page.get_by_text("Current rule: cats, shown here").wait_for()

    # Saved beside the current rule, which is said.
    close_popover(page)
    set_slider(page, "merge_gap_s", 5)
    wait_for_setting(page, "merge_gap_s", 5)
    page.get_by_role("button", name="Save sightings").click()
    page.get_by_text(
        "1 sighting saved. Sightings shows those of the current rule, cats, unless others are"
    ).wait_for()

    page.goto(f"{server.url}/sightings")
    page.get_by_text("2 of 2 sightings").wait_for()
    page.get_by_text("1 sighting of another rule is saved as well").wait_for()
    pick(
        page,
        page.get_by_role("combobox", name="Rules"),
        page.get_by_role("option", name="All rules"),
    )
    page.get_by_text("3 of 3 sightings").wait_for()

    page.goto(f"{server.url}/review?run={runs[0].run_id}")
    open_popover(page, "Current")
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Undo").click()
    page.get_by_text("No rule is current now").wait_for()
    assert store.current_rules() == {}


@pytest.fixture(scope="session")
def forty(encode, samples):
    """Forty clips of two seconds, 160 px wide, from each sample clip at ten moments."""
    small = ("-t", "2", "-vf", "scale=160:-2", "-c:v", "libx264", "-preset", "ultrafast")
    clips = sorted(samples.glob("*.mp4"))[:4]
    return [
        encode(f"{clip.stem}-{i}.mp4", "-ss", str(i * 0.6), *small, source=str(clip))
        for clip in clips
        for i in range(10)
    ]


@pytest.mark.long
def test_forty_clips_are_analysed_one_is_tuned_and_its_rule_applied_to_all(
    page, server, forty, tmp_path
):
    (tmp_path / "card").mkdir()
    for clip in forty:
        shutil.copy(clip, tmp_path / "card")
    page.goto(server.url)
    settled(page)
    page.get_by_role("button", name="Choose a folder").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=str(tmp_path)).click()
    dialog.get_by_role("button", name="card", exact=True).click()
    dialog.get_by_role("button", name="Add these 40 clips").click()
    page.get_by_text("40 selected").wait_for()
    follow(page, page.get_by_role("link", name="Analyse 40 clips"), "/analyse")

    page.get_by_role("radio", name="Quick look").click()
    page.get_by_text("One sample every 1 s").wait_for()
    settled(page)
    page.get_by_role("button", name="Start 40 clips", exact=True).click()
    page.get_by_text("40 of 40").wait_for(timeout=120_000)
    store = Store(server.store)
    runs = store.runs()
    assert {(run["state"], run["recipe"]["every_s"]) for run in runs} == {("done", 1.0)}
    assert len({run["media_id"] for run in runs}) == len({r["protocol_hash"] for r in runs}) * 40

    tuned = store.find_media("cat_comes_and_goes-3.mp4")["media_id"]
    (run,) = store.runs(media_id=tuned)
    page.goto(f"{server.url}/review?run={run['run_id']}")
    wait_for_sightings(page, 0)  # a sighting needs three samples, and a clip has two
    set_slider(page, "enter_frames", 1)
    until(page, lambda: sightings_shown(page) > 0)
    settled(page)
    page.get_by_role("button", name="Apply to all 40 clips").click()
    page.get_by_role("dialog").get_by_role("button", name="Apply to all 40 clips").click()
    page.get_by_text("Applied to 40 clips").wait_for()

    (current,) = store.current_rules().values()
    assert current.rule.default.debounce.enter_frames == 1
    lab_of = lab.open_store(server.store)
    expected = {
        run["run_id"]: n for run in runs if (n := len(lab_of.run(run["run_id"]).find(current.rule)))
    }
    assert len(expected) > 10
    assert store.sighting_counts("run_id", current=True) == expected
    page.goto(f"{server.url}/sightings")
    total = sum(expected.values())
    page.get_by_text(f"{total} of {total} sightings").wait_for()
    page.goto(server.url)
    page.get_by_test_id("stMetric").filter(has_text="Sightings").get_by_text(str(total)).wait_for()
