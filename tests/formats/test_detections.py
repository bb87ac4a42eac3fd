"""Other people's detections as runs: MegaDetector's JSON, and CSV; with and without the video."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lab
from lab.formats.detections.csv import import_detections
from lab.formats.detections.long_list import walk
from lab.formats.detections.megadetector import import_megadetector
from lab.store.store import Store
from tests.random_examples import examples

DEBOUNCE = lab.Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=2)


def results(**changes):
    entry = {
        "file": "cards/clip.mp4",
        "frame_rate": 10,
        "frames_processed": list(range(0, 100, 5)),
        "detections": [
            {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4], "frame_number": f}
            for f in range(20, 41, 5)
        ],
    }
    return {
        "info": {
            "format_version": "1.4",
            "detector": "md_v5a.0.0.pt",
            "detector_metadata": {"typical_detection_threshold": 0.2},
        },
        "detection_categories": {"1": "animal", "2": "person"},
        "images": [{**entry, **changes}],
    }


def write(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_video_that_is_not_at_hand_is_tuned_all_the_same(tmp_path):
    found = import_megadetector(write(tmp_path, results()), Store(tmp_path / "s"))
    (run,) = found.runs
    (sighting,) = run.find(DEBOUNCE)
    assert (sighting.label, sighting.onset_s, sighting.offset_s) == ("animal", 2.0, 4.0)
    assert run.recipe["every_s"] == 0.5
    assert run.labels == ("animal", "person")
    assert run.default_rule.default.debounce.enter_threshold == 0.2
    assert any("no video" in n for n in found.notes)
    swept = lab.sweep(
        run, [{"media": "cards/clip.mp4", "label": "animal", "start_s": 1.8, "end_s": 4.2}]
    )
    assert lab.recommend(swept).fitted["f1"] == 1.0


def test_a_video_that_is_at_hand_gives_the_exact_times_and_pixels(tmp_path, samples):
    content = results(file="cat_comes_and_goes.mp4", frames_processed=list(range(0, 120, 3)))
    content["images"][0]["detections"] = [
        {"category": "1", "conf": 0.8, "bbox": [0.5, 0.5, 0.25, 0.25], "frame_number": f}
        for f in range(30, 60, 3)
    ]
    found = import_megadetector(write(tmp_path, content), Store(tmp_path / "s"), videos=samples)
    (run,) = found.runs
    from lab.video.sources.file import FileSource

    times = FileSource(samples / "cat_comes_and_goes.mp4").frame_times_us()
    assert run.log.pts_us.tolist() == [times[f] for f in range(0, 120, 3)]
    width, height = run.size_px
    assert run.log.box_xyxy_px[0].tolist() == [
        0.5 * width,
        0.5 * height,
        0.75 * width,
        0.75 * height,
    ]


def test_failures_are_named_and_images_left_out(tmp_path):
    content = results()
    content["images"] += [
        {"file": "broken.mp4", "failure": "Failure video load", "detections": None},
        {"file": "photo.jpg", "detections": []},
    ]
    found = import_megadetector(write(tmp_path, content), Store(tmp_path / "s"))
    assert found.failures == {"broken.mp4": "Failure video load"}
    assert any("1 image left out" in n for n in found.notes)


def test_files_without_the_processed_frames_are_refused(tmp_path):
    content = results()
    del content["images"][0]["frames_processed"]
    store = Store(tmp_path / "s")
    found = import_megadetector(write(tmp_path, content), store)
    assert found.runs == []
    assert "frames_processed" in found.refused["cards/clip.mp4"]
    assert store.runs() == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({**results(), "info": {"format_version": "2.0"}}, "version '2.0'"),
        ({**results(), "info": {}}, "version 'none'"),
        (json.dumps(results())[:300], "not whole JSON"),
        ("[]", "not a MegaDetector file"),
        ("[" * 100_000, "not whole JSON"),
        ({**results(), "images": [3]}, "not a MegaDetector file"),
        ({**results(), "images": []}, "names no video"),
        (
            {k: v for k, v in results().items() if k != "detection_categories"},
            "detection_categories",
        ),
    ],
)
def test_other_versions_and_cut_files_are_refused(tmp_path, content, says):
    with pytest.raises(lab.SettingError, match=says):
        import_megadetector(write(tmp_path, content), Store(tmp_path / "s"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frame_rate": None}, "frame_rate"),
        ({"frames_processed": [0, "x"]}, "whole numbers"),
        (
            {
                "detections": [
                    {"category": "1", "conf": 0.5, "bbox": [0, 0, 1, 1], "frame_number": 7}
                ]
            },
            "not among the frames",
        ),
        (
            {
                "detections": [
                    {
                        "category": "1",
                        "conf": 0.5,
                        "bbox": [0, 0, float("nan"), 1],
                        "frame_number": 5,
                    }
                ]
            },
            "four finite numbers",
        ),
        (
            {
                "detections": [
                    {"category": "1", "conf": float("nan"), "bbox": [0, 0, 1, 1], "frame_number": 5}
                ]
            },
            "four finite numbers",
        ),
        (
            {
                "detections": [
                    {"category": "1", "conf": 1.5, "bbox": [0, 0, 1, 1], "frame_number": 5}
                ]
            },
            r"in [0, 1]",
        ),
        (
            {"detections": [{"category": "1", "conf": 0.5, "bbox": [0, 0], "frame_number": 5}]},
            "four finite numbers",
        ),
        (
            {
                "detections": [
                    {"category": "1", "conf": 0.5, "bbox": [0, 0, -1, 1], "frame_number": 5}
                ]
            },
            "negative size",
        ),
    ],
)
def test_entries_that_cannot_be_meant_are_refused_one_by_one(tmp_path, changes, says):
    content = results(**changes)
    content["images"].append(results()["images"][0] | {"file": "good.mp4"})
    found = import_megadetector(write(tmp_path, content), Store(tmp_path / "s"))
    assert says in found.refused["cards/clip.mp4"]
    assert [r.media["path"] for r in found.runs] == ["good.mp4"]


HEAD = "media,pts_s,label,confidence,x1_px,y1_px,x2_px,y2_px\n"


def test_detections_as_csv_with_and_without_empty_samples(tmp_path):
    rows = "".join(
        f"clip.mp4,{t},fox,0.9,1,2,3,4\n" if 5 <= t <= 9 else f"clip.mp4,{t},,,,,,\n"
        for t in range(20)
    )
    path = tmp_path / "d.csv"
    path.write_text(HEAD + rows)
    (run,) = import_detections(path, Store(tmp_path / "a")).runs
    assert [(s.onset_s, s.offset_s) for s in run.find(DEBOUNCE)] == [(5.0, 9.0)]
    path.write_text(HEAD + "".join(f"clip.mp4,{t},fox,0.9,1,2,3,4\n" for t in range(5, 10)))
    refused = import_detections(path, Store(tmp_path / "b")).refused
    assert "--every" in refused["clip.mp4"]
    (run,) = import_detections(path, Store(tmp_path / "c"), every_s=1.0).runs
    assert [(s.onset_s, s.offset_s) for s in run.find(DEBOUNCE)] == [(5.0, 9.0)]
    assert np.diff(run.log.pts_us).max() == 1_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [("media,label\n", "no column"), (HEAD + "c,1,fox,2,1,2,3,4\n", "line 2.*confidence"),
     (HEAD + "c,1,fox,nan,1,2,3,4\n", "not finite"), (HEAD + "c,1,,,,,,\n", "no detection")],
)  # fmt: skip
def test_a_csv_that_cannot_be_meant_is_refused_with_its_line(tmp_path, text, says):
    path = tmp_path / "d.csv"
    path.write_text(text)
    with pytest.raises(lab.SettingError, match=says):
        import_detections(path, Store(tmp_path / "s"))


def test_a_name_that_leaves_the_folder_of_videos_is_refused(tmp_path):
    content = results(file="../clip.mp4")
    found = import_megadetector(
        write(tmp_path, content), Store(tmp_path / "s"), videos=tmp_path / "cards"
    )
    assert "lies outside" in found.refused["../clip.mp4"]


@pytest.mark.long
def test_many_videos_are_kept_in_few_transactions(tmp_path, counts):
    """In batches of 200 runs: their rows, their outcomes, and what is told of them."""
    entry = results()["images"][0]
    names = [f"card/IMG_{i:04d}.MP4" for i in range(250)]
    content = {**results(), "images": [{**entry, "file": name} for name in names]}
    store = Store(tmp_path / "s")
    path = write(tmp_path, content)
    counts.clear()
    found = import_megadetector(path, store)
    assert [run.media["relative_path"] for run in found.runs] == names
    assert counts.transactions <= 2 * 4
    assert counts.rows <= 2 * 250 + 20
    assert {row["state"] for row in store.runs()} == {"done"}
    assert found.runs[249].find(DEBOUNCE)[0].onset_s == 2.0
    summaries = found.to_dict()["runs"]
    assert [(one["samples"], one["analysed_s"]) for one in summaries] == [(20, 9.6)] * 250


def test_a_video_that_is_refused_costs_its_batch_nothing(tmp_path):
    entry = results()["images"][0]
    content = {**results(), "images": [entry, {**entry, "file": "b.mp4", "frame_rate": None}]}
    found = import_megadetector(write(tmp_path, content), Store(tmp_path / "s"))
    assert len(found.runs) == 1
    assert list(found.refused) == ["b.mp4"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@examples(200)
@given(
    st.dictionaries(st.sampled_from(["images", "info", "x", 'a"b']), JSON, max_size=4),
    st.sampled_from([None, 1]),
    st.integers(0, 200),
)
def test_a_long_list_is_read_as_json_reads_it(value, indent, cut):
    text = json.dumps(value, indent=indent)
    found, items = {}, []
    for name, part in walk(text, "images"):
        if name is None:
            items.append(part)
        else:
            found[name] = part
    if isinstance(value.get("images"), list):
        assert items == value["images"]
        found["images"] = items
    assert found == value
    if cut < len(text):
        with pytest.raises(ValueError, match="char"):
            list(walk(text[:cut], "images"))


@pytest.mark.parametrize("text", ['{"images": [1,]}', "{} x", '{"a": 1,}', "{1: 2}", "[]", ""])
def test_a_long_list_in_text_that_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="char"):
        list(walk(text, "images"))


def card(folder, name, conf=0.9, frames=100, files=4):
    """A memory card's results, its videos not at hand; every card numbers its files from 1."""
    content = results()
    (entry,) = content["images"]
    content["images"] = [
        {
            **entry,
            "file": f"DCIM/IMG_{i:04d}.MP4",
            "frames_processed": list(range(0, frames, 5)),
            "detections": [{**d, "conf": conf} for d in entry["detections"]],
        }
        for i in range(files)
    ]
    path = folder / name
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("kind", ["folders given", "files alone", "uploaded"])
def test_two_memory_cards_with_the_same_names_stay_two(tmp_path, kind):
    store = Store(tmp_path / "s")
    given = [{"videos": tmp_path / "a"}, {"videos": tmp_path / "b"}]
    given = given if kind == "folders given" else [{}, {}]
    first = import_megadetector(card(tmp_path, "a.json", files=4), store, **given[0])
    before = {m["media_id"]: m for m in store.all_media()}
    name = "a.json" if kind == "uploaded" else "b.json"  # of another content, in the same place
    frames = 120 if kind == "uploaded" else 100
    second = import_megadetector(
        card(tmp_path, name, conf=0.8, frames=frames, files=4), store, **given[1]
    )
    media = {m["media_id"]: m for m in store.all_media()}
    assert (len(media), len(store.runs())) == (8, 8)
    assert {k: media[k] for k in before} == before
    of = [{run.media["media_id"] for run in found.runs} for found in (first, second)]
    assert not of[0] & of[1]


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("videos", [None, "card"])
def test_the_same_file_again_gives_the_same_runs(tmp_path, videos, moved):
    store = Store(tmp_path / "s")
    path = card(tmp_path, "a.json", files=3)
    first = import_megadetector(path, store, videos=videos and tmp_path / videos)
    if moved:
        path = path.rename(tmp_path / "copy.json")
    again = import_megadetector(path, store, videos=videos and tmp_path / videos)
    assert [r.run_id for r in again.runs] == [r.run_id for r in first.runs]
    assert (len(store.all_media()), len(store.runs())) == (3, 3)
    assert any("3 runs were in the store already" in note for note in again.notes)


