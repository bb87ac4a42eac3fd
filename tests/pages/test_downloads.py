"""Tables of the store as files: made when they are asked for, and what the page shows."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.testclient import TestClient

import lab
from lab.app.server import state as desks
from lab.app.server.downloads import sightings_address, wanted_of
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.detectors.open_vocabulary.prompts import check_prompts
from lab.formats.csv import to_csv
from lab.formats.markdown import visible
from lab.store.tables import (
    EFFORT_COLUMNS,
    STORED_SIGHTING_COLUMNS,
    effort_rows,
    sighting_rows,
)
from tests.builders import make_run
from tests.pages.test_pages import listed, show


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The state of an app over two clips with three sightings each, and a client of its routes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("a & b", "other"):
        run = make_run(tmp_path, [0, 0.9, 0.9, 0, 0.8, 0, 0, 0.7, 0] * 3, name=name)
        rule = lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)
        assert run.save_sightings(rule) > 1
    state = AppState(Config(store=run.store.folder))
    with TestClient(Starlette(routes=routes(state))) as client:
        yield state, client
    state.close()


def test_the_sightings_that_the_page_lists_are_a_file(app, tmp_path):
    state, client = app
    wanted = {"name": ["a & b.mp4"], "label": ["x"], "min_confidence": 0.75, "max_confidence": 1.0,
              "during_us": (200_000, 4_000_000)}  # fmt: skip
    open_sided = {"during_us": (400_000, None)}, {"during_us": (None, 9_000_000)}
    for one in ({}, *open_sided, wanted):
        answer = client.get(sightings_address(one))
        read = list(csv.DictReader(io.StringIO(answer.text)))
        rows = sighting_rows(state.store, state.store.sightings(**one))
        assert [row["sighting_id"] for row in read] == [row["sighting_id"] for row in rows]
        assert list(read[0]) == STORED_SIGHTING_COLUMNS
        assert answer.headers["content-disposition"] == 'attachment; filename="sightings.csv"'
    assert {row["media"] for row in read} == {"a & b.mp4"}
    assert 0 < len(read) < state.store.count_sightings()
    assert not list(Path(tmp_path).glob("lab-*"))  # nothing is left of what was sent


def test_the_effort_of_all_runs_is_a_file(app):
    state, client = app
    assert client.get("/api/effort.csv").text == to_csv(effort_rows(state.store), EFFORT_COLUMNS)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("colour=red", "not chosen by 'colour'"),
        ("min_confidence=much", "min_confidence must be a number, got 'much'"),
        ("max_confidence=nan", "must be a number"),
        ("from_s=9&to_s=3", "from_s must not be after to_s"),
        ("from_s=0&to_s=1e400", "to_s must be a number"),
    ],
)
def test_a_wrong_address_is_one_line(app, query, says):
    answer = app[1].get(f"/api/sightings.csv?{query}")
    assert answer.status_code == 400
    assert says in answer.text
    assert "\n" not in answer.text


def test_an_address_says_what_it_was_made_of():
    wanted = {"run_id": ["a", "b"], "site": ["creek & co"], "min_confidence": 0.25,
              "max_confidence": 0.5, "during_us": (0, 1_500_000)}  # fmt: skip
    address = sightings_address(wanted)
    assert wanted_of(QueryParams(address.partition("?")[2])) == wanted


LABELS = ["แมวน้ำ", "👩‍🌾", "cafe\u0301", "שועל", "赤い鳥", "قطة"]


@pytest.mark.long
def test_labels_of_any_script_go_from_the_prompt_to_the_exported_sighting(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    desks.app_state.cache_clear()
    prompts = check_prompts(LABELS)
    seen = {label: [0, 0.9, 0.9, 0, 0] for label in prompts}
    run = make_run(tmp_path, seen)
    run.save_sightings(lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    page = show("library", media=run.media["media_id"])
    chips = next(m for m in page.multiselect if m.label == "What to look for")
    chips.set_value(LABELS).run()
    page = page.switch_page("pages/analyse.py").run()
    assert not page.exception
    assert page.multiselect[0].value == LABELS
    for name in ("review", "sightings", "measure"):
        page = show(name)
        assert not page.exception, name
    assert {row["label"] for row in listed(show("sightings"))} == {visible(x) for x in prompts}
    with TestClient(Starlette(routes=routes(desks.app_state()))) as client:
        rows = list(csv.DictReader(io.StringIO(client.get("/api/sightings.csv").text)))
        assert {row["label"] for row in rows} == set(prompts)
        for label in prompts:
            wanted = sightings_address({"label": [label]})
            (row,) = csv.DictReader(io.StringIO(client.get(wanted).text))
            assert row["label"] == label
    desks.app_state().close()
    desks.app_state.cache_clear()
