"""The clips of a store as a library: states, names that differ, totals, bulk edits, removal."""

import shutil
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from filelock import FileLock

import lab
from lab.annotation import Annotation, Coverage
from lab.errors import SettingError
from lab.rules.rule import Rule
from lab.runs.relink import relink, relink_all
from lab.runs.remove import remove_clips, remove_runs
from lab.store.clip_names import distinguishing_end
from lab.store.store import EndedRun, NewRun, Store
from lab.video.probe import probe
from tests.builders import make_media
from tests.store.test_queries import RULE, make_sighting, recipe_of

NAMES = [
    "card-a/DCIM/IMG_0001.MP4",
    "card-b/DCIM/IMG_0001.MP4",
    "card-b/DCIM/IMG_0002.MP4",
    "גשר.mp4",
]


@pytest.fixture
def store(tmp_path):
    """Four clips of a minute: reviewed, analysed, new, and one that failed."""
    store = Store(tmp_path / "store")
    media = [
        replace(make_media(f"clip {i}"), path=f"/cards/{name}", media_id=f"{i}" * 16)
        for i, name in enumerate(NAMES)
    ]
    runs = [NewRun(f"run-{i}", recipe_of(media[i].media_id, i), 0.4) for i in (0, 1, 3)]
    store.create_runs(runs, media=media)
    effort = {"analysed_s": 60.0, "samples": 10}
    states = {"run-0": "done", "run-1": "done", "run-3": "failed"}
    store.finish_runs([EndedRun(r, s, None, effort, 1.0) for r, s in states.items()])
    store.add_media(media[2])
    store.save_sightings("run-0", RULE, [make_sighting(), make_sighting("dog", 9)])
    first = media[0].media_id
    store.add_records(
        [
            Coverage(media_id=first, label=label, start_us=start, end_us=end, annotator="me")
            for label, start, end in [("cat", 0, 20_000_000), ("dog", 10_000_000, 30_000_000)]
        ]
    )
    store.edit_clips([m.media_id for m in media[:2]], site="creek", utc_offset_s=7200)
    store.edit_media(first, start_utc=datetime(2026, 5, 1, 23, 0))
    return store


def test_a_clip_that_never_arrived_goes_with_its_last_run(store):
    """It has no file, nor will it have one; unless its upload is gone on with, which adds it."""
    arriving = [
        replace(make_media(f"part {i}"), media_id=f"arriving-{i}", size_bytes=0) for i in range(2)
    ]
    runs = [NewRun(f"part-{i}", recipe_of(f"arriving-{i // 2}", i), 0.4) for i in range(3)]
    store.create_runs(runs, media=arriving)
    seen = Coverage(
        media_id="arriving-1", label="cat", start_us=0, end_us=1_000_000, annotator="me"
    )
    store.add_records([seen])
    before = {row["media_id"] for row in store.media_rows()}
    remove_runs(store, ["part-0"])
    assert {row["media_id"] for row in store.media_rows()} == before
    remove_runs(store, ["part-1", "part-2", "run-1"])
    assert {row["media_id"] for row in store.media_rows()} == before - {"arriving-0"}


def names(rows):
    return [row["shown"] for row in rows]


def test_clips_of_one_name_are_told_apart_by_the_shortest_end_of_their_paths(store):
    assert names(store.clips(order="name")) == [
        "card-a/DCIM/IMG_0001.MP4",
        "card-b/DCIM/IMG_0001.MP4",
        "IMG_0002.MP4",
        "גשר.mp4",
    ]
    ids = ["1" * 16, "3" * 16, "0" * 16, "9" * 16]
    assert store.names_of_media(ids) == {
        "1" * 16: "card-b/DCIM/IMG_0001.MP4",
        "3" * 16: "גשר.mp4",
        "0" * 16: "card-a/DCIM/IMG_0001.MP4",
    }
    assert store.names_of_media([]) == {}
    assert distinguishing_end("/a/x.mp4", [None, "/b/y.mp4"]) == "x.mp4"
    assert distinguishing_end("/x.mp4", ["/a/x.mp4"]) == "/x.mp4"


def test_a_clip_of_a_page_is_told_from_those_on_other_pages(store):
    (row,) = store.clips(order="name", limit=1, offset=1)
    assert row["shown"] == "card-b/DCIM/IMG_0001.MP4"


