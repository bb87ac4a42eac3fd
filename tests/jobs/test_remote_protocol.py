"""What the routes for workers elsewhere take and refuse: tokens, late messages, garbage, paths."""

import io
import socket
import threading
import time
import urllib.request
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lab
from lab.app.cli.main import main
from lab.app.server.live_results.run_reader import RunReader
from lab.arrow_columns import table
from lab.errors import SettingError, SourceError
from lab.jobs.remote.claim import Claim, ClaimEndedError, Opened
from lab.jobs.remote.client import Client, RefusedByAppError
from lab.jobs.remote.clip_folder import ClipFolder
from lab.jobs.remote.message import PART_TYPE, SentPart
from lab.jobs.remote.part_check import check_part
from lab.jobs.remote.sending import Sending
from lab.jobs.remote.worker import QueueWorker
from lab.runs.run import Run
from lab.score_log.parts import DETECTIONS, SAMPLES
from lab.video.media import identify
from tests.builders import ended_jobs
from tests.jobs.remote_app import VISUAL, until


def packed(rows, schema):
    out = io.BytesIO()
    pq.write_table(rows, out, compression="zstd", write_page_checksum=True)
    return out.getvalue()


def part(times, found=(), *, status="ok", reason=None):
    """A part: samples at these times in us; found: (time, label, confidence)."""
    samples = table(
        zip(*[(i, t, status, reason, 0.0, None) for i, t in enumerate(times)], strict=True)
        if times
        else [()] * 6,
        SAMPLES,
    )
    rows = [(t, label, np.float32(c), 0.0, 0.0, 9.0, 9.0, None) for t, label, c in found]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    return SentPart(0, packed(samples, SAMPLES), packed(table(columns, DETECTIONS), DETECTIONS))


def facts(app):
    """Of the clip, as a worker tells them."""
    media = asdict(lab.probe(app.clip_of(None))) | {"path": "/etc/passwd"}
    del media["mtime_ns"]
    return media


class Hand:
    """A worker by hand: each message as it is asked for."""

    def __init__(self, app, name="hand"):
        self.app, self.order = app, app.claim(name)
        self.at = f"/api/work/{self.order['claim']}"

    def opened(self, **more):
        media = more.get("media") or facts(self.app)
        body = {"recipes": self.order["recipes"], "media": media, "counts": [9], "opening_s": 0.1}
        body |= more
        return self.app.ask(f"{self.at}/opened", body)[0]

    def part(self, number, sent, **more):
        content = sent if isinstance(sent, bytes) else sent.to_bytes()
        return self.app.ask(
            f"{self.at}/parts/{number}", content, method="PUT", kind=PART_TYPE, **more
        )[0]

    def outcome(self, number):
        log = {"analysed": 3, "failed_calls": 0, "first_error": None, "error": None, "seconds": 1.0}
        return self.app.ask(f"{self.at}/outcome", {"number": number, "logs": [log]})[0]

    def beat(self, **said):
        return self.app.ask(f"{self.at}/beat", said)[0]


@pytest.fixture
def queued(app, samples):
    """The id of a job that waits; what is left of it is cancelled."""
    clip = app.clip(samples / "nothing.mp4")
    app.clip_of = lambda order: clip
    (job_id,) = app.start(clip)
    yield job_id
    queue = app.here.analyses.queue
    queue.cancel()
    ended_jobs(app.here)


def job_of(app, job_id):
    return app.here.analyses.queue.jobs("job_id = ?", job_id)[0]


def test_a_part_that_is_sent_twice_counts_once_and_no_path_of_the_worker_is_kept(app, queued):
    hand = Hand(app)
    assert hand.opened() == hand.opened() == 200
    label = hand.order["recipes"][0]["labels"][0]
    first, second = part([0, 100_000], [(0, label, 0.5)]), part([200_000])
    assert hand.part(1, first) == hand.part(1, first) == hand.part(2, second) == 200
    assert hand.part(1, first) == 200
    assert hand.outcome(3) == 200
    job = until(lambda: (one := job_of(app, queued)).state == "done" and one)
    run = Run(app.here.store, job.run_ids[0])
    assert run.log.pts_us.tolist() == [0, 100_000, 200_000]
    assert run.log.confidence.tolist() == [0.5]
    assert run.media["path"] == str(app.clip_of(None))
    assert hand.outcome(3) == hand.part(4, part([300_000])) == hand.beat() == 409


