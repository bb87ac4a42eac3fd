"""The view Sites of the library: from a table of deployments to events and a package."""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

import lab
from lab.app.server import state as desks
from lab.app.ui.widgets import deployment_import, taxa_table
from lab.app.ui.widgets.taxa_table import taxa_of_rows
from lab.deployment import Deployment
from lab.errors import LabError
from lab.store.clocks import ClipStart
from tests.builders import make_media
from tests.pages.test_pages import show

CREEK = Deployment(
    deployment_id="c1", location_name="creek", latitude=52.5, longitude=13.4, camera_id="cam1",
    start_utc=datetime(2026, 10, 1, 10), end_utc=datetime(2026, 11, 1, 10), zone="Europe/Berlin",
)  # fmt: skip


def texts(page):
    return [one.value for one in (*page.markdown, *page.caption, *page.success, *page.warning)]


def says(page, text):
    return any(text in one for one in texts(page))


def until_says(page, text):
    """A page that waits for something which is made beside it."""
    for _ in range(100):
        if says(page, text):
            return page
        time.sleep(0.2)
        page = page.run()
    raise AssertionError(f"{text!r} is not there: {texts(page)}")


def button(page, label):
    return next(b for b in page.button if b.label == label)


def field(page, kind, label):
    return next(one for one in getattr(page, kind) if one.label == label)


def sites(part=None):
    page = show("library", view="sites")
    if part is not None:
        page.session_state.sites_part = part
        page.run()
    assert not page.exception
    return page


@pytest.fixture
def study(store):
    """Two clips at the creek, one at the ridge, in no deployment yet."""
    made = lab.open_store(store).store
    for name in ("creek/20261025_023000", "creek/20261010_120000", "ridge/20261010_120000"):
        made.add_media(replace(make_media(name), path=f"/study/{name}.mp4"))
    return made


def upload(monkeypatch, module, name, content):
    """Streamlit's test page cannot upload: the field gives this file."""
    file = SimpleNamespace(name=name, getvalue=lambda: content)
    real = module.st

    class Fields:
        def __getattr__(self, wanted):
            return getattr(real, wanted)

        def file_uploader(self, *_, **__):
            return file

        def columns(self, *given, **named):
            found = real.columns(*given, **named)
            return [Column(one) for one in found]

    class Column:
        def __init__(self, column):
            self._column = column

        def __enter__(self):
            return self._column.__enter__()

        def __exit__(self, *given):
            return self._column.__exit__(*given)

        def __getattr__(self, wanted):
            return (lambda *_, **__: file) if wanted == "file_uploader" else getattr(
                self._column, wanted
            )  # fmt: skip

    monkeypatch.setattr(module, "st", Fields())


def test_the_address_chooses_the_view(store, study):
    page = show("library")
    assert any(box.label == "Find" for box in page.text_input)
    page = sites()
    assert not any(box.label == "Find" for box in page.text_input)
    assert any("No deployments yet" in one.value for one in page.info)
    assert page.query_params["view"] == "sites"


def test_a_deployment_is_added_changed_and_deleted(store, study):
    page = sites()
    for label, text in (
        ("Deployment", "c1"), ("Site", "creek"), ("Camera", "cam1"), ("Latitude", "52.5"),
        ("Longitude", "13.4"), ("Start, local time", "2026-10-01 12:00"),
        ("End, local time", "2026-11-01"),
    ):  # fmt: skip
        field(page, "text_input", label).set_value(text)
    page = button(page, "Keep").click().run()
    assert any("the clock needs its zone" in one.value for one in page.error)
    field(page, "selectbox", "Zone of its clock").select("Europe/Berlin")
    field(page, "text_area", "Failures").set_value("2026-10-03/2026-10-04 battery")
    page = button(page, "Keep").click().run()
    assert says(page, "c1 is kept")
    made = study.deployment("c1")
    assert (made.start_utc, made.end_utc) == (
        datetime(2026, 10, 1, 10), datetime(2026, 11, 1, 23),
    )  # fmt: skip
    assert made.failures[0].reason == "battery"
    page.session_state.deployment_opened = "c1"
    page = page.run()
    field(page, "text_input", "Longitude").set_value("190")
    page = button(page, "Keep").click().run()
    assert any("longitude must be decimal degrees" in one.value for one in page.error)
    field(page, "text_input", "Longitude").set_value("13,5")
    page = button(page, "Keep").click().run()
    assert study.deployment("c1") == replace(made, longitude=13.5)
    page.session_state.deployment_opened = "c1"
    page = page.run()
    page = button(page, "Delete the deployment").click().run()
    assert study.deployments() == []


