"""One clip, run or sighting among many is found without reading the others."""

import dataclasses
import datetime

import pytest
from filelock import FileLock

from lab.errors import SettingError
from lab.rules.rule import Debounce, Rule
from lab.runs.run import Run
from lab.sighting import Sighting
from lab.store.store import EndedRun, NewRun, Store
from lab.store.tables import sighting_rows
from tests.builders import make_media

N = 400
RULE = Rule.coerce(Debounce(enter_threshold=0.5))


def recipe_of(media_id, i):
    labels = ["cat", "dog"] if i % 2 else ["cat"]
    detector = "yolo" if i % 4 else "motion"
    return {"media_id": media_id, "detector": detector, "labels": labels, "score_floor": 0.05,
            "every_s": 0.2}  # fmt: skip


def make_sighting(label="cat", onset_us=0, **values):
    given = {
        "label": label, "onset_us": onset_us, "confirmed_us": onset_us, "offset_us": onset_us + 5,
        "closed_us": onset_us + 9, "onset_earliest_us": onset_us, "offset_latest_us": onset_us + 9,
        "peak_us": onset_us, "peak_confidence": 0.9, "close_reason": "exit",
        "censored_left": False, "censored_right": False, "alert_us": None,
    }  # fmt: skip
    return Sighting(**{**given, **values})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """N clips, each with one run; all are done but three, of which one is being written."""
    store = Store(tmp_path_factory.mktemp("many"))
    media = [make_media(f"clip {i:03d}", 60 + i) for i in range(N)]
    runs = [NewRun(f"run-{i:03d}", recipe_of(m.media_id, i), 0.4) for i, m in enumerate(media)]
    store.create_runs(runs, media=media)
    effort = {"analysed_s": 2.0, "samples": 10}
    store.finish_runs([EndedRun(r.run_id, "done", None, effort, 1.0) for r in runs[3:]])
    for i in range(0, 40, 2):
        store.edit_media(
            media[i].media_id, site="creek", start_utc=datetime.datetime(2026, 5, 1 + i // 2)
        )
    found = [make_sighting("cat", t * 1000, peak_confidence=t / 100) for t in range(50)]
    store.save_sightings("run-004", RULE, found, "kept")
    store.save_sightings("run-006", RULE, [make_sighting("dog", 7)])
    return store


@pytest.fixture(autouse=True)
def _fresh(counts):
    counts.clear()


def test_one_run_and_one_clip_are_one_row_each(store, counts):
    row = store.run("run-123")
    assert (row["run_id"], row["recipe"]["detector"], row["effort"]["samples"]) == (
        "run-123", "yolo", 10,
    )  # fmt: skip
    assert store.media(row["media_id"])["name"] == "clip 123.mp4"
    assert counts.transactions == 2
    assert counts.rows <= 2 + 2 * 3  # and those that are in state `running`


def test_runs_come_with_their_clips_in_one_transaction(store, counts):
    assert Run(store, "run-007").media["name"] == "clip 007.mp4"
    assert counts.transactions == 1
    runs = Run.many(store, ["run-009", "run-008", "run-009"])
    assert [run.media["name"] for run in runs] == ["clip 009.mp4", "clip 008.mp4", "clip 009.mp4"]
    assert counts.transactions == 2


def test_a_beginning_must_be_that_of_one_run(store, counts):
    assert store.runs_named(["run-12", "run-007"][1:])[0]["run_id"] == "run-007"
    with pytest.raises(SettingError, match="several runs begin with 'run-12'"):
        store.run("run-12")
    with pytest.raises(SettingError, match=r"no run 'ran-123' in .*did you mean.*'run-123'"):
        store.run("ran-123")
    with pytest.raises(SettingError, match="no run ''"):
        store.run("")
    assert counts.rows < 80


def test_a_clip_is_found_by_name_and_an_unknown_one_gets_a_hint(store, counts):
    assert store.find_media("clip 017.mp4")["duration_s"] == 77
    with pytest.raises(SettingError, match=r"no clip is called 'klip 017.mp4' here; did you mean"):
        store.find_media("klip 017.mp4")
    assert counts.rows < 30


def test_pages_of_runs_are_in_the_order_that_was_asked_for(store, counts):
    newest = [r["run_id"] for r in store.runs(limit=5)]
    assert newest == [f"run-{i}" for i in range(N - 1, N - 6, -1)]
    assert [r["run_id"] for r in store.runs(limit=2, offset=3)] == newest[3:]
    assert [r["run_id"] for r in store.runs(order="clip", limit=2)] == ["run-000", "run-001"]
    assert counts.rows == 9 + 3 * 3
    with pytest.raises(SettingError, match="no order 'colour'"):
        store.runs(order="colour")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, N),
        ({"label": "dog"}, N // 2),
        ({"detector": "motion"}, N // 4),
        ({"detector": "motion", "label": "dog"}, 0),
        ({"text": "CLIP creek"}, 20),
        ({"text": "clip 007"}, 1),
        ({"state": "done"}, N - 3),
        ({"run_id": ["run-001", "run-002", "gone"]}, 2),
        ({"run_id": []}, 0),
        ({"newest_of_clip": True, "label": "dog"}, N // 2),
    ],
)
def test_conditions_choose_and_count_the_same_runs(store, wanted, expected):
    assert store.count_runs(**wanted) == expected
    assert len(store.runs(**wanted)) == expected


def test_only_running_rows_are_looked_at_for_their_lock(store, monkeypatch):
    looked = []
    from lab.store import run_queries

    real = run_queries.is_locked
    monkeypatch.setattr(run_queries, "is_locked", lambda f: looked.append(f.name) or real(f))
    folder = store.log_folder("run-001")
    folder.mkdir(parents=True)
    with FileLock(folder / "lock"):
        states = {r["run_id"]: r["state"] for r in store.runs()}
        assert (states["run-000"], states["run-001"], states["run-003"]) == (
            "interrupted", "running", "done",
        )  # fmt: skip
        assert set(looked) == {"run-000", "run-001", "run-002"}
        assert store.count_runs(state="interrupted") == 2
        assert [r["run_id"] for r in store.runs(state="running")] == ["run-001"]


def test_runs_that_differ_in_their_clip_only_are_one_protocol(store, counts):
    rows = store.protocols()
    assert sorted((r["detector"], r["runs"], r["clips"], r["done"]) for r in rows) == [
        ("motion", N // 4, N // 4, N // 4 - 1),
        ("yolo", N // 4, N // 4, N // 4 - 1),
        ("yolo", N // 2, N // 2, N // 2 - 1),
    ]
    assert sum(r["analysed_s"] for r in rows) == 2 * (N - 3)
    assert {r["protocol_hash"] for r in rows} == {r["protocol_hash"] for r in store.runs()}
    assert [r["runs"] for r in store.protocols(text="clip 007")] == [1]


def test_the_newest_finished_run_of_each_recipe_is_one_query(store, counts):
    row = store.run("run-030")
    counts.clear()
    assert store.finished_runs([row["recipe_hash"], "none"]) == {row["recipe_hash"]: "run-030"}
    assert (counts.transactions, counts.rows) == (1, 1)


def test_clips_are_chosen_sorted_and_counted(store, counts):
    assert store.count_media() == N
    assert store.count_media(site="creek") == 20
    assert store.sites() == ["creek"]
    assert [m["name"] for m in store.media_rows(order="duration", limit=2)] == [
        f"clip {N - 1}.mp4", f"clip {N - 2}.mp4",
    ]  # fmt: skip
    found = store.media_rows(text="CLIP 01 creek", order="name")
    names = store.names_of_media([m["media_id"] for m in found])
    assert set(names.values()) == {f"clip 01{i}.mp4" for i in range(0, 10, 2)}
    assert store.count_media(has_runs=False) == 0
    assert counts.rows < 30


def test_sightings_are_chosen_sorted_paged_and_counted(store, counts):
    assert store.count_sightings() == 51
    assert store.count_sightings(label="dog", site="creek", run_id="run-006") == 1
    assert store.count_sightings(min_confidence=0.25, max_confidence=0.26) == 2
    assert store.count_sightings(from_us=8, to_us=3000) == 3
    assert store.count_sightings(from_utc=datetime.datetime(2026, 5, 4)) == 1
    assert store.count_sightings(text="kept CLIP") == 50
    assert store.sighting_counts("label") == {"cat": 50, "dog": 1}
    assert store.sighting_counts("site", label="cat") == {"creek": 50}
    page = store.sightings(order="confidence", limit=3, offset=1, label="cat")
    assert [row["peak_confidence"] for row in page] == [0.48, 0.47, 0.46]
    assert page[0]["path"] == "/nowhere/clip 004.mp4"
    assert counts.rows <= 6


def test_sightings_of_a_rule_are_saved_as_one_table_and_replaced(store, counts):
    rule = Rule.coerce(Debounce(enter_threshold=0.6))
    assert store.save_sightings("run-010", rule, [make_sighting(onset_us=t) for t in range(99)])
    assert counts.queries <= 8
    (again,) = [dataclasses.replace(make_sighting("dog"), alert_us=3)]
    assert store.save_sightings("run-010", rule, [again]) == 1
    (row,) = store.sightings(run_id="run-010")
    assert {name: row[name] for name in dataclasses.asdict(again)} == dataclasses.asdict(again)
    assert store.save_sightings("run-010", rule, []) == 0
    assert store.count_sightings(run_id="run-010") == 0


def test_batches_of_sightings_hold_what_rows_of_them_hold(store, counts):
    counts.clear()
    batches = list(store.sighting_batches(site="creek"))
    assert (counts.transactions, counts.rows) == (1, 0)
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert rows[0]["onset_utc"] == "2026-05-03T00:00:00Z"
    assert [{**row, "saved_utc": None} for row in rows] == [
        {**row, "saved_utc": None} for row in sighting_rows(store, store.sightings(site="creek"))
    ]
    assert rows[0]["saved_utc"] == store.sightings()[0]["saved_utc"]


def test_a_store_that_is_not_there_is_empty_and_is_not_created(tmp_path):
    nowhere = Store(tmp_path / "none")
    assert nowhere.runs() == nowhere.media_rows() == nowhere.sightings() == []
    assert nowhere.count_runs() == nowhere.count_media() == nowhere.count_sightings() == 0
    assert nowhere.protocols() == list(nowhere.sighting_batches()) == []
    assert nowhere.finished_runs(["x"]) == {}
    with pytest.raises(SettingError, match="no run 'x'"):
        nowhere.run("x")
    assert not nowhere.folder.exists()
