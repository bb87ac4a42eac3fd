"""The app's part of the queue: what it shares with a terminal, its rules, and what goes wrong."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import lab
from lab.app.server import state as desks
from lab.app.server.left_clips import TakenOver, take_over, work_for_app
from lab.app.ui.widgets.batch_source import document_for_page, find_in_roots
from lab.errors import ForbiddenError, SettingError
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import AppliedRule, Work
from lab.jobs.queue.file import _SCHEMA
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.rules.rule import Debounce, Rule
from lab.runs.apply import apply
from tests.builders import ended_jobs

ANALYSES = [{"name": "visual", "detector": {"name": "visual"}, "interval_s": 0.5}]
WORK = Work(ANALYSES)
RULE = Rule.coerce(Debounce(enter_threshold=0.2))


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path))
    desks.app_state.cache_clear()
    yield desks.app_state()
    desks.app_state().close()
    desks.app_state.cache_clear()


@pytest.fixture
def clip(tmp_path, samples):
    return shutil.copy(samples / "cat_then_person.mp4", tmp_path / "clip.mp4")


def queued(*paths):
    return [QueuedClip(str(path), Stamp()) for path in paths]


@pytest.mark.long
def test_sightings_are_saved_as_clips_finish_and_no_other_rule_becomes_current(app, clip):
    app.analyses.start(queued(clip), WORK)
    (job,) = ended_jobs(app)
    store = app.store
    assert store.count_sightings() == 0
    (run,) = store.runs()
    apply(store, RULE, run["protocol_hash"])
    found = store.count_sightings()
    other = AppliedRule(Rule.coerce(Debounce(enter_threshold=0.9)), "strict")
    app.analyses.start(queued(clip), replace(WORK, rule=other))
    one, two = ended_jobs(app)
    assert two.was_there
    assert two.run_ids == job.run_ids == one.run_ids
    current = store.current_rules(run["protocol_hash"])[run["protocol_hash"]]
    assert current.rule.rule_hash == RULE.rule_hash
    copy = shutil.copy(clip, clip.with_name("more.mp4"))
    with open(copy, "ab") as file:
        file.write(b"\0\0\0\x10freemark")  # another video with the same pictures
    app.analyses.start(queued(copy), replace(WORK, is_current=True))
    assert ended_jobs(app)[-1].state == "done"
    (again,) = [row for row in store.runs() if row["run_id"] != run["run_id"]]
    wanted = {"run_id": again["run_id"], "rule_hash": RULE.rule_hash}
    assert store.count_sightings(**wanted) == found > 0


def test_a_terminal_does_what_the_app_has_queued_as_a_page_may(app, clip, tmp_path):
    with JobQueue(app.store.folder) as queue:
        python = [{"name": "own", "detector": {"name": "python", "target": "os:getcwd"},
                   "interval_s": 0.5}]  # fmt: skip
        for name, analyses in (("app-1", ANALYSES), ("app-2", python)):
            what = Work(analyses, is_app=True).to_dict()
            queue.add(name, what, [(str(clip), Stamp())])
    command = [sys.executable, "-m", "lab", "batch", "--resume", "--store", str(app.store.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "which a page may not ask for" in done.stderr
    assert "Traceback" not in done.stderr
    assert [row["detector"] for row in app.store.runs()] == ["visual"]


def test_what_a_terminal_has_queued_is_shown_and_left_to_it(app, clip):
    with JobQueue(app.store.folder) as queue:
        queue.add("w", Work(ANALYSES).to_dict(), [("/other.mp4", Stamp())])
    app.analyses.start(queued(clip), WORK)
    queue = app.analyses.queue
    while queue.counts()["done"] < 1:
        assert queue.counts()["failed"] == 0
        time.sleep(0.05)
    assert queue.counts()["waiting"] == 1
    assert queue.forget_ended() == 1
    assert [job.path for job in queue.jobs()] == ["/other.mp4"]


TERMINAL = """
import sys, time
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from pathlib import Path
import json
queue = JobQueue(Path(sys.argv[1]))
queue.add("term", json.loads(sys.argv[2]), [(path, Stamp()) for path in sys.argv[3:]], priority=3)
print("queued", flush=True)
time.sleep(600)
"""


def test_what_a_killed_terminal_left_is_taken_over_and_what_one_is_at_is_not(app, clip, tmp_path):
    what = json.dumps(Work(ANALYSES).to_dict())
    app.analyses.start(queued(clip), WORK)
    (done,) = ended_jobs(app)
    more = shutil.copy(clip, tmp_path / "more.mp4")
    words = [str(app.store.folder), what, str(more), str(clip), "/etc/passwd"]
    terminal = subprocess.Popen([sys.executable, "-c", TERMINAL, *words], stdout=subprocess.PIPE)
    try:
        assert terminal.stdout.readline() == b"queued\n"
        queue = app.analyses.queue
        assert queue.left_behind() == {}
        assert take_over(app) == TakenOver()
    finally:
        terminal.kill()
        terminal.wait()
        terminal.stdout.close()
    assert queue.left_behind() == {"term": 3}
    taken = take_over(app)
    assert taken.count == 2
    assert taken.reasons == {"they lie outside of the media roots": 1}
    while sum(queue.counts("state IN ('waiting', 'running')").values()) > 1:
        time.sleep(0.05)
    jobs = {job.path: job for job in queue.jobs()}
    assert jobs[str(more)].state == jobs[str(clip)].state == "done"
    assert jobs[str(more)].priority == 3
    assert jobs[str(clip)].job_id == done.job_id
    assert queue.left_behind() == {"term": 1}
    assert [job.path for job in queue.jobs("state = 'waiting'")] == ["/etc/passwd"]
    assert len(app.store.runs()) == 1  # one video under two names


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"document": "/studies/evening.yaml"}, "evening.yaml is read by a terminal alone"),
        (Work([{**ANALYSES[0], "detector": {"name": "python", "target": "os:getcwd"}}]).to_dict(),
         "which a page may not ask for"),
        (Work([{**ANALYSES[0], "detector": {"name": "yolo", "weights": "/own.pt"}}]).to_dict(),
         "outside of the models folder"),
    ],
)  # fmt: skip
def test_what_a_page_may_not_ask_for_stays_with_the_terminal(app, clip, what, words):
    with JobQueue(app.store.folder) as terminal:
        terminal.add("term", what, [(str(clip), Stamp())])
    taken = take_over(app)
    assert taken.count == 0
    ((reason, count),) = taken.reasons.items()
    assert words in reason
    assert count == 1
    assert app.analyses.queue.counts()["waiting"] == 1


def test_weights_of_the_models_folder_are_taken_over_by_their_name(app, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    detector = {"name": "yolo", "weights": str(tmp_path / "models" / "own.onnx")}
    work = work_for_app(app, Work([{**ANALYSES[0], "detector": detector}]).to_dict())
    assert work.analyses[0]["detector"] == {"name": "yolo", "weights": "own.onnx"}


def test_a_detector_that_cannot_be_made_fails_all_its_clips_at_once_and_a_rule_too(app, tmp_path):
    clips = queued(*(tmp_path / f"{i}.mp4" for i in range(30)))
    wrong = [{"name": "a", "detector": {"name": "visual", "blocks": "no"}, "interval_s": 0.5}]
    for clip in clips:
        shutil.copy(__file__, clip.path)
    app.analyses.start(clips, Work(wrong))
    jobs = ended_jobs(app)
    assert {job.state for job in jobs} == {"failed"}
    assert len({job.reason for job in jobs}) == 1
    assert sum(job.claims for job in jobs) <= 2
    unicorns = AppliedRule(Rule.from_dict(RULE.to_dict() | {"only": ["unicorn"]}))
    app.analyses.start(clips[:1], replace(WORK, rule=unicorns))
    assert "unicorn" in ended_jobs(app)[-1].reason


def test_a_file_outside_the_roots_or_replaced_fails_with_the_reason(app, clip, tmp_path, samples):
    media = app.store.add_media(lab.probe(clip))
    shutil.copy(samples / "nothing.mp4", clip)
    chosen = QueuedClip(str(clip), Stamp.of(clip), media["media_id"])
    app.analyses.start([chosen, *queued("/etc/passwd")], WORK)
    replaced, outside = ended_jobs(app)
    assert "another video" in replaced.reason
    assert "not under the media_roots" in outside.reason
    assert not app.store.runs()


def test_priorities_pause_and_cancel_reach_what_waits(app, tmp_path):
    app.analyses.start([], WORK)
    queue = app.analyses.queue
    queue.pause()
    one, two, three = app.analyses.start(queued(*(tmp_path / f"{i}.mp4" for i in range(3))), WORK)
    queue.put_first([three])
    queue.put_last([one])
    assert [job.job_id for job in queue.page(["waiting"], 9)] == [three, two, one]
    queue.cancel([two])
    queue.go_on()
    app.analyses.go_on()
    states = [job.state for job in ended_jobs(app)]
    assert states == ["failed", "cancelled", "failed"]
    assert queue.jobs("job_id = ?", three)[0].changed < queue.jobs("job_id = ?", one)[0].changed


def test_a_queue_of_the_version_before_is_brought_up(tmp_path):
    with sqlite3.connect(tmp_path / "jobs.sqlite") as db:
        db.executescript(_SCHEMA + "PRAGMA user_version = 1;")
        db.execute("INSERT INTO work VALUES ('w', '{\"analyses\": [], \"rule\": null}', 1.0)")
        db.execute("INSERT INTO jobs (work_id, path, state, changed) VALUES "
                   "('w', '/a.mp4', 'waiting', 1.0)")  # fmt: skip
    db.close()
    with JobQueue(tmp_path) as queue:
        (job,) = queue.jobs()
        assert (job.path, job.clip_id, job.rate_hz) == ("/a.mp4", None, None)
        queue.take_up("w")
        assert queue.claim().job_id == job.job_id
        (index,) = queue._db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'next_job'")
        assert index[0] == 1


# What a page may name


def test_a_folder_or_pattern_is_looked_for_under_the_roots_alone(app, clip, tmp_path):
    deep = tmp_path / "cards" / "a 'b' \N{FOX FACE}"
    deep.mkdir(parents=True)
    for folder in (deep, tmp_path / "cards"):
        shutil.copy(clip, folder / "IMG 1.mp4")
    (deep / "out.mp4").symlink_to("/etc/passwd")
    (deep / "loop").symlink_to(tmp_path / "cards", target_is_directory=True)
    (tmp_path / "cards" / os.fsdecode(b"caf\xe9.mp4")).touch()
    found = find_in_roots(app.config, "cards")
    assert set(found.clips) == {str(deep / "IMG 1.mp4"), str(tmp_path / "cards" / "IMG 1.mp4")}
    reasons = sorted(found.refused.values())
    assert any("leads out of the media roots" in why for why in reasons)
    assert any("not UTF-8" in why for why in reasons)
    assert set(find_in_roots(app.config, f"{tmp_path}/cards/*/IMG*.mp4").clips) == {
        str(deep / "IMG 1.mp4")
    }
    for wrong in ("/etc/*.mp4", "../../*", "/"):
        with pytest.raises(ForbiddenError, match="not under the media_roots"):
            find_in_roots(app.config, wrong)
    with pytest.raises(SettingError, match="null"):
        find_in_roots(app.config, "a\0b")
    with pytest.raises(SettingError, match="there is no nowhere"):
        find_in_roots(app.config, "nowhere/at/all")


def document(**more):
    whole = {"version": 1, "source": {"type": "file", "path": "clip.mp4"},
             "analyses": [{"detector": "visual"}]}  # fmt: skip
    return json.dumps(whole | more).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (document(sinks=[{"type": "csv", "path": "a.csv"}]), "keeps sightings in its store alone"),
        (document(source={"type": "file", "path": "${HOME}"}), "has variables"),
        (document(analyses=[{"detector": "python", "settings": {"target": "os:a"}}]), "page may"),
        (document(analyses=[{"detector": "yolo", "settings": {"weights": "/etc/x.pt"}}]),
         "a file of the models folder"),
        (b"\xff\xfe", "not a text in UTF-8"),
        (b"[" * 2_000_000, "more than"),
        (b"[1, 2", "not JSON"),
    ],
)  # fmt: skip
def test_a_document_from_a_page_does_only_what_a_page_may(app, tmp_path, text, words):
    with pytest.raises(SettingError, match=words):
        document_for_page(app, text, "job.json", tmp_path)


@pytest.mark.long
def test_a_document_from_a_page_is_done_with_its_rules(app, clip, tmp_path):
    from lab.jobs.batch.work import work_of_document

    text = document(sinks=[{"type": "store", "name": "mine"}])
    work = work_of_document(document_for_page(app, text, "job.json", tmp_path), None)
    app.analyses.start(queued(clip), work)
    (job,) = ended_jobs(app)
    assert job.state == "done", job.reason
    assert [row["name"] for row in app.store.rules()] == ["mine"]
