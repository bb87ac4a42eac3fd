"""Lists page by page: all of it once, in order, whatever is added or removed meanwhile."""

import csv
import io

import pyarrow as pa
import pytest

from benchmarks.study import make_study
from lab.app.server.api.answers import ARROW
from lab.store.pages import SIGHTING_KEYS
from lab.store.store import Store
from tests.api.conftest import Api, edited, problem_of
from tests.builders import make_run, scores_of

SIZES = [100, pytest.param(10_000, marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=SIZES)
def study(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    make_study(folder / "store", request.param)
    made = Api(folder)
    made.size = request.param
    yield made
    made.state.close()


def pages(client, path, between=lambda page: None, **query):
    """The items of each page; between: called after each."""
    cursor = None
    while True:
        answer = client.get(path, params=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        yield found["items"]
        between(found)
        if (cursor := found["next_cursor"]) is None:
            return


def ids(client, path, name, **query):
    return [one[name] for page in pages(client, path, **query) for one in page]


def test_all_clips_runs_and_sightings_come_once(study):
    client, store = study.client, Store(study.store_folder)
    limit = max(7, study.size // 13)
    clips = ids(client, "/api/media", "media_id", limit=limit, order="name")
    assert sorted(clips) == sorted(store.clip_ids())
    assert len(clips) == study.size
    runs = ids(client, "/api/runs", "run_id", limit=limit, media_id=clips[:50])
    assert sorted(runs) == sorted(row["run_id"] for row in store.runs(media_id=clips[:50]))
    label = {"label": "bird", "min_confidence": 0.5, "media_id": clips[:100]}
    found = ids(client, "/api/sightings", "sighting_id", limit=97, **label)
    assert len(found) == len(set(found)) == store.count_sightings(current=True, **label)


@pytest.mark.parametrize("order", SIGHTING_KEYS)
def test_sightings_come_in_the_order_that_is_asked_for(study, order):
    wanted = {"media_id": [f"{i:016x}" for i in range(1, 12)]}
    found = ids(study.client, "/api/sightings", "sighting_id", limit=31, order=order, **wanted)
    store = Store(study.store_folder)
    assert sorted(found) == sorted(row["sighting_id"] for row in store.sightings(**wanted))
    if order in ("time", "confidence", "least_confidence"):  # the others differ where these tie
        assert found == [row["sighting_id"] for row in store.sightings(order=order, **wanted)]


def test_what_is_added_or_removed_between_pages_moves_nothing(study):
    store = Store(study.store_folder)
    before = [row["sighting_id"] for row in store.sightings(label="animal", limit=400)]
    gone, made = before[-1], []

    def change(page):
        made.append(
            make_run(study.folder, scores_of(30, [(2, 9)]), 1.0, f"a{len(made)}", label="animal")
        )
        made[-1].save_sightings()  # some before, and some behind the place of the cursor
        store.delete_sightings(sighting_id=page["items"][0]["sighting_id"])
        store.delete_sightings(sighting_id=gone)

    seen = []
    for page in pages(study.client, "/api/sightings", change, limit=100, label="animal"):
        seen += [one["sighting_id"] for one in page]
        if len(seen) >= 300:
            break
    known = set(before)
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in known] == before[: len([s for s in seen if s in known])]
    for run in made:
        store.delete_sightings(run_id=run.run_id)


def test_csv_and_arrow_have_the_same_rows_as_the_pages(study):
    wanted = {"media_id": [f"{i:016x}" for i in range(1, 30)], "label": "bird"}
    rows = [one for page in pages(study.client, "/api/sightings", **wanted) for one in page]
    text = study.client.get("/api/sightings", params=wanted, headers={"Accept": "text/csv"}).text
    by_csv = list(csv.DictReader(io.StringIO(text)))
    answer = study.client.get("/api/sightings", params=wanted, headers={"Accept": ARROW})
    by_arrow = pa.ipc.open_stream(answer.content).read_all()
    assert [row["sighting_id"] for row in by_csv] == [row["sighting_id"] for row in rows]
    assert by_arrow["sighting_id"].to_pylist() == [row["sighting_id"] for row in rows]
    assert by_arrow["peak_s"].to_pylist() == [row["peak_s"] for row in rows]
    assert set(by_arrow.column_names) == set(rows[0])


@pytest.mark.parametrize("form", ["text/csv", ARROW])
def test_what_gives_all_rows_takes_nothing_of_a_page(study, long_run, form):
    places = ["/api/sightings"] + [f"/api/runs/{long_run.run_id}/samples"] * (form == ARROW)
    for place in places:
        for name in ("limit=3", "cursor=x"):
            answer = study.client.get(f"{place}?{name}", headers={"Accept": form})
            assert name.split("=")[0] in problem_of(answer, 422)
    answer = study.client.get("/api/sightings?order=newest", headers={"Accept": form})
    assert "newest" in problem_of(answer, 422)


def test_arrow_gives_all_sightings_of_the_store(study):
    answer = study.client.get("/api/sightings?rules=all", headers={"Accept": ARROW})
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found.num_rows == Store(study.store_folder).count_sightings()


def test_a_cursor_is_of_one_list_with_its_conditions(study):
    client = study.client
    cursor = client.get("/api/sightings?limit=2&label=bird").json()["next_cursor"]
    assert client.get(f"/api/sightings?limit=3&label=bird&cursor={cursor}").status_code == 200
    for path in (
        f"/api/sightings?limit=2&label=animal&cursor={cursor}",
        f"/api/sightings?limit=2&label=bird&order=newest&cursor={cursor}",
        f"/api/runs?cursor={cursor}",
        "/api/sightings?cursor=abc",
        "/api/sightings?cursor=" + "A" * 9000,
        "/api/media?cursor=W10",
    ):
        assert "cursor" in problem_of(client.get(path), 422)
    problem_of(client.get("/api/sightings?limit=0"), 422)
    problem_of(client.get("/api/sightings?limit=100000"), 422)
    problem_of(client.get("/api/sightings", headers={"Accept": "image/png"}), 406)
    anything = client.get("/api/sightings", headers={"Accept": ""})
    assert anything.headers["content-type"] == "application/json"


@pytest.fixture(scope="module")
def long_run(study):
    return make_run(study.folder, scores_of(30, [(2, 9)]), 1.0, "cursors", label="animal")


@pytest.mark.parametrize(
    "place",
    ["sightings?order=confidence&", "sightings?order=newest&", "sightings?order=onset&", "runs?",
     "media?", "runs/{}/samples?"],
)  # fmt: skip
def test_a_cursor_that_was_edited_is_refused(study, long_run, place):
    path = f"/api/{place.format(long_run.run_id)}limit=1"
    cursor = study.client.get(path).json()["next_cursor"]
    for first in (None, "null", "true", '"\\ud800"', "1e400", str(10**30), "[1]"):
        answer = study.client.get(f"{path}&cursor={edited(cursor, first)}")
        assert "cursor" in problem_of(answer, 422), first


def test_labels_come_page_by_page(study):
    store = Store(study.store_folder)
    found = ids(study.client, "/api/labels", "label", limit=1)
    assert found == list(store.sighting_counts("label", current=True))