def test_a_table_is_shown_before_it_is_kept_with_what_would_join(store, study, monkeypatch):
    table = (
        "deployment,site,latitude,longitude,camera,start,end\n"
        "c1,creek,52.5,13.4,cam1,2026-10-01,2026-11-01\nr1,moor,,,cam2,2026-10-01,2026-11-01\n"
    )
    upload(monkeypatch, deployment_import, "d.csv", table.encode())
    page = sites()
    assert any("has no offset from UTC and the row no zone" in one.value for one in page.error)
    field(page, "selectbox", "Zone of rows that name none").select("Europe/Berlin")
    field_of = "Clips that join them, by their paths"
    page = page.run()
    assert says(page, "2 deployments read:** 2 new, 0 changed")
    assert says(page, "has no coordinates")
    page = field(page, "selectbox", field_of).select("{site}/**/*").run()
    assert says(page, "**2 clips would join**, 1 cannot")
    assert study.deployments() == []
    page = button(page, "Keep these deployments").click().run()
    assert says(page, "2 deployments kept. 2 clips joined.")
    assert study.count_clips(deployment_id="c1") == 2
    assert len(page.get("plotly_chart")) == 1


def test_clips_join_and_get_their_starts_and_those_in_doubt_are_flagged(store, study):
    study.put_deployments([CREEK])
    page = sites("Joining")
    page = field(page, "selectbox", "Pattern").select("{site}/**/*").run()
    assert says(page, "**2 clips would join**, 1 cannot")
    page = button(page, "Put 2 clips into their deployments").click().run()
    assert study.count_clips(deployment_id="c1") == 2
    page.session_state.sites_part = "Starts"
    page = page.run()
    page = field(page, "selectbox", "Pattern").select("*{time:%Y%m%d_%H%M%S}*").run()
    assert says(page, "**3 starts found**, 1 at a change of the clock")
    page = button(page, "Keep 3 starts").click().run()
    assert says(page, "1 clip began at a change of the clock")
    frame = page.dataframe[0].value.set_index("Clip")
    row = frame.loc["20261025_023000.mp4"]
    assert row["In doubt"] == "there twice: the clock is set back"
    assert (row["Start by the camera"], row["From"]) == ("2026-10-25 02:30:00", "name")
    page.session_state.sites_part = "Deployments"
    frame = page.run().dataframe[0].value
    assert frame["To look at"].tolist() == ["1 clip at a change of the clock"]


def test_anchors_are_shown_on_the_first_and_last_clip_before_they_are_kept(store, study):
    study.put_deployments([CREEK])
    lab.join_deployments(study, "{site}/*")
    lab.read_starts(study, "name", "{time:%Y%m%d_%H%M%S}")
    page = sites("Clocks")
    field(page, "text_input", "The camera's clock said").set_value("2026-10-01 13:00")
    page = field(page, "text_input", "True time").set_value("2026-10-01 12:00").run()
    effect = page.dataframe[0].value.set_index("")
    assert effect["Correction, s"].tolist() == [-3600, -3600]
    assert effect.loc["First clip", "Start"] == "2026-10-10 11:00:00+02:00"
    assert study.anchors() == {}
    page = button(page, "Keep the anchor").click().run()
    assert says(page, "2 clips of c1 corrected")
    field(page, "text_input", "The camera's clock said").set_value("2026-10-20 13:00")
    page = field(page, "text_input", "True time").set_value("2026-09-20 13:00").run()
    assert any("correct one of the anchors" in one.value for one in page.error)
    page = button(page, "Remove").click().run()
    assert study.anchors() == {}


