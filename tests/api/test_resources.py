"""What each resource of the API gives, against what the store and its objects say."""

import asyncio
import io
import os
import tarfile
from contextlib import suppress

import pyarrow as pa
import pytest

from lab.app.server.api import media
from lab.app.server.api.answers import ARROW
from lab.errors import SettingError
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log.manifest import NAME as MANIFEST
from lab.score_log.score_log import read_log
from tests.api.conftest import problem_of
from tests.builders import assert_same_log, make_run, scores_of


def table(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    return pa.ipc.open_stream(answer.content).read_all()


def test_a_clip_is_listed_registered_and_edited(api):
    client, media_id = api.client, api.clip["media_id"]
    listed = client.get("/api/media", params={"text": "nothing"}).json()
    assert [one["media_id"] for one in listed["items"]] == [media_id]
    again = client.post("/api/media", json={"path": str(api.folder / "nothing.mp4")})
    assert (again.status_code, again.headers["location"]) == (200, f"/api/media/{media_id}")
    changes = {"site": "creek", "start": "2026-05-01T06:00:00+02:00", "clock_correction_s": 3.5}
    edited = client.patch(f"/api/media/{media_id}", json=changes).json()
    assert {name: edited[name] for name in changes} == changes
    (found,) = listed["items"]
    assert edited["state"] == again.json()["state"] == found["state"] is not None
    assert client.patch(f"/api/media/{media_id}", json={"site": None}).json()["site"] is None
    wrong = client.patch(f"/api/media/{media_id}", json={"start": "yesterday"})
    assert problem_of(wrong, 422).startswith("start must be like 2026-05-01T06")
    row = api.state.store.media(media_id)
    assert (row["site"], row["clock_correction_s"], row["start_source"]) == (None, 3.5, "entered")


@pytest.mark.parametrize("site", ["a\0b", "a\nb", "a\x1b[31mb", "a\x85b"], ids=ascii)
def test_a_site_with_a_control_character_is_refused(api, site):
    place = f"/api/media/{api.clip['media_id']}"
    answer = api.client.patch(place, json={"site": site})
    assert "site must be a text in one line" in problem_of(answer, 422)
    assert api.client.get(place).json()["site"] is None
    with pytest.raises(SettingError, match="control characters"):
        api.state.store.edit_clips([api.clip["media_id"]], site=site)


def test_why_a_label_is_refused_is_said(api):
    record = {"kind": "annotation", "start_us": 0, "end_us": 10}
    for label, words in (("a\0b", "without null characters"), ("ü" * 200, "at most 255 bytes")):
        body = {"media_id": api.clip["media_id"], "records": [record | {"label": label}]}
        answer = api.client.post("/api/annotations", json=body)
        assert words in problem_of(answer, 422)


@pytest.mark.parametrize(
    ("path", "status"), [("/etc/passwd", 403), ("../../etc", 403), ("none.mp4", 422)]
)
def test_only_videos_under_the_media_roots_are_registered(api, path, status):
    given = path if status == 403 else str(api.folder / path)
    problem_of(api.client.post("/api/media", json={"path": given}), status)


def test_files_are_looked_at_in_threads_and_not_where_all_requests_are_served(api, monkeypatch):
    seen, stat, lstat = [], os.stat, os.lstat

    def watched(look):
        def watch(path, *more, **named):
            with suppress(RuntimeError):
                asyncio.get_running_loop()
                seen.append(str(path))
            return look(path, *more, **named)

        return watch

    monkeypatch.setattr(os, "stat", watched(stat))
    monkeypatch.setattr(os, "lstat", watched(lstat))
    place, file = f"/api/media/{api.clip['media_id']}", str(api.folder / "nothing.mp4")
    assert api.client.get(place).json()["is_present"]
    assert api.client.patch(place, json={"site": None}).status_code == 200
    assert api.client.post("/api/media", json={"path": file}).status_code == 200
    assert api.client.get("/api/media").status_code == 200
    assert [path for path in seen if path.endswith("nothing.mp4")] == []


class AtOthers(Engine):
    """Its worker is at other clips for good."""

    def submit(self, kind, title, **payload):
        self.asked = Job(kind, title, payload)
        return self.asked

    def cancel(self, job_id):
        self.asked.drop()


def test_who_waits_for_others_clips_is_told_to_ask_again(api, monkeypatch):
    engine = AtOthers()
    monkeypatch.setattr(api.state, "engine", engine)
    monkeypatch.setattr(media, "_PROBE_S", 0.01)
    answer = api.client.post("/api/media", json={"path": str(api.folder / "nothing.mp4")})
    assert "at other ones" in problem_of(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert engine.asked.state == "cancelled"


def test_a_run_has_all_that_the_catalog_says_of_it(api, run):
    found = api.client.get(f"/api/runs/{run.run_id}").json()
    for name, value in api.state.store.run(run.run_id).items():
        if not name.endswith("_utc"):
            assert found[name] == value, name
    listed = api.client.get("/api/runs", params={"detector": "made", "state": "done"}).json()
    assert run.run_id in [one["run_id"] for one in listed["items"]]
    assert not api.client.get("/api/runs", params={"state": "failed"}).json()["items"]
    problem_of(api.client.get("/api/runs/none"), 404)
    problem_of(api.client.get("/api/runs", params={"state": "odd"}), 422)


def test_samples_and_boxes_are_those_of_the_log_as_arrow_and_as_json(api, run):
    log, place = run.log, f"/api/runs/{run.run_id}"
    arrow = {"Accept": ARROW}
    samples = table(api.client.get(f"{place}/samples", headers=arrow))
    assert samples["pts_us"].to_pylist() == log.pts_us.tolist()
    assert set(samples["status"].to_pylist()) == {"ok"}
    boxes = table(api.client.get(f"{place}/detections", headers=arrow))
    assert boxes["pts_us"].to_pylist() == log.pts_us[log.sample].tolist()
    assert boxes["confidence"].to_pylist() == log.confidence.tolist()
    assert boxes["x2_px"].to_pylist() == log.box_xyxy_px[:, 2].tolist()
    pages, cursor = [], None
    while True:
        query = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = api.client.get(f"{place}/detections", params=query).json()
        pages += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert pages == boxes.to_pylist()
    some = api.client.get(f"{place}/samples", params={"from_s": 2.5, "to_s": 4}).json()["items"]
    assert [one["pts_us"] for one in some] == [3_000_000, 4_000_000]


def test_a_log_comes_byte_for_byte_and_once(api, run, tmp_path):
    folder = api.state.store.log_folder(run.run_id)
    with (folder / MANIFEST).open("ab") as file:
        file.write(b" " * 2_500_001)  # more than is in memory at a time
    answer = api.client.get(f"/api/runs/{run.run_id}/log.tar")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path, filter="data")
    assert (tmp_path / MANIFEST).stat().st_size > 2_500_000
    for file in tmp_path.rglob("*"):
        assert file.read_bytes() == (folder / file.relative_to(tmp_path)).read_bytes()
    assert_same_log(read_log(tmp_path, run.run_id), run.log)
    known = {"If-None-Match": answer.headers["etag"]}
    assert api.client.get(f"/api/runs/{run.run_id}/log.tar", headers=known).status_code == 304


def test_stretches_are_marked_listed_and_taken_back(api, run):
    client, media_id = api.client, run.media["media_id"]
    records = [{"label": "x", "start_us": i * 1_000_000, "end_us": 5_000_000} for i in range(3)]
    added = client.post("/api/annotations", json={"media_id": media_id, "records": records})
    assert added.status_code == 201
    first = client.get("/api/annotations", params={"limit": 2, "label": "x"}).json()
    query = {"limit": 2, "label": "x", "cursor": first["next_cursor"]}
    rest = client.get("/api/annotations", params=query).json()
    assert [one["start_us"] for one in first["items"] + rest["items"]] == [0, 1_000_000, 2_000_000]
    assert len(api.state.store.annotations(media_id)) == 3
    for one in added.json()["items"]:
        assert client.delete(f"/api/annotations/{one['id']}").status_code == 200
    problem_of(client.delete(f"/api/annotations/{one['id']}"), 404)
    outside = [{"label": "x", "start_us": 0, "end_us": 10**12}]
    answer = client.post("/api/annotations", json={"media_id": media_id, "records": outside})
    assert "lies outside" in problem_of(answer, 422)
    nobody = {"media_id": "none", "records": []}
    problem_of(client.post("/api/annotations", json=nobody), 404)


def test_a_run_is_exported_in_each_kind(api, run):
    kinds = api.client.get("/api/exports").json()["items"]
    assert {one["content"] for one in kinds} == {"annotations", "sightings", "effort"}
    for kind in kinds:
        answer = api.client.get(f"/api/runs/{run.run_id}/exports/{kind['name']}")
        assert answer.status_code == 200, kind
        assert answer.headers["content-type"].startswith(kind["media_type"])
    problem_of(api.client.get(f"/api/runs/{run.run_id}/exports/none"), 404)
    csv = api.client.get(f"/api/runs/{run.run_id}/exports/sightings-csv?rules=all").text
    assert csv.count("\n") - 1 == api.state.store.count_sightings(run_id=run.run_id)


def test_labels_are_counted(api, run):
    (label,) = api.client.get("/api/labels", params={"text": "x"}).json()["items"]
    assert label == {"label": "x", "sightings": api.state.store.count_sightings(current=True)}


def test_a_run_is_removed_with_what_was_found_in_it_but_not_while_it_is_written(api):
    gone = make_run(api.folder, scores_of(20, [(3, 9)]), 1.0, name="gone")
    gone.save_sightings()
    place = f"/api/runs/{gone.run_id}"
    assert api.client.delete(place).status_code == 200
    problem_of(api.client.get(place), 404)
    problem_of(api.client.get(f"{place}/samples"), 404)
    assert not api.state.store.log_folder(gone.run_id).exists()
    assert not api.state.store.sightings(run_id=gone.run_id)
    noted = make_run(api.folder, scores_of(20, [(3, 9)]), 1.0, name="noted")
    api.state.store.add_entry(noted.run_id, Rule(), title="of note")
    assert "notebook" in problem_of(api.client.delete(f"/api/runs/{noted.run_id}"), 409)
    assert Run(api.state.store, noted.run_id).log.pts_us.size == 20
