"""Jobs by the API: a real queue, real workers, the smallest detector."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import lab
from lab.app.server.routes import routes
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.limits import Limits
from lab.rules.rule import Rule
from tests.api.conftest import Api, edited, problem_of
from tests.guarded import client_of

KEY = "Idempotency-Key"


@pytest.fixture(scope="module")
def api(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("jobs")
    for i in range(6):
        shutil.copy(samples / "nothing.mp4", folder / f"clip{i}.mp4")
        with (folder / f"clip{i}.mp4").open("ab") as file:
            file.write(b"\0" * i)  # another clip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_MEDIA_ROOTS", str(folder.resolve()))
        made = Api(folder)
        yield made
        made.state.close()


def work_on(api, i, **more):
    return {"path": str(api.folder / f"clip{i}.mp4"), "detector": "visual", "every_s": 2.0, **more}


def ended(client, place, seconds=60):
    until = time.monotonic() + seconds
    while True:
        job = client.get(place).json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        assert time.monotonic() < until, job
        time.sleep(0.05)


def paused(api):
    with JobQueue(api.store_folder) as queue:
        queue.pause()


def going(api):
    with JobQueue(api.store_folder) as queue:
        queue.go_on()


def test_a_clip_is_analysed_and_the_job_says_how_it_went(api):
    rule = {"default": {"debounce": {"enter_threshold": 0.2}}}
    answer = api.client.post("/api/jobs", json=work_on(api, 0, rule=rule))
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['job_id']}"
    job = ended(api.client, answer.headers["location"])
    assert (job["state"], job["total_samples"], len(job["run_ids"])) == ("done", 4, 1)
    run = api.client.get(f"/api/runs/{job['run_ids'][0]}").json()
    assert (run["state"], run["detector"], run["media_id"]) == ("done", "visual", job["media_id"])
    found = api.client.get("/api/sightings", params={"run_id": run["run_id"], "rules": "all"})
    assert found.json()["items"]
    assert api.client.get("/api/jobs/summary").json()["done"] >= 1
    by_id = api.client.post("/api/jobs", json={"media_id": job["media_id"], **VISUAL_2})
    assert ended(api.client, by_id.headers["location"])["was_there"]


VISUAL_2 = {"detector": "visual", "every_s": 2.0}


def test_a_job_that_fails_says_why(api):
    (api.folder / "garbage.mp4").write_bytes(b"no video" * 500)
    body = work_on(api, 0) | {"path": str(api.folder / "garbage.mp4")}
    job = ended(api.client, api.client.post("/api/jobs", json=body).headers["location"])
    assert job["state"] == "failed"
    assert "garbage.mp4" in job["reason"]
    listed = api.client.get("/api/jobs", params={"state": "failed"}).json()["items"]
    assert job["job_id"] in [one["job_id"] for one in listed]
    assert api.client.post(f"/api/jobs/{job['job_id']}/retry").status_code == 202
    assert ended(api.client, f"/api/jobs/{job['job_id']}")["state"] == "failed"


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"path": "/etc/passwd"}, 403, "media_roots"),
        ({"path": None, "media_id": "none"}, 404, "none"),
        ({"media_id": "x"}, 422, "either media_id or path"),
        ({"detector": "nothing"}, 422, "no detector"),
        ({"detector": "python", "settings": {"target": "os:system"}}, 422, "runs code"),
        ({"detector": "remote", "settings": {"url": "http://10.0.0.1"}}, 422, "services"),
        ({"detector": "yolo", "settings": {"weights": "/etc/passwd"}}, 422, "models folder"),
        ({"settings": {"api_key": "PLANTEDhush"}}, 422, "api_key"),
        ({"settings": {"boxes_from": {"more": {"token": "PLANTEDhush"}}}}, 422, "token"),
        ({"settings": {"url": "http://eve:PLANTEDhush@host/"}}, 422, "password"),
        ({"settings": {"store": "/tmp"}}, 422, "'store' is not a setting"),
        ({"settings": {"name": "yolo"}}, 422, "'name' is not a setting"),
        ({"settings": {"siez": 320}}, 422, "unknown key 'siez'"),
        ({"labels": ["cat"]}, 422, "'visual' has no label 'cat'; 16 are known"),
        ({"settings": {"labels": ["bright"]}}, 422, "no label 'bright'; did you mean 'brightness'"),
        ({"detector": "motion", "labels": ["cat"]}, 422, "no label 'cat'; known: motion"),
        ({"every_s": -1}, 422, "every_s"),
        ({"rule": "unknown"}, 422, "no rule"),
        ({"rule": {"default": {"debounce": {"enter_threshold": 9}}}}, 422, "enter_threshold"),
        ({"priority": 10**9}, 422, "priority"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
def test_what_a_page_may_not_ask_for_the_api_may_not_either(api, change, status, words):
    body = {k: v for k, v in (work_on(api, 1) | change).items() if v is not None}
    answer = api.client.post("/api/jobs", json=body)
    assert words in problem_of(answer, status)
    assert "PLANTED" not in answer.text


@pytest.mark.parametrize(("detector", "threshold"), [("motion", 0.005), ("visual", 0.5)])
def test_a_threshold_that_a_rule_does_not_give_is_the_detectors(api, detector, threshold):
    paused(api)
    try:
        body = work_on(api, 2, detector=detector, rule={"default": {}, "labels": {"x": {}}})
        job = api.client.post("/api/jobs", json=body).json()
        rule = Rule.from_dict(job["work"]["rule"]["rule"])
        assert rule == Rule.from_dict({"labels": {"x": {}}}, threshold)
        assert rule.of("x").debounce.enter_threshold == threshold
        api.client.delete(f"/api/jobs/{job['job_id']}")
    finally:
        going(api)


def test_the_same_work_on_the_same_file_is_one_job_unless_it_is_to_be_done_again(api):
    paused(api)
    try:
        file = api.folder / "clip4.mp4"
        clip = api.state.store.add_media(lab.probe(file))
        named = {**VISUAL_2, "media_id": clip["media_id"]}
        ids = [
            api.client.post("/api/jobs", json={**body, "reuse": reuse}).json()["job_id"]
            for reuse in (True, False)
            for body in (work_on(api, 4), named)
        ]
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3
        for job_id in set(ids):
            api.client.delete(f"/api/jobs/{job_id}")
    finally:
        going(api)


def test_the_same_key_is_the_same_job_also_after_a_restart(api):
    paused(api)
    body, headers = work_on(api, 1, reuse=False), {KEY: "order-17"}
    first = api.client.post("/api/jobs", json=body, headers=headers).json()["job_id"]
    again = api.client.post("/api/jobs", json=body, headers=headers).json()["job_id"]
    assert first == again
    # Without a key, an analysis that is to be done anew is another one each time.
    assert api.client.post("/api/jobs", json=body).json()["job_id"] != first
    other = api.client.post("/api/jobs", json=body | {"every_s": 4.0}, headers=headers)
    assert "another request" in problem_of(other, 409)
    elsewhere = Api(api.folder)  # another process, as far as the store can tell
    client = client_of(routes(elsewhere.state), tokens=elsewhere.tokens)
    assert client.post("/api/jobs", json=body, headers=headers).json()["job_id"] == first
    elsewhere.state.close()
    someone = api.anyone("analyse").post("/api/jobs", json=body, headers=headers)
    assert someone.json()["job_id"] != first  # a key is of one token
    for job in api.client.get("/api/jobs", params={"state": "pending"}).json()["items"]:
        assert api.client.delete(f"/api/jobs/{job['job_id']}").json()["state"] == "cancelled"
    done = api.client.post("/api/jobs", json=body, headers=headers).json()
    assert (done["job_id"], done["state"]) == (first, "cancelled")
    going(api)


def test_the_same_key_is_the_same_job_whatever_became_of_its_clip_and_its_rule(api):
    paused(api)
    api.state.store.save_rule("soon gone", Rule())
    clip = api.folder / "moved.mp4"
    shutil.copy(api.folder / "clip5.mp4", clip)
    body, headers = work_on(api, 0, rule="soon gone") | {"path": str(clip)}, {KEY: "moved"}
    first = api.client.post("/api/jobs", json=body, headers=headers).json()
    clip.unlink()
    with api.state.store.catalog.transaction() as db:
        db.execute("DELETE FROM rules")
    again = api.client.post("/api/jobs", json=body, headers=headers)
    assert (again.status_code, again.json()["job_id"]) == (202, first["job_id"])
    usual = body | {"priority": 0}  # as if it were a setting that this version has anew
    same = api.client.post("/api/jobs", json=usual, headers=headers)
    assert same.json()["job_id"] == first["job_id"]
    problem_of(api.client.post("/api/jobs", json=body), 422)
    api.client.delete(f"/api/jobs/{first['job_id']}")
    going(api)


def test_one_key_sent_at_once_from_several_sides_is_one_job(api):
    paused(api)
    body, headers = work_on(api, 3, reuse=False), {KEY: "at-once"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: api.client.post("/api/jobs", json=body, headers=headers), range(8))
        )
    (job_id,) = {one.json()["job_id"] for one in answers}
    api.client.delete(f"/api/jobs/{job_id}")
    going(api)


def test_a_job_that_is_stopping_is_not_taken_for_a_new_one(tmp_path, samples):
    shutil.copy(samples / "nothing.mp4", tmp_path / "clip0.mp4")
    api = Api(tmp_path, local_workers=0)
    body, headers = work_on(api, 0), {KEY: "stopping"}
    job_id = api.client.post("/api/jobs", json=body).json()["job_id"]
    with JobQueue(api.store_folder, is_app=True) as worker:
        assert worker.claim().job_id == job_id
        assert api.client.delete(f"/api/jobs/{job_id}").json()["is_stopping"]
        refused = api.client.post("/api/jobs", json=body, headers=headers)
        assert "is stopping" in problem_of(refused, 409)
    assert api.client.get(f"/api/jobs/{job_id}").json()["state"] == "cancelled"
    again = api.client.post("/api/jobs", json=body, headers=headers).json()
    assert (again["job_id"], again["state"]) == (job_id, "pending")
    api.state.close()


def test_keys_that_a_page_gave_a_detector_are_not_shown_in_its_jobs(api):
    paused(api)
    work = Work([{"name": "x", "detector": {"name": "x", "size": 3, "api_key": "PLANTEDhush"}}])
    clip = api.folder / "clip4.mp4"
    (job_id,) = api.state.analyses.start([QueuedClip(str(clip), Stamp.of(clip))], work)
    answer = api.anyone("read").get(f"/api/jobs/{job_id}")
    assert answer.json()["work"]["analyses"][0]["detector"] == {"name": "x", "size": 3}
    listed = api.anyone("read").get("/api/jobs")
    assert "PLANTED" not in answer.text + listed.text
    api.client.delete(f"/api/jobs/{job_id}")
    going(api)


def test_jobs_are_listed_page_by_page_moved_forward_and_cancelled(api):
    paused(api)
    client = api.client
    jobs = [client.post("/api/jobs", json=work_on(api, i, every_s=3.0)).json() for i in range(5)]
    ids = [one["job_id"] for one in jobs]
    assert {one["state"] for one in jobs} == {"pending"}
    seen, cursor = [], None
    while True:
        query = {"state": "pending", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/jobs", params=query).json()
        seen += [one["job_id"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ids[::-1]
    begun = client.get("/api/jobs?state=pending&limit=2").json()["next_cursor"]
    for first in (None, '"x"', "1e400", str(10**30), "true"):
        wrong = client.get(f"/api/jobs?state=pending&limit=2&cursor={edited(begun, first)}")
        assert "cursor" in problem_of(wrong, 422)
    assert client.patch(f"/api/jobs/{ids[3]}", json={"priority": 7}).json()["priority"] == 7
    assert client.get("/api/jobs/summary").json()["pending"] == 5
    assert client.delete(f"/api/jobs/{ids[0]}").json()["state"] == "cancelled"
    assert "is cancelled" in problem_of(client.delete(f"/api/jobs/{ids[0]}"), 409)
    reader = api.anyone("read")
    assert reader.get(f"/api/jobs/{ids[1]}").status_code == 200
    for answer in (
        reader.post("/api/jobs", json=work_on(api, 1)),
        reader.delete(f"/api/jobs/{ids[1]}"),
        reader.patch(f"/api/jobs/{ids[1]}", json={"priority": 1}),
    ):
        assert "needs analyse" in problem_of(answer, 403)
    problem_of(client.get("/api/jobs/999999"), 404)
    going(api)
    api.state.analyses.go_on()
    assert {ended(client, f"/api/jobs/{one}")["state"] for one in ids[1:]} == {"done"}
    changed = [client.get(f"/api/jobs/{one}").json()["changed_utc"] for one in ids]
    assert changed[3] == min(changed[1:])


def test_a_token_has_so_many_jobs_and_no_more(api, tmp_path):
    limits = Limits(max_jobs_per_token=2)
    secret = api.tokens.add("few", "analyse")[1]
    client = client_of(
        api.routes, headers={"Authorization": f"Bearer {secret}"}, tokens=api.tokens, limits=limits
    )
    paused(api)
    made = [client.post("/api/jobs", json=work_on(api, i, every_s=5.0)) for i in range(2)]
    assert [one.status_code for one in made] == [202, 202]
    refused = client.post("/api/jobs", json=work_on(api, 2, every_s=5.0), headers={KEY: "third"})
    assert "2 jobs of this token" in problem_of(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    assert (
        client.post("/api/jobs", json=work_on(api, 0, every_s=5.0)).status_code == 202
    )  # is there
    assert api.client.post("/api/jobs", json=work_on(api, 3, every_s=5.0)).status_code == 202
    client.delete(made[0].headers["location"])
    third = client.post("/api/jobs", json=work_on(api, 2, every_s=5.0), headers={KEY: "third"})
    assert third.status_code == 202
    # Nor by another way: two wait, so that one that was cancelled waits for its turn.
    assert "2 jobs of this token" in problem_of(
        client.post(f"{made[0].headers['location']}/retry"), 429
    )
    assert client.get(made[0].headers["location"]).json()["state"] == "cancelled"
    # What somebody else has asked for stays theirs.
    api.client.post("/api/jobs", json=work_on(api, 1, every_s=5.0))
    problem_of(client.post("/api/jobs", json=work_on(api, 4, every_s=5.0)), 429)
    client.delete(third.headers["location"])
    assert client.post(f"{made[0].headers['location']}/retry").status_code == 202
    for job in api.client.get("/api/jobs", params={"state": "pending"}).json()["items"]:
        api.client.delete(f"/api/jobs/{job['job_id']}")
    going(api)