def test_the_same_csv_and_the_same_video_give_the_same_runs(tmp_path, samples):
    store = Store(tmp_path / "s")
    path = tmp_path / "d.csv"
    path.write_text(
        "media,pts_s,label,confidence,x1_px,y1_px,x2_px,y2_px\n"
        "cat_comes_and_goes.mp4,0,,,,,,\ncat_comes_and_goes.mp4,1,cat,0.7,1,2,3,4\n"
    )
    for videos in (None, samples):
        first = import_detections(path, store, videos=videos)
        again = import_detections(path, store, videos=videos)
        assert [r.run_id for r in again.runs] == [r.run_id for r in first.runs]
    assert (len(store.all_media()), len(store.runs())) == (2, 2)


def test_an_old_stores_absent_media_keep_their_ids(tmp_path, monkeypatch):
    """They were known by their name alone."""
    from lab.formats.detections import earlier
    from lab.formats.detections.media import made_media

    store, path = Store(tmp_path / "s"), card(tmp_path, "a.json", files=2)
    with monkeypatch.context() as patch:
        patch.setattr(
            earlier.EarlierImports,
            "absent_media",
            lambda self, name, duration_s, rate: (made_media(name, duration_s, rate), None),
        )
        old = import_megadetector(path, store)
    again = import_megadetector(path, store)
    assert [r.run_id for r in again.runs] == [r.run_id for r in old.runs]
    assert {r.media["media_id"] for r in again.runs} == {m["media_id"] for m in store.all_media()}
    other = import_megadetector(card(tmp_path, "b.json", conf=0.6, files=2), store)
    assert not {r.media["media_id"] for r in other.runs} & {r.media["media_id"] for r in old.runs}
