"""The first screen and the library: empty, filled, and with what is wrong."""

import shutil
from datetime import date, datetime

import pytest
from streamlit.testing.v1 import AppTest

import lab
from lab.app.server import state as desks
from lab.app.ui.widgets.clip_card import start_values
from lab.app.ui.widgets.queue_rows import names_of
from lab.app.ui.widgets.rule_state import rule_to_query
from tests.builders import ended_jobs
from tests.pages.test_pages import listed, show

QUICK = {"labels": ["cat"], "every_s": 0.5, "image_size": 320}


def press(page, label):
    return next(b for b in page.button if b.label == label).click().run()


def texts(page):
    return [one.value for one in (*page.markdown, *page.caption)]


def links(page):
    return [one.proto.label for one in page.get("page_link")]


def test_the_first_screen_says_what_it_is_and_offers_three_ways(store):
    page = show("home")
    assert any("Analyse once, tune while you watch" in text for text in texts(page))
    assert {"Try the sample", "Choose a folder"} <= {b.label for b in page.button}
    assert any("Detections from other programs" in e.label for e in page.expander)
    assert not store.exists()


@pytest.mark.long
def test_the_sample_is_analysed_by_one_click_and_its_run_is_opened(store):
    page = press(show("home"), "Try the sample")
    assert len(ended_jobs(desks.app_state())) == 1
    page.run()
    assert not page.exception
    (run,) = lab.open_store(store).store.runs()
    assert page.query_params["run"] == run["run_id"]
    assert run["state"] == "done"
    assert any(b.label == "Save sightings" for b in page.button)


@pytest.mark.long
def test_a_new_session_goes_on_where_somebody_was(store, analysed, samples):
    (run,) = analysed(store, (samples / "cat_then_person.mp4", {"labels": ["cat"]}))
    page = show("home")
    assert "The newest run" in [h.value for h in page.header]
    rule = lab.Rule.from_dict({"default": {"debounce": {"enter_threshold": 0.77}}})
    show("review", run=run.run_id, rule=rule_to_query(rule))
    page = show("home")
    assert "Continue" in [h.value for h in page.header]
    assert any("not saved, enter at 0.77" in text for text in texts(page))
    run.store.save_rule("strict", rule)
    assert any("rule: strict" in text for text in texts(show("home")))


@pytest.mark.long
def test_totals_failures_and_sites_are_shown(store, analysed, samples):
    (run,) = analysed(store, (samples / "cat_then_person.mp4", {"labels": ["cat"]}))
    run.save_sightings(lab.Debounce(enter_threshold=0.4))
    run.store.set_run_state(run.run_id, "failed", "the disk is full")
    run.store.edit_media(run.media["media_id"], site="crëek *1*")
    page = show("home")
    shown = {m.label: m.value for m in page.metric}
    assert (shown["Clips"], shown["Sightings"], shown["Watched"]) == ("1", "1", "0 %")
    assert any("1 run is not finished" in w.value for w in page.warning)
    assert any("the disk is full" in text for text in texts(page))
    assert "crëek \\*1\\*" in links(page)
    page = page.switch_page("pages/library.py")
    page.query_params["site"] = "crëek *1*"
    page.run()
    assert any(text == "1 clip" for text in texts(page))


def test_an_address_of_the_first_page_with_clips_leads_to_the_library(store, samples):
    media_id = lab.open_store(store).store.add_media(lab.probe(samples / "nothing.mp4"))["media_id"]
    page = show("home", media=media_id, **{"for": "otter"})
    assert page.title[0].value == "Library"
    assert page.session_state.chosen == [media_id]
    assert page.session_state.keep_prompts == ["otter"]
    assert "**Analyse 1 clip**" in links(page)


def test_folders_are_walked_and_clips_below_are_read_in_one_job(
    store, samples, tmp_path, monkeypatch
):
    root = tmp_path / "media"
    card = root / "card" / "DCIM"
    card.mkdir(parents=True)
    for clip in samples.glob("*.mp4"):
        (card / clip.name).hardlink_to(clip)
    (card / "broken.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "secret").mkdir()
    shutil.copy(samples / "nothing.mp4", tmp_path / "secret")
    (root / "way out").symlink_to(tmp_path / "secret")
    (root / "out.mp4").symlink_to(tmp_path / "secret" / "nothing.mp4")
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(root))
    page = show("library")
    page.session_state["browser_folder"] = str(root)
    press(page, "Choose a folder")
    assert "way out" not in [b.label for b in page.button]
    assert "not under the media" in page.warning[0].value.replace("\\", "")
    press(page, "card")
    press(page, "DCIM")
    assert len(page.dataframe[0].value) == 5
    press(page, "media")
    press(page, "Add all in this folder and below")
    assert not page.exception
    (job,) = desks.app_state().engine.jobs()
    assert (job.kind, job.total) == ("probes", 5)
    assert any("**4 selected** · 4 clips" in text for text in texts(page))
    assert "broken.mp4" in page.error[0].value
    rows = lab.open_store(store).store.media_rows()
    assert {row["relative_path"] for row in rows} == {f"card/DCIM/{r['name']}" for r in rows}


