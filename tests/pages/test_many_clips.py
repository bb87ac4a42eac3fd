"""Pages over many clips: they read and draw one page of rows, however many there are."""

import pytest
import streamlit as st

from benchmarks.study import make_study
from lab.app.server import state as desks
from lab.app.ui.pages.measure import PHRASINGS, SIDES
from lab.store.store import Store
from tests.pages.test_pages import listed, show

PAGES = ["home", "library", "analyse", "review", "sightings", "notebook"]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    return {n: make_study(folder / str(n), n) for n in (100, 1000)}


@pytest.fixture
def use(studies, monkeypatch):
    """use(n) makes the store of n clips that of the app."""

    def chosen(n):
        monkeypatch.setenv("LAB_STORE", str(studies[n]))
        desks.app_state.cache_clear()
        st.cache_data.clear()
        return Store(studies[n])

    yield chosen
    desks.app_state().close()
    desks.app_state.cache_clear()


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_as_many_rows_of_1000_clips_as_of_100(use, counts, name):
    read = []
    for n in (100, 1000):
        use(n).entries(limit=1)
        counts.clear()
        page = show(name, media=",".join(f"{i:016x}" for i in range(1, 61)))
        assert not page.exception
        assert all("video file is missing" in e.value for e in page.error)  # of made-up clips
        read.append((counts.rows, counts.queries))
    assert read[0] == read[1]


@pytest.mark.long
@pytest.mark.parametrize("part", [SIDES, PHRASINGS])
def test_a_comparison_reads_as_many_rows_of_1000_clips_as_of_100(use, counts, part):
    read = []
    for n in (100, 1000):
        use(n)
        page = show("home")
        page.query_params["step"] = "proof"
        page.session_state["keep_proof_part"] = part
        counts.clear()
        page = page.switch_page("pages/measure.py").run()
        assert not page.exception
        assert not page.error
        read.append((counts.rows, counts.queries))
    assert read[0] == read[1]


def buttons(page, label):
    return [b for b in page.button if b.label == label]


def names(page):
    return [row["clip"] for row in listed(page)]


def test_sightings_are_turned_page_by_page_and_start_again_where_filters_change(use):
    store = use(1000)
    page = show("sightings")
    assert "20,000 of 20,000 sightings" in page.markdown[0].value
    whole = [row["path"].rpartition("/")[2] for row in store.sightings(limit=100)]
    assert names(page) == whole[:50]
    buttons(page, "Next")[0].click().run()
    assert names(page) == whole[50:]
    assert names(page.run()) == whole[50:]
    assert any("51–100 of 20,000" in m.value for m in page.markdown)
    label = next(m for m in page.multiselect if m.label == "Label")
    label.set_value(["bird"]).run()
    assert any(m.value.startswith("1–50 of ") for m in page.markdown)
    assert {row["label"] for row in listed(page)} == {"bird"}
    assert not buttons(page, "Next")[0].disabled
    assert buttons(page, "Previous")[0].disabled


def test_a_clip_is_found_by_a_part_of_its_name_and_stays_chosen(use):
    use(1000)
    page = show("sightings")
    page.session_state["more_filters"] = True
    page.run()
    clip = next(m for m in page.multiselect if m.label == "Clip")
    assert len(clip.options) == 50
    page.text_input(key="filter_media_id_find").set_value("IMG_0077").run()
    clip = next(m for m in page.multiselect if m.label == "Clip")
    assert clip.options == [f"IMG_0077{i}.MP4" for i in range(10)]
    clip.set_value([f"{778:016x}"]).run()
    assert set(names(page)) == {"IMG_00777.MP4"}
    page.text_input(key="filter_media_id_find").set_value("IMG_00001").run()
    clip = next(m for m in page.multiselect if m.label == "Clip")
    assert clip.options == ["IMG_00777.MP4", "IMG_00001.MP4"]
    assert clip.value == [f"{778:016x}"]
    assert set(names(page)) == {"IMG_00777.MP4"}


def test_many_chosen_clips_are_handed_over_and_marked_on_each_page_of_the_library(use):
    use(1000)
    ids = [f"{i:016x}" for i in range(1, 501)]
    page = show("library", media=",".join(ids))
    assert any("**500 selected** · 1,000 clips" in m.value for m in page.markdown)
    page.session_state["library_picked"] = True
    page.run()
    assert any("500 of 1,000 clips" in m.value for m in page.markdown)
    assert any("1–48 of 500" in m.value for m in page.markdown)
    buttons(page, "Next")[0].click().run()
    assert any("49–96 of 500" in m.value for m in page.markdown)
    page = page.switch_page("pages/analyse.py").run()
    assert not page.exception
    assert any("500 clips" in m.value and "497 more" in m.value for m in page.markdown)


def test_all_that_fit_are_selected_at_once(use):
    use(1000)
    page = show("library", site="site-07")
    assert any("25 of 1,000 clips" in m.value for m in page.markdown)
    buttons(page, "Select all 25")[0].click().run()
    assert any("**25 selected**" in m.value for m in page.markdown)
    buttons(page, "Clear")[0].click().run()
    assert not any("selected**" in m.value for m in page.markdown)


def test_few_clips_have_neither_pager_nor_search(use):
    use(100)
    page = show("library")
    page.text_input(key="library_text").set_value("IMG_0000").run()
    assert any("10 of 100 clips" in m.value for m in page.markdown)
    assert not buttons(page, "Next")
    page = show("sightings")
    next(m for m in page.multiselect if m.label == "Label").set_value(["bird"]).run()
    page.session_state["more_filters"] = True
    page.run()
    clip = next(m for m in page.multiselect if m.label == "Clip")
    clip.set_value(clip.options[:1]).run()
    assert not buttons(page, "Next")


def test_review_offers_the_newest_runs_and_finds_others(use):
    use(1000)
    page = show("library")
    page.query_params["run"] = "20260101-000003-made00"
    page = page.switch_page("pages/review.py").run()
    assert page.selectbox(key="review_pick").value == "20260101-000003-made00"
    assert len(page.selectbox(key="review_pick").options) == 51
    page.text_input(key="review_find").set_value("IMG_0042").run()
    assert page.selectbox(key="review_pick").value == "20260101-000003-made00"
    page.selectbox(key="review_pick").set_value("20260101-000421-made00").run()
    assert page.query_params["run"] == "20260101-000421-made00"
    assert not page.warning
    page = show("review")
    assert page.selectbox(key="review_pick").value == "20260101-000421-made00"  # the last one


def test_a_missing_log_is_named_and_its_run_not_listed(use, studies):
    use(1000)
    log = studies[1000] / "logs" / "20260101-000999-made00"
    log.rename(log.with_name("away"))
    try:
        page = show("review")
        assert page.selectbox(key="review_pick").value != "20260101-000999-made00"
        assert "score logs of 1 run are missing" in page.warning[0].value
    finally:
        log.with_name("away").rename(log)


def test_the_notebook_is_turned_and_searched(use):
    use(1000)
    page = show("notebook")
    assert len(buttons(page, "Open entry")) == 20
    assert any("1,000 of 1,000 entries" in c.value for c in page.caption)
    next(t for t in page.text_input if t.label == "Search").set_value("IMG_0042").run()
    assert any("10 of 1,000 entries" in c.value for c in page.caption)
    buttons(page, "Open entry")[0].click().run()
    assert not page.exception
    follows = next(m for m in page.multiselect if m.label == "Follows from")
    assert len(follows.options) <= 50
