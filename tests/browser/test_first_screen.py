"""From an empty store: the sample, a drop, a folder; and the library with many clips."""

import base64
import re
import shutil

import pytest

import lab
from benchmarks.study import make_study
from lab.store.store import Store
from tests.browser.page_actions import LAB, settled, until, wait_for_sightings
from tests.browser.server import Server

DROP = """async ([selector, files]) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  const find = (root) => {
    const found = root.querySelector(selector);
    if (found) return found;
    for (const e of root.querySelectorAll("*")) {
      const inside = e.shadowRoot && find(e.shadowRoot);
      if (inside) return inside;
    }
    return null;
  };
  const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
  return Boolean(find(document)?.dispatchEvent(drop));
}"""


def drop(page, *files):
    page.locator(".uploader label").wait_for()
    settled(page)
    given = [(name, base64.b64encode(content).decode()) for name, content in files]
    until(page, lambda: page.evaluate(DROP, [".uploader label", given]))


def test_from_the_printed_address_to_a_saved_sighting_in_two_clicks(browser, tmp_path):
    """A server that a user has started, and a browser that has never seen it."""
    server = Server(tmp_path, [tmp_path], token=None)
    context = browser().new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.set_default_timeout(30_000)
        until(page, lambda: "?token=" in server.log.read_text())
        page.goto(re.search(r"http://\S+[?]token=\S+", server.log.read_text())[0])
        settled(page)
        page.get_by_role("img", name="Scores, rule, sightings").wait_for()
        page.get_by_role("button", name="Try the sample").click()
        page.wait_for_url("**/review?run=*", timeout=60_000)
        count = wait_for_sightings(page)
        assert count > 0
        settled(page)
        page.get_by_role("button", name="Save sightings").click()
        until(page, lambda: Store(server.store).count_sightings() == count)
    finally:
        context.close()
        server.stop()


@pytest.mark.long
def test_videos_are_dropped_on_the_first_screen_and_what_is_none_is_said(page, server, samples):
    page.goto(server.url)
    drop(page, ("text.mp4", b"no video"))
    page.get_by_text("not added: ").wait_for()
    assert page.get_by_text("stored", exact=True).count() == 0
    assert not Store(server.store).count_media()
    drop(page, ("nothing.mp4", (samples / "nothing.mp4").read_bytes()))
    page.get_by_role("heading", name="Library").wait_for()
    page.get_by_text("1 selected").wait_for()
    page.get_by_role("link", name="Analyse 1 clip").wait_for()
    page.wait_for_function(
        """() => [...document.querySelectorAll("*")].some((e) =>
            e.shadowRoot?.querySelector(".card img")?.naturalWidth > 0)"""
    )