def test_a_run_that_was_decoded_on_a_gpu_is_gone_on_with(app, queued, monkeypatch):
    there = {"media": facts(app), "decoded_on": "cuda"}
    monkeypatch.setenv("LAB_DECODING_DEVICE", "cuda")
    first = Hand(app, "first")
    assert first.opened(**there) == first.part(1, part([0, 100_000])) == 200
    assert app.ask(f"{first.at}/back", {"number": 2, "reason": "it ends"})[0] == 200
    (row,) = until(
        lambda: app.here.store.runs(media_id=identify(app.clip_of(None)), state="interrupted")
    )
    assert "gave it back" in row["error"]
    other = Hand(app, "other")
    assert other.order["after_us"] == 100_000
    there["recipes"] = first.order["recipes"]
    assert other.opened(**there) == other.part(1, part([200_000])) == 200
    assert other.outcome(2) == 200
    job = until(lambda: (one := job_of(app, queued)).state == "done" and one)
    run = Run(app.here.store, job.run_ids[0])
    assert run.recipe["decoded_on"] == "cuda"
    assert run.log.pts_us.tolist() == [0, 100_000, 200_000]


@pytest.mark.long
def test_late_messages_of_a_worker_that_was_given_up_are_refused(app, queued):
    late = Hand(app, "late")
    assert late.opened() == late.part(1, part([0, 100_000])) == 200
    # Nothing is heard of it now, until another one has the job.
    other = Hand(app, "other")
    assert other.order["claim"] != late.order["claim"]
    assert other.order["after_us"] == 100_000
    assert late.part(2, part([200_000])) == late.beat() == late.outcome(2) == 409
    assert other.part(1, part([200_000])) == 422  # what it has not opened
    assert other.beat() == 409


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff" * 100,
        b"\x02\x00\x00\x00{}",
        SentPart(0, b"PAR1garbagePAR1", b"").to_bytes(),
        SentPart(7, b"", b"").to_bytes(),
        SentPart(0, part([0]).samples, part([0]).samples).to_bytes(),
        part([]).to_bytes(),
        part([5, 5]).to_bytes(),
        part([5, 4]).to_bytes(),
        part([0], [(1, "brightness", 0.5)]).to_bytes(),
        part([0], [(0, "no label of it", 0.5)]).to_bytes(),
        part([0], status="odd").to_bytes(),
    ],
    ids=range(12),
)
def test_parts_that_are_no_parts_are_refused(garbage):
    claim = Claim({}, None, [["brightness"]], None)
    claim.take(0, Opened([{}], {}, [None], 0.0, "cpu"))
    with pytest.raises(SettingError) as told:
        claim.take(1, SentPart.from_bytes(garbage))
    assert str(told.value).isprintable()
    if "came" not in str(told.value) and garbage[:1] not in (b"", b"\xff", b"\x02"):
        with pytest.raises(ClaimEndedError):
            claim.hear()


@pytest.mark.parametrize("name", ["confidence", "x1_px", "label", "text", "reason"])
def test_values_that_no_log_has_are_refused(name):
    good = part([0], [(0, "x", 0.5)])
    rows = {"samples": pq.read_table(io.BytesIO(good.samples)),
            "detections": pq.read_table(io.BytesIO(good.detections))}  # fmt: skip
    which = "samples" if name == "reason" else "detections"
    kind = rows[which].schema.field(name)
    odd = ["y" * 2000] if kind.type == pa.string() else [float("nan")]
    at = rows[which].column_names.index(name)
    rows[which] = rows[which].set_column(at, kind, pa.array(odd, kind.type))
    assert check_part(good.samples, good.detections, ["x"], -1) == (1, 0)
    with pytest.raises(SettingError, match="the log goes to 0 us"):
        check_part(good.samples, good.detections, ["x"], 0)
    with pytest.raises(SettingError):
        check_part(packed(rows["samples"], SAMPLES), packed(rows["detections"], DETECTIONS), [], -1)


@pytest.mark.long
def test_a_worker_that_sends_garbage_is_given_up_and_another_gets_the_clip(app, queued):
    hand = Hand(app, "garbage")
    assert app.ask(f"{hand.at}/opened", b"[1, 2")[0] == 422
    assert hand.beat() == 409
    again = Hand(app, "good")
    assert "was refused" in job_of(app, queued).reason
    assert again.opened() == 200
    assert again.part(1, b"garbage") == 422
    assert again.outcome(2) == 409


def test_the_run_of_a_worker_that_is_lost_is_interrupted_and_not_over(app, queued):
    hand = Hand(app, "lost")
    assert hand.opened() == hand.part(1, part([0, 100_000])) == 200
    assert hand.part(2, b"garbage") == 422
    until(lambda: job_of(app, queued).tries == 1)
    assert job_of(app, queued).state in ("waiting", "running")
    (row,) = app.here.store.runs(media_id=identify(app.clip_of(None)))
    told = RunReader(app.here.store, row["run_id"]).open()
    assert told.state["state"] == "interrupted"
    assert "the worker lost was given up" in told.state["reason"]
    assert len(told.samples) == 2