def test_taxa_come_from_the_table_and_from_a_csv(store, study, monkeypatch):
    row = {"Label": "fox", "Type": "animal", "Scientific name": "Vulpes vulpes"}
    (fox,) = taxa_of_rows([row, {"Label": "seen", "Type": None}])
    assert (fox.label, fox.english_name) == ("fox", None)
    for bad, text in (
        ({**row, "Label": ""}, "a row has no label"),
        ({**row, "Type": ""}, "'fox' has no type"),
        ({**row, "Scientific name": ""}, "an animal without a scientific name"),
    ):
        with pytest.raises(LabError, match=text):
            taxa_of_rows([bad])
    with pytest.raises(LabError, match="'fox' is in two rows"):
        taxa_of_rows([row, row])
    study.put_taxa([fox])
    upload(monkeypatch, taxa_table, "t.csv", b"label,type\ncar,vehicle\nbus,tram\n")
    page = sites("Taxa")
    assert any("unknown observation type 'tram'" in one.value for one in page.error)
    upload(monkeypatch, taxa_table, "t.csv", b"label,type\ncar,vehicle\n")
    page = button(sites("Taxa"), "Keep these taxa").click().run()
    assert list(study.taxa()) == ["car", "fox"]


def test_events_and_the_package_are_made_of_what_is_there(store, analysed, samples):
    (run,) = analysed(store, (samples / "cat_then_person.mp4", {"labels": ["cat"]}))
    study = run.store
    media_id = run.media["media_id"]
    lab.apply(study, lab.Debounce(enter_threshold=0.4))
    study.put_deployments([replace(CREEK, end_utc=CREEK.start_utc + timedelta(days=60))])
    study.set_starts(
        {media_id: ClipStart(source="name", camera_local=datetime(2026, 10, 25, 2, 30))}
    )
    study.join_clips({media_id: "c1"})
    page = button(sites("Events"), "Find events").click().run()
    page = until_says(page, "**1 event** of 1 sighting")
    assert not page.exception
    (row,) = page.dataframe[0].value.to_dict("records")
    assert (row["Site"], row["Label"], row["MaxN"], row["In doubt"]) == ("creek", "cat", 1, 1)
    page.session_state.sites_part = "Camtrap DP"
    page = page.run()
    page = button(page, "Make the package").click().run()
    assert any("Write the title of the project" in one.value for one in page.error)
    field(page, "text_input", "Title of the project").set_value("Creek")
    field(page, "text_area", "Contributors, one a line").set_value("Ann Lee\nBo, of the creek")
    page = button(page, "Make the package").click().run()
    assert any("Choose a sampling design" in one.value for one in page.error)
    field(page, "selectbox", "Sampling design").select("targeted")
    page = button(page, "Make the package").click().run()
    page = until_says(page, "**2** observations")
    assert len(page.get("download_button")) == 1
    page = sites("Camtrap DP")  # another session finds what was said
    assert field(page, "text_input", "Title of the project").value == "Creek"
    assert field(page, "text_area", "Contributors, one a line").value == "Ann Lee\nBo, of the creek"
    assert field(page, "selectbox", "Sampling design").value == "targeted"


@pytest.mark.long
def test_nothing_of_the_view_fails_in_an_empty_store(store):
    page = sites()
    for part in ("Joining", "Starts", "Clocks", "Taxa", "Events", "Camtrap DP"):
        page.session_state.sites_part = part
        page.run()
        assert not page.exception, part
    assert desks.app_state().store.deployments() == []