@pytest.mark.long
def test_what_is_refused_says_why_and_never_that_it_is_stored(
    page, fork_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAB_MAX_UPLOAD_BYTES", "1000000")
    server = Server(tmp_path, [tmp_path], fork_server.start)
    try:
        page.goto(server.url)
        drop(page, ("large.mp4", b"x" * 2_000_000), ("x" * 1100 + ".mp4", b"x"), ("empty.mp4", b""))
        for why in ("larger than the limit of 1 MiB", "name must have at most", "not added: "):
            page.get_by_text(why).first.wait_for()
        server.store.mkdir(exist_ok=True)
        shutil.rmtree(server.store / "uploads", ignore_errors=True)
        (server.store / "uploads").touch()  # as on a disk that cannot be written, also for root
        drop(page, ("clip.mp4", b"x"))
        page.get_by_text("nothing can be uploaded: the store").wait_for()
        for said in ("stored", "added", "received"):
            assert page.get_by_text(said, exact=True).count() == 0
        assert not Store(server.store).count_media()
    finally:
        server.stop()


@pytest.mark.long
def test_a_folder_is_chosen_without_typing(page, server, samples, tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    for clip in ("nothing.mp4", "cat_then_person.mp4"):
        (card / clip).hardlink_to(samples / clip)
    page.goto(server.url)
    settled(page)
    page.get_by_role("button", name="Choose a folder").click()
    page.get_by_role("dialog").get_by_role("button", name=str(tmp_path)).click()
    page.get_by_role("dialog").get_by_role("button", name="card", exact=True).click()
    page.get_by_role("button", name="Add these 2 clips").click()
    page.get_by_role("heading", name="Library").wait_for()
    page.get_by_text("2 selected").wait_for()
    assert {row["relative_path"] for row in Store(server.store).media_rows()} == {
        "nothing.mp4",
        "cat_then_person.mp4",
    }


# How far the last button of a group is from its right end.
ROOM = """e => e.getBoundingClientRect().right -
             [...e.querySelectorAll('button')].at(-1).getBoundingClientRect().right"""
CUT = """() => {
  const found = [];
  const look = (root) => {
    for (const e of root.querySelectorAll("*")) {
      if (e.shadowRoot) look(e.shadowRoot);
      const isButton = e.matches('a[data-testid="stPageLink-NavLink"], button');
      if (isButton && e.checkVisibility() && e.scrollWidth > e.clientWidth + 1) {
        found.push(e.innerText);
      }
    }
  };
  look(document);
  const { scrollWidth } = document.documentElement;
  return [...found, ...(scrollWidth > innerWidth ? [`${scrollWidth} px wide`] : [])];
}"""


@pytest.mark.parametrize("width", [800, pytest.param(1440, marks=pytest.mark.long)])
def test_names_of_any_length_and_script_break_no_layout(page, server, samples, tmp_path, width):
    store, ids = Store(server.store), []
    for i, name in enumerate(["x" * 250, "גשר על הנהר", "مراقبة", "แมวที่สะพาน", "👩‍🌾 e\u0301"]):
        clip = tmp_path / f"{name}.mp4"
        clip.write_bytes((samples / "nothing.mp4").read_bytes() + bytes(i + 1))
        ids.append(store.add_media(lab.probe(clip))["media_id"])
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{server.url}/analyse?media={','.join(ids)}&detector=motion")
    settled(page)
    page.get_by_role("button", name="Start 5 clips", exact=True).click()
    page.get_by_text("5 of 5").wait_for()
    until(page, lambda: page.get_by_role("link", name="Review").count() == 6)
    settled(page)
    assert page.evaluate(CUT) == []
    # Each name ends where it ends in its own script, and what follows stands behind it.
    page.locator(".queue bdi", has_text="גשר על הנהר.mp4").wait_for()
    for path in ("/", "/library", "/sightings"):
        page.goto(f"{server.url}{path}")
        settled(page)
        assert page.evaluate(CUT) == [], path
        if path == "/library":
            states = page.locator(".st-key-library_state [data-testid=stButtonGroup]")
            assert states.evaluate(ROOM) >= 0
    name = page.locator(".library .name bdi")
    page.goto(f"{server.url}/library")
    until(page, lambda: name.count() == 5)
    assert all(text.endswith(".mp4") for text in name.all_inner_texts())


@pytest.mark.parametrize("address", [pytest.param("/", marks=pytest.mark.long), "/source"])
def test_old_addresses_lead_to_the_library(page, server, samples, address):
    media_id = Store(server.store).add_media(lab.probe(samples / "nothing.mp4"))["media_id"]
    page.goto(f"{server.url}{address}?media={media_id}&for=sea+otter")
    page.get_by_text("1 selected").wait_for()
    until(page, lambda: f"/library?media={media_id}&for=sea" in page.url)
    page.get_by_text("sea otter").first.wait_for()


@pytest.mark.long
def test_marks_stay_over_pages_and_the_next_session_goes_on(page, server):
    make_study(server.store, 100)
    page.goto(f"{server.url}/library")
    boxes = page.locator(".library .mark input")
    boxes.nth(2).check()
    boxes.nth(3).check()
    page.get_by_text("2 selected").wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text("49–96 of 100").wait_for()
    boxes.first.check()
    page.get_by_text("3 selected").wait_for()
    page.get_by_role("button", name="Previous").click()
    page.get_by_text("1–48 of 100").wait_for()
    until(page, lambda: boxes.nth(2).is_checked() and not boxes.first.is_checked())
    page.get_by_role("link", name="Analyse 3 clips").wait_for()
    page.get_by_role("button", name="IMG_00097").first.click()
    page.get_by_role("link", name="Open its newest run").click()
    page.wait_for_selector(LAB)
    until(page, lambda: bool(Store(server.store).places()))
    page.goto(server.url)
    page.get_by_role("heading", name="Continue", exact=True).wait_for()
    page.get_by_text("IMG_00097.MP4").first.wait_for()
