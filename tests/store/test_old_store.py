"""A store that an earlier version made opens, and says what it said then.

The fixture was made by version 0.1.0 with schema, recipes and logs as they were before the
folders of `lab/` were put in order: four runs of two sample clips (one behind a gate), saved
sightings, imported annotations, an entry of the lab notebook and a text embedding.
"""

import json
import zipfile
from pathlib import Path

import pytest

import lab
from lab.evaluation.truth import Truth
from lab.store.store import Store

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "store_of_version_0_1.json").read_text())


@pytest.fixture(scope="module")
def old_store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("old")
    with zipfile.ZipFile(FIXTURES / "store_of_version_0_1.zip") as archive:
        archive.extractall(folder)
    return Store(folder / "lab_store")


@pytest.mark.parametrize("run_id", EXPECTED["runs"])
def test_a_run_keeps_its_hashes_its_effort_and_its_sightings(old_store, run_id):
    run, then = lab.open_store(old_store.folder).run(run_id), EXPECTED["runs"][run_id]
    assert (run.recipe_hash, run.protocol_hash) == (then["recipe_hash"], then["protocol_hash"])
    assert run.recipe == then["recipe"]
    assert run.effort().to_dict() == then["effort"]
    now = json.loads(run.sightings().to_json(orient="records"))
    assert now == then["sightings"]


def test_annotations_and_figures_are_those_of_then(old_store):
    run = lab.open_store(old_store.folder).run(next(iter(EXPECTED["runs"])))
    figures = lab.evaluate(run, rule=lab.Rule.from_dict(EXPECTED["rule"])).to_dict()
    for name, value in EXPECTED["evaluation"]["overall"].items():
        assert figures["overall"][name] == value, name


def test_saved_sightings_entries_and_embeddings_are_there(old_store):
    assert {row["rule_name"] for row in old_store.sightings()} == {"kept"}
    assert old_store.current_rules() == {}
    assert old_store.count_sightings(current=True) == old_store.count_sightings()
    assert "First try" in [entry["title"] for entry in old_store.entries()]
    assert old_store.embedding_names("clip:ViT-B/32") == ["otter"]
    assert Truth.from_store(old_store).by_media


def test_what_is_searched_for_is_filled_in(old_store):
    for row in old_store.runs():
        assert (row["detector"], row["labels"]) == (
            row["recipe"]["detector"],
            row["recipe"]["labels"],
        )
        assert row["pass_id"] == row["environment"].get("pass_id")
        assert row["run_id"] in {r["run_id"] for r in old_store.runs(label=row["labels"][0])}
    for row in old_store.all_media():
        assert old_store.find_media(row["name"]) == row
    with old_store.catalog.reading() as db:
        kept = db.execute("SELECT name, first_pts_us, end_us FROM media ORDER BY name").fetchall()
    assert kept == [
        (row["name"], row["first_pts_us"], row["end_us"])
        for row in old_store.media_rows(order="name")
    ]