@pytest.mark.parametrize("place", ["/etc", "/nowhere", "relative", "\0"])
def test_the_browser_shows_nothing_outside_the_media_roots(store, place):
    page = show("library")
    page.session_state["browser_folder"] = place
    press(page, "Choose a folder")
    assert not page.exception
    assert not page.dataframe
    assert not any(b.key and b.key.startswith("into_") for b in page.button)


def test_sites_and_starts_of_many_clips_are_changed_at_once(store, samples):
    kept = lab.open_store(store).store
    names = ("nothing.mp4", "cat_then_person.mp4")
    ids = [kept.add_media(lab.probe(samples / name))["media_id"] for name in names]
    page = show("library", media=",".join(ids))
    press(page, "Site and start")
    next(c for c in page.checkbox if c.label == "Change the site").check().run()
    next(t for t in page.text_input if t.label == "Site").set_value("גשר").run()
    next(s for s in page.selectbox if s.label == "Starts").set_value("set for all").run()
    start = next(t for t in page.text_input if t.label.startswith("Start, local"))
    start.set_value("tomorrow").run()
    press(page, "Keep")
    assert "must be like" in page.error[0].value
    next(t for t in page.text_input if t.label.startswith("Start, local")).set_value(
        "2026-05-01 18:30:00"
    ).run()
    press(page, "Keep")
    assert not page.exception
    assert {(r["site"], str(r["start_utc"])) for r in kept.media_rows()} == {
        ("גשר", "2026-05-01 18:30:00")
    }


def test_clips_are_found_by_folder_day_and_state_and_shown_as_a_table(store, samples, tmp_path):
    kept = lab.open_store(store).store
    clip = tmp_path / "card" / "nothing.mp4"
    clip.parent.mkdir()
    clip.write_bytes((samples / "nothing.mp4").read_bytes() + b"\0")
    kept.add_media(lab.probe(samples / "nothing.mp4"))
    away = kept.add_media(lab.probe(clip))["media_id"]
    kept.edit_media(away, site="creek", start_utc=datetime(2026, 5, 1, 12))
    for widget, value in [
        ("library_folder", str(clip.parent)),
        ("library_days", (date(2026, 5, 1),)),
        ("library_site", ["creek"]),
        ("library_state", ["new"]),
        ("library_text", "card noth"),
    ]:
        page = show("library")
        assert any(text == "2 clips" for text in texts(page))
        page.session_state[widget] = value
        page.session_state["library_view"] = "table"
        page.session_state["library_sort"] = "start"
        page.run()
        assert not page.exception
        expected = "2 clips" if widget == "library_state" else "1 of 2 clips"
        assert any(text == expected for text in texts(page)), widget
    page = show("library")
    page.query_params["site"] = ""
    page.run()
    assert any(text == "1 of 2 clips" for text in texts(page))
    page.text_input(key="library_text").set_value("nowhere").run()
    assert "No clip fits" in page.info[0].value
    press(page, "Clear filters")
    assert any(text == "2 clips" for text in texts(page))


def test_removing_says_what_goes_with_the_clip(store, analysed, samples):
    (run,) = analysed(store, (samples / "cat_then_person.mp4", {"labels": ["cat"]}))
    run.save_sightings(lab.Debounce(enter_threshold=0.4))
    page = show("library", media=run.media["media_id"])
    press(page, "Remove")
    assert any("1 run, 1 sighting" in text for text in texts(page))
    press(page, "Remove 1 clip")
    assert not page.exception
    assert lab.open_store(store).store.count_media() == 0
    assert page.info


def test_moved_clips_are_looked_for_together(store, samples, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path / "media"))
    card = tmp_path / "media" / "card"
    card.mkdir(parents=True)
    kept = lab.open_store(store).store
    ids = []
    for name in ("nothing.mp4", "cat_then_person.mp4"):
        (card / name).write_bytes((samples / name).read_bytes() + b"\0")  # no sample is it
        ids.append(kept.add_media(lab.probe(card / name))["media_id"])
    away = card.rename(card.with_name("disk"))
    (away / "nothing.mp4").unlink()
    page = show("library", media=",".join(ids))
    press(page, "Look for files")
    press(page, "Look")
    assert page.success[0].value == "1 clip found, or still in place."
    assert "nothing.mp4" in page.warning[-1].value
    assert kept.media(ids[1])["path"] == str(away / "cat_then_person.mp4")


def test_long_and_right_to_left_names_are_shown(store, samples, tmp_path):
    kept = lab.open_store(store).store
    for i, name in enumerate(["ש" * 100 + ".mp4", "x" * 250 + ".mp4", "*a* <b>.mp4"]):
        clip = tmp_path / name
        clip.write_bytes((samples / "nothing.mp4").read_bytes() + bytes(i + 1))
        kept.add_media(lab.probe(clip))
    page = show("library")
    assert not page.exception
    assert any("3 clips" in text for text in texts(page))
    assert not show("home").exception