def test_who_lists_jobs_sees_the_worker_that_has_one(app, queued, capsys):
    hand = Hand(app, "gpu-box")
    assert main(["jobs", "--store", str(app.here.store.folder)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("mp4: at the worker gpu-box")
    there = {"Authorization": f"Bearer {app.tokens['read']}"}
    asked = urllib.request.Request(f"{app.url}/metrics", headers=there)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert 'sighting_lab_queue_workers{state="busy"} 1.0' in answer.read().decode()
    assert app.ask(f"{hand.at}/back", {"number": 0, "reason": "it ends"})[0] == 200
    until(lambda: (one := job_of(app, queued)).state == "waiting" and one.reason is None)


def test_a_cancelled_job_is_taken_from_its_worker(app, queued):
    hand = Hand(app)
    assert hand.opened() == hand.beat() == 200
    app.here.analyses.queue.cancel([queued])
    until(lambda: hand.beat() == 409)
    assert until(lambda: job_of(app, queued).state == "cancelled" and "cancelled")


def test_others_are_answered_while_a_part_is_checked(app, queued):
    hand, answers = Hand(app), []
    assert hand.opened() == 200
    claims = [one.link.claim for one in app.here.workers._links.values()]
    (claim,) = [one for one in claims if one and one.claim_id == hand.order["claim"]]
    with claim._taking:  # as while it is checked
        waiting = threading.Thread(target=lambda: answers.append(hand.outcome(1)))
        waiting.start()
        assert hand.beat() == 200
        app.here.analyses.queue.cancel([queued])
        until(lambda: hand.beat() == 409)
        assert not answers
    waiting.join(60)
    assert answers == [409]


def test_jobs_are_held_and_cancelled_after_a_fault_in_renewing_them(app, queued):
    hand, analyses = Hand(app), app.here.analyses
    job = until(lambda: analyses.live().get(queued))
    job.total = 2**80  # no number of SQLite
    until(lambda: "could not be renewed: OverflowError" in (analyses.problem or ""))
    job.total = None
    until(lambda: analyses.problem is None)
    analyses.queue.cancel([queued])
    until(lambda: hand.beat() == 409)


@pytest.mark.long
def test_a_worker_that_is_there_and_gets_nothing_done_loses_its_clip(app, queued, monkeypatch):
    monkeypatch.setattr(app.here.workers, "stuck_s", 2.0)  # of workers that come from now on
    hand = Hand(app, "hangs")
    end, done = time.monotonic() + 2.5, 0
    while time.monotonic() < end:
        done += 1
        assert hand.beat(done=done) == 200
        time.sleep(0.1)
    until(lambda: hand.beat(done=done) == 409)
    words = "the worker hangs got nothing done for 2 s, though it is there"
    until(lambda: words in (job_of(app, queued).reason or ""))
    assert job_of(app, queued).tries == 1
    assert Hand(app, "good").beat(done=-1) == 422


def test_a_worker_that_comes_once_does_what_waits_and_ends(app, samples, tmp_path):
    clips = [app.clip(samples / "nothing.mp4") for _ in range(2)]
    jobs = app.start(*clips, analyses=[VISUAL | {"interval_s": 1.0}])
    with ClipFolder(1 << 30, tmp_path) as folder:
        client = Client(app.url, app.tokens["analyse"], "once", "once")
        QueueWorker(client, folder, is_once=True).run()
    assert [job_of(app, one).state for one in jobs] == ["done", "done"]


def test_a_clip_that_one_worker_cannot_do_is_left_to_others(app, queued):
    hand = Hand(app, "other weights")
    body = {"number": 0, "reason": "its weights\n differ", "is_unfit": True}
    assert app.ask(f"{hand.at}/back", body)[0] == 200
    reason = "the worker other weights left it to others: its weights  differ"
    until(lambda: (one := job_of(app, queued)).state == "waiting" and one.reason == reason)
    claim = {"worker": "other weights", "name": "n", "version": lab.__version__, "wait_s": 1.5}
    assert app.ask("/api/work/claim", claim)[0] == 204
    fit = Hand(app, "fit")
    assert fit.order["media_id"] == hand.order["media_id"]
    fit.order["recipes"][0]["labels"] = ["another model"]
    assert fit.opened() == 200
    until(lambda: fit.beat() == 409)
    until(lambda: "is another one there" in job_of(app, queued).reason)
    assert job_of(app, queued).state == "waiting"


def test_the_clip_of_a_claim_can_be_read_in_pieces_and_no_other_file(app, queued):
    hand = Hand(app)
    asked = urllib.request.Request(
        f"{app.url}{hand.at}/clip",
        headers={"Authorization": f"Bearer {app.tokens['analyse']}", "Range": "bytes=10-19"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 206
        assert answer.read() == app.clip_of(None).read_bytes()[10:20]
    for odd in ("..", "%2e%2e%2f%2e%2e%2fetc", "x" * 400, "%00", hand.order["claim"][:-1]):
        assert app.ask(f"/api/work/{odd}/clip", method="GET")[0] in (403, 404, 409, 422)


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("nobody's", 401), ("read", 403)])
def test_a_worker_needs_a_token_with_the_scope_analyse(app, tmp_path, token, status):
    body = {"worker": "w", "name": "w", "version": lab.__version__, "wait_s": 0}
    assert app.ask("/api/work/claim", body, token=token)[0] == status
    with ClipFolder(1 << 20, tmp_path) as clips:
        client = Client(app.url, app.tokens.get(token, "nobody's"), "w", "w")
        with pytest.raises(RefusedByAppError, match="scope analyse") as told:
            QueueWorker(client, clips).run()
    assert ("not one of those that are valid" in str(told.value)) == (status == 401)
    assert "open the address" not in str(told.value)


def test_a_claim_is_of_the_token_that_made_it(app, queued):
    hand = Hand(app)
    assert app.ask(f"{hand.at}/beat", token="start")[0] == 409
    assert hand.beat() == 200


def test_another_version_and_odd_bodies_are_told_so(app):
    good = {"worker": "w", "name": "w", "version": lab.__version__, "wait_s": 0}
    status, answer = app.ask("/api/work/claim", good | {"version": "0.0"})
    assert (status, "install the same version" in answer["detail"]) == (422, True)
    for odd in ({"worker": "../x"}, {"worker": 3}, {"wait_s": "long"}, {"name": None}):
        assert app.ask("/api/work/claim", good | odd)[0] in (404, 422), odd


def test_a_clip_that_is_another_one_is_not_kept(samples, tmp_path):
    clip = samples / "nothing.mp4"
    with ClipFolder(10 << 20, tmp_path) as clips:

        def write(path):
            path.write_bytes(clip.read_bytes()[:-1] + b"x")
            return True

        with pytest.raises(SourceError, match="not the clip"):
            clips.get(identify(clip), "nothing.mp4", clip.stat().st_size, write)
        for odd in ("../../../etc/x", "0" * 15, "zz" * 8):
            with pytest.raises(SourceError):
                clips.get(odd, "x.mp4", 1, write)
        with pytest.raises(SettingError, match="--keep-gb"):
            clips.get("0" * 16, "x.mp4", 11 << 20, write)
        assert not list(clips.path.iterdir())


def test_detectors_that_are_not_the_apps_are_left_to_others(tmp_path):
    with ClipFolder(1 << 20, tmp_path) as clips:
        worker = QueueWorker(Client("http://127.0.0.1:9", "t", "w", "w"), clips)
        (made,) = worker._detectors([VISUAL], None)
        worker._detectors([VISUAL], [made.recipe()])
        with pytest.raises(Exception, match="another one than the app's: weights_hash differ"):
            worker._detectors([VISUAL], [made.recipe() | {"weights_hash": "0"}])
        evil = VISUAL | {"detector": {"name": "python", "target": "os:getcwd"}}
        with pytest.raises(Exception, match="may not ask for"):
            worker._detectors([evil], None)


def test_a_worker_that_is_to_end_does_not_wait_for_an_app_that_is_gone():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it listens to none
        client = Client(f"http://127.0.0.1:{nobody.getsockname()[1]}", "t", "w", "w")
        ending = threading.Event()
        threading.Timer(0.5, ending.set).start()
        with Sending(client, "c", 0.1, ending.is_set, lambda: None, patience_s=0.3) as sending:
            for _ in range(100):  # more than may wait
                sending.part(SentPart(0, b"", b""))
            sending.back("it ends")
            sending.finish()
        assert ending.is_set()
        assert sending.dropped is None


def test_a_worker_that_does_not_come_to_drop_a_clip_is_ended(app):
    stuck = threading.Event()
    client = Client(app.url, app.tokens["analyse"], "w", "w")
    with Sending(client, "of nobody", 0.1, lambda: False, stuck.set, leave_s=0.5) as sending:
        until(lambda: sending.dropped)
        for _ in range(10):
            sending.count()
            assert not stuck.wait(0.1)
        assert stuck.wait(60)