def test_a_replaced_file_and_its_successor_have_different_names(store):
    store.add_media(replace(make_media("again"), path="/cards/גשר.mp4", media_id="f" * 16))
    assert store.names_of_media(["f" * 16]) == {"f" * 16: "גשר.mp4 (ffffff)"}
    assert names(store.clips(text="גשר")) == ["גשר.mp4 (ffffff)", "גשר.mp4 (333333)"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"state": "reviewed"}, "0"),
        ({"state": ["new", "analysed"]}, "123"),
        ({"site": "creek"}, "01"),
        ({"site": ""}, "23"),
        ({"site": ["", "creek"]}, "0123"),
        ({"folder": "/cards/card-b"}, "12"),
        ({"folder": "/cards/card"}, ""),
        ({"text": "img_0001 card-a"}, "0"),
        # 23:00 in UTC is the next day where the clock is two hours ahead.
        ({"from_date": date(2026, 5, 2), "to_date": date(2026, 5, 2)}, "0"),
        ({"to_date": date(2026, 5, 1)}, ""),
    ],
)
def test_filters(store, wanted, found):
    assert "".join(media_id[0] for media_id in sorted(store.clip_ids(**wanted))) == found
    assert store.count_clips(**wanted) == len(found)
    assert {row["media_id"][0] for row in store.clips(**wanted)} == set(found)


def test_sites_folders_and_totals_are_counted(store):
    assert store.site_overview() == [
        {"site": "", "clips": 2, "new": 2, "analysed": 0, "reviewed": 0},
        {"site": "creek", "clips": 2, "new": 0, "analysed": 1, "reviewed": 1},
    ]
    assert store.clip_folders() == {"/cards": 1, "/cards/card-a/DCIM": 1, "/cards/card-b/DCIM": 2}
    assert store.library_totals() == {
        "clips": 4,
        "video_s": 240.0,
        "analysed_s": 180.0,
        "sightings": 2,
        "watched_s": 30.0,
    }


def test_the_total_of_sightings_is_that_of_the_current_rules(store):
    other = Rule.from_dict({"default": {"debounce": {"enter_threshold": 0.9}}})
    store.save_sightings("run-0", other, [make_sighting()])
    assert store.library_totals()["sightings"] == 3  # no rule was applied: all that were saved
    store.set_current_rule(store.runs(run_id="run-0")[0]["protocol_hash"], RULE)
    assert store.library_totals()["sightings"] == store.count_sightings(current=True) == 2


def test_a_rule_stays_current_when_the_clip_on_which_it_was_tuned_is_removed(store):
    protocol = store.runs(run_id="run-0")[0]["protocol_hash"]
    store.set_current_rule(protocol, RULE, name="cats", run_id="run-0")
    store.delete_clips(["1" * 16])
    assert store.current_rules()[protocol].run_id == "run-0"
    store.delete_clips(["0" * 16])
    current = store.current_rules()[protocol]
    assert (current.run_id, current.name, current.rule) == (None, "cats", RULE)


def test_an_empty_store_is_not_created_by_looking(tmp_path):
    store = Store(tmp_path / "none")
    assert store.library_totals()["clips"] == 0
    assert store.clips() == store.site_overview() == store.places() == []
    assert not store.folder.exists()


def test_starts_are_shifted_where_there_are_any(store):
    assert store.shift_starts(["0" * 16, "1" * 16], -3600.5) == 1
    assert store.media("0" * 16)["start_utc"] == datetime(2026, 5, 1, 21, 59, 59, 500_000)


def test_a_removed_clip_takes_all_of_it_along_and_leaves_the_file(
    store, samples, tmp_path, analysed
):
    (run,) = analysed(tmp_path / "s", (samples / "cat_then_person.mp4", {"labels": ["cat"]}))
    run.save_sightings(lab.Debounce(enter_threshold=0.4))
    kept, media_id = run.store, run.media["media_id"]
    kept.add_entry(run.run_id, run.default_rule, title="a rule")
    kept.add_records(
        [Annotation(media_id=media_id, label="cat", start_us=0, end_us=9, annotator="me")]
    )
    before = kept.annotations_version
    assert kept.what_goes_with([media_id]) == {
        "runs": 1,
        "sightings": 1,
        "annotations": 1,
        "entries": 1,
    }
    assert remove_clips(kept, [media_id]) == []
    assert kept.clips() == kept.runs() == kept.sightings() == kept.annotations() == []
    assert kept.count_entries() == 0
    assert kept.annotations_version != before
    assert not kept.log_folder(run.run_id).exists()
    assert Path(run.media["path"]).is_file()