@pytest.mark.parametrize("text", ["2026-13-01", "0001-01-01 00:00:00", "2026-05-01T10:00:00+02:00"])
def test_starts_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match=r"month|0001|2026"):
        start_values(text, 14.0)


def two_cards(folder, samples):
    """Clips of one name, as two cards have them, in a store: their ids by card."""
    ids = {}
    for i, card in enumerate(("card-a", "card-b")):
        (folder / card).mkdir()
        clip = folder / card / "IMG_0001.MP4"
        clip.write_bytes((samples / "cat_then_person.mp4").read_bytes() + bytes(i + 1))
        ids[card] = clip
    return ids


def offered(page):
    """All texts from which a user tells what is meant."""
    boxes = [*page.selectbox, *page.multiselect]
    return [*texts(page), *(option for box in boxes for option in box.options)]


@pytest.mark.long
def test_two_clips_of_one_name_are_told_apart_on_every_page(store, samples, tmp_path):
    for clip in two_cards(tmp_path, samples).values():
        run = lab.analyze(clip, store=store, progress=False, **QUICK)
        run.save_sightings(lab.Debounce(enter_threshold=0.4))
    run.store.set_run_state(run.run_id, "failed", "the disk is full")
    ids = ",".join(row["media_id"] for row in run.store.media_rows())
    page = show("analyse", media=ids)
    names = ["card-a/IMG_0001.MP4", "card-b/IMG_0001.MP4"]
    assert set(names) <= set(offered(page))
    assert any(text.startswith("card-b/IMG\\_0001.MP4 is failed") for text in texts(page))
    thorough = next(s for s in page.segmented_control if s.label == "How thoroughly")
    thorough.set_value("quick look").run()
    press(page, "Start 2 clips")
    jobs = ended_jobs(desks.app_state())
    called = run.store.names_of_media([job.clip_id for job in jobs])
    assert set(names_of(jobs, called).values()) == set(names)
    for name in ("review", "sightings", "measure"):
        page = show(name)
        assert not page.exception
        rows = [row["clip"] for row in listed(page)] if name == "sightings" else []
        assert any("card-a/IMG_0001.MP4" in text for text in offered(page) + rows), name
    page = show("sightings")
    assert {row["clip"] for row in listed(page)} == set(names)
    page.session_state["more_filters"] = True
    page.run()
    clip = next(m for m in page.multiselect if m.label == "Clip")
    assert clip.options == names
    clip.set_value([run.media["media_id"]]).run()
    assert {row["clip"] for row in listed(page)} == {"card-b/IMG_0001.MP4"}
    assert any("card-b/IMG\\_0001.MP4" in text for text in texts(show("home")))


@pytest.mark.long
@pytest.mark.parametrize("change", ["deleted", "moved", "replaced"])
def test_a_clip_whose_file_is_gone_is_said_once_with_the_way_out(
    store, samples, tmp_path, monkeypatch, change
):
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path))
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "cat_then_person.mp4", clip)
    run = lab.analyze(clip, store=store, progress=False, **QUICK)
    run.save_sightings(lab.Debounce(enter_threshold=0.4))
    if change == "deleted":
        clip.unlink()
    elif change == "moved":
        clip.rename(tmp_path / "other.mp4")
    else:
        shutil.copy(samples / "nothing.mp4", clip)
    for name in ("sightings", "measure", "analyse"):
        page = show(name, media=run.media["media_id"])
        assert not page.exception
        (said,) = page.warning
        assert "The video of 1 clip is missing, or another one is at its place" in said.value
        assert "Look for it in Library, or remove it" in links(page)
    press(page, "Start")
    assert "Not started" in page.error[0].value
    assert desks.app_state().analyses.queue is None
    assert len(listed(show("sightings"))) == 1
    page = show("library", media=run.media["media_id"])
    assert len(page.error) == 1
    assert {"Look for it", "Remove"} <= {b.label for b in page.button}
    if change == "moved":
        press(page, "Look for it")
        assert not page.error
        assert not show("analyse", media=run.media["media_id"]).warning


def test_an_upload_that_is_gone_again_is_not_said_to_be_added(store):
    """It was removed by somebody else, after it had arrived and before it was looked at."""

    def page():
        from pathlib import Path

        import streamlit as st

        from lab.app.ui.shared import here
        from lab.app.ui.widgets.add_clips import _add_uploads

        folder = here().store.uploads_folder.resolve()
        st.text(_add_uploads({folder / "some" / Path("gone.mp4"): "gone.mp4"}, folder)["gone.mp4"])

    shown = AppTest.from_function(page).run()
    assert not shown.exception
    assert "send it again" in shown.text[0].value