def test_an_uploaded_file_is_moved_out_of_the_uploads_and_not_deleted(store, samples):
    file = store.uploads_folder / "ab12" / "nothing.mp4"
    file.parent.mkdir(parents=True)
    shutil.copy(samples / "nothing.mp4", file)
    media_id = store.add_media(lab.probe(file))["media_id"]
    (moved,) = remove_clips(store, [media_id])
    assert moved == store.folder / "removed" / "ab12" / "nothing.mp4"
    assert moved.is_file()
    assert not file.parent.exists()


def test_a_clip_that_is_being_analysed_is_not_removed(store):
    folder = store.log_folder("run-1")
    folder.mkdir(parents=True)
    with FileLock(folder / "lock"), pytest.raises(SettingError, match="is being analysed"):
        remove_clips(store, ["0" * 16, "1" * 16])
    assert store.count_clips() == 4


def test_moved_clips_are_found_in_one_walk(store, samples, tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    ids = []
    for name in ("nothing.mp4", "cat_then_person.mp4"):
        shutil.copy(samples / name, card)
        ids.append(store.add_media(lab.probe(card / name))["media_id"])
    away = card.rename(tmp_path / "disk")
    problems = relink_all(store, [*ids, "0" * 16], [tmp_path])
    assert problems[ids[0]] is None
    assert problems[ids[1]] is None
    assert "IMG_0001.MP4 is in none" in problems["0" * 16]
    assert store.media(ids[0])["path"] == str(away / "nothing.mp4")


def test_the_last_places_are_those_of_the_store(store):
    store.keep_place("run-0", RULE)
    store.keep_place("run-1", RULE)
    store.keep_place("run-0", RULE)
    places = Store(store.folder).places()
    assert [place.run_id for place in places] == ["run-0", "run-1"]
    assert places[0].rule == RULE.to_dict()
    (store.folder / "places.json").write_text("[{}]")
    assert store.places() == []


def test_a_copy_leaves_a_clip_where_its_file_is_unless_it_moved(tmp_path, samples):
    first, copy = tmp_path / "first.mp4", tmp_path / "copy.mp4"
    for file in (first, copy):
        file.write_bytes((samples / "nothing.mp4").read_bytes())
    store = Store(tmp_path / "store")
    clip = store.add_media(probe(first))
    for _ in range(2):
        again = store.add_media(probe(copy))
        assert (again["path"], again["name"]) == (str(first), "first.mp4")
    first.unlink()
    assert store.add_media(probe(copy))["path"] == str(copy)
    first.write_bytes(copy.read_bytes())
    assert relink_all(store, [clip["media_id"]], [tmp_path]) == {clip["media_id"]: None}
    assert store.media(clip["media_id"])["path"] == str(copy)  # in its place
    assert relink(store, clip["media_id"], [first])["path"] == str(first)


def test_a_recording_that_grows_is_annotated_up_to_now_and_counts_as_analysed(tmp_path):
    store = Store(tmp_path / "store")
    clip = replace(make_media(), end_us=0, size_bytes=0, container="stream")
    store.create_runs([NewRun("run", recipe_of(clip.media_id, 0), 0.4)], media=[clip])
    stretch = {"start_us": 700_000_000, "end_us": 800_000_000}
    late = Annotation(media_id=clip.media_id, label="cat", **stretch)
    store.change_media_records(clip.media_id, add=[late])
    for end_us, known_us in ((600_000_000, 600_000_000), (5, 600_000_000)):
        store.grow_media(clip.media_id, end_us)
        row = store.media(clip.media_id)
        assert (row["end_us"], row["duration_s"]) == (known_us, known_us / 1e6)
    store.change_media_records(clip.media_id, delete=[late.annotation_id])
    assert [one["state"] for one in store.clips()] == ["analysed"]
