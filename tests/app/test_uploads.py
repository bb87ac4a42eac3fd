"""Uploads that are analysed while they come, over real connections, with real workers."""

import asyncio
import hashlib
import http.client
import json
import threading
from urllib.parse import quote, urlsplit

import httpx2
import pytest

import lab
from lab.access.asker import Asker
from lab.app.server.live_results.hub import LiveResults
from lab.app.server.live_results.messages import Key
from lab.app.server.live_results.outbox import Outbox
from lab.errors import NotFoundError
from lab.rules.rule import Debounce, LabelRule, Rule
from tests.app.live_server import following, served
from tests.app.upload_clips import KINDS
from tests.app.upload_server import (
    ASKED,
    UploadServer,
    content_range,
    curl,
    dying_client,
    lines_of,
    rows_of,
    slowly,
    until,
)
from tests.guarded import BEARER


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = UploadServer(tmp_path_factory.mktemp("server"), silence_s=60, max_upload_bytes=8 << 20)
    yield made
    made.close()


@pytest.mark.parametrize("name", KINDS)
def test_the_log_is_that_of_the_file_part_for_part(server, kinds, tmp_path, name):
    clip = kinds / name
    upload_id = f"kind-{name}"
    address = f"{server.url}/api/uploads/{upload_id}?name={name}&{ASKED}"
    sent = curl("--limit-rate", "400k", "-T", clip, address)
    known = json.loads(sent.stdout)
    assert (known["state"], known["bytes"]) == ("complete", clip.stat().st_size), sent
    assert known["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    known = server.ended(upload_id)
    assert known["analysis"]["state"] == "done", known["analysis"]["error"]
    run = server.run(known["run_ids"][0])
    alone = lab.analyze(
        clip, detector="visual", labels=["brightness", "contrast"], every_s=0.2,
        store=tmp_path / "store", progress=False,
    )  # fmt: skip
    assert rows_of(run.store.log_folder(run.run_id)) == rows_of(
        alone.store.log_folder(alone.run_id)
    )
    assert (run.recipe, run.state) == (alone.recipe, "done")
    assert run.row["recipe_hash"] == alone.row["recipe_hash"]
    ours = ("path", "mtime_ns", "media_id")
    facts = {k: v for k, v in alone.media.items() if not k.endswith("_utc") and k not in ours}
    assert {k: run.media[k] for k in facts if k in run.media and k != "name"} == {
        k: v for k, v in facts.items() if k != "name"
    } | {k: run.media[k] for k in ("registered_by",)}
    assert run.media["media_id"] == alone.media["media_id"]
    assert not server.state.store.media_rows(name=f"arriving-{upload_id}")


def test_samples_are_told_while_the_body_is_still_being_sent(server, kinds):
    data = (kinds / "fast.mp4").read_bytes()
    seen, go_on = [], threading.Event()

    def body():
        yield data[: len(data) * 2 // 3]
        assert go_on.wait(60)
        yield data[len(data) * 2 // 3 :]

    address = f"{server.url}/api/uploads/followed?name=fast.mp4&{ASKED}"

    def send():
        headers = {**BEARER, "Content-Length": str(len(data))}
        httpx2.put(address, content=body(), headers=headers, timeout=60)

    sending = threading.Thread(target=send)
    sending.start()
    until(lambda: server.ask("GET", "/api/uploads/followed").status_code == 200)
    follow = f"{server.url}/api/uploads/followed/events"
    with httpx2.stream("GET", follow, headers=BEARER, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line[6:])
            seen.append(event["type"])
            if event["type"] == "sample" and not go_on.is_set():
                known = server.known("followed")
                assert known["state"] == "receiving"
                run = server.run(known["run_ids"][0])
                assert run.state == "running"  # it is in the store while it grows
                assert run.media["media_id"].startswith("arriving-")
                go_on.set()
    sending.join()
    assert seen.index("started") < seen.index("sample") < seen.index("summary")
    assert seen[-1] == "end"
    again = server.ask("GET", "/api/uploads/followed/events").text
    last = [line for line in again.splitlines() if line.startswith("id: ")][-3]
    headers = {"Last-Event-ID": last[4:]}
    rest = server.ask("GET", "/api/uploads/followed/events", headers=headers).text
    assert rest.count("data: ") == 3  # the summary, how far it is, and the end


@pytest.mark.long
def test_curl_is_answered_a_line_for_each_sample(server, kinds):
    rule = "debounce=%7B%22enter_threshold%22%3A0.3%7D"
    address = f"{server.url}/api/detect/video?{ASKED}&{rule}&name=car.mp4"
    answer = curl("--limit-rate", "100k", "-X", "POST", "-T", kinds / "fast.mp4", address)
    lines = lines_of(answer.stdout)
    kinds_of_lines = [line["type"] for line in lines]
    assert (kinds_of_lines[0], kinds_of_lines[-1]) == ("accepted", "end")
    summary = next(line for line in lines if line["type"] == "summary")
    assert summary["effort"]["samples"] == kinds_of_lines.count("sample")
    assert [one["label"] for one in summary["sightings"]] == ["brightness"]
    assert "opened" in {line["state"] for line in lines if line["type"] == "sighting"}


@pytest.mark.long
def test_what_is_no_video_is_refused_before_it_has_come(server):
    data = b"\x93 no video at all " * (7_000_000 // 17)
    answer = server.ask(
        "PUT",
        f"/api/uploads/garbage?name=x.mp4&{ASKED}",
        content=slowly(data, 60, 0.5),  # a worker is started first
        headers={"Content-Length": str(len(data))},
    )
    assert answer.status_code == 422, answer.text
    assert "is not a video" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    known = server.known("garbage")
    assert (known["state"], known["run_ids"]) == ("failed", [])
    assert not (server.state.store.uploads_folder / "garbage" / "x.mp4.part").exists()
    detect = server.ask(
        "POST", f"/api/detect/video?{ASKED}", content=data[:500_000]
    )  # too short to tell before its end
    lines = lines_of(detect.text)
    assert any("not a video" in str(line.get("error")) for line in lines), lines


def test_a_truncated_file_is_analysed_as_far_as_it_goes(server, kinds):
    data = (kinds / "fast.mp4").read_bytes()[:-100_000]
    path = f"/api/uploads/truncated?name=cut.mp4&{ASKED}"
    assert server.ask("PUT", path, content=slowly(data)).status_code == 200
    known = server.ended("truncated")
    run = server.run(known["run_ids"][0])
    assert run.state == "done"
    assert "cut off" in run.media["warning"] or "breaks off" in run.media["warning"]
    assert len(run.log.pts_us)


def test_a_client_that_dies_leaves_an_interrupted_run_that_is_gone_on_with(server, kinds, tmp_path):
    clip = kinds / "fast.mp4"
    data, path = clip.read_bytes(), f"/api/uploads/dying?name=car.mp4&{ASKED}"
    connection = dying_client(server, path, data, len(data) * 2 // 3)
    # Until something was seen.
    until(lambda: server.ask("GET", "/api/uploads/dying").status_code == 200)
    until(lambda: server.state.uploads._known["dying"].events_file.exists())
    file = server.state.uploads._known["dying"].events_file
    until(lambda: b'"sample"' in file.read_bytes())
    connection.close()
    known = server.ended("dying")
    assert known["state"] == "interrupted"
    run = server.run(known["run_ids"][0])
    assert run.state == "interrupted"
    assert "broke off" in run.error
    seen = len(run.log.pts_us)
    assert seen > 0
    wrong = server.ask("PUT", path, content=data[5:], headers=content_range(5, len(data)))
    assert wrong.status_code == 409
    assert server.ask("PUT", path, content=data).status_code == 409
    rest = known["bytes"]
    again = server.ask("PUT", path, content=data[rest:], headers=content_range(rest, len(data)))
    assert again.status_code == 200, again.text
    known = server.ended("dying")
    assert known["run_ids"] == [run.run_id]
    run = server.run(run.run_id)
    assert run.state == "done"
    alone = lab.analyze(
        clip, detector="visual", labels=["brightness", "contrast"], every_s=0.2,
        store=tmp_path / "store", progress=False,
    )  # fmt: skip
    assert rows_of(run.store.log_folder(run.run_id)) == rows_of(
        alone.store.log_folder(alone.run_id)
    )


def test_limits_are_answered_with_their_status(server, tmp_path):
    large = (8 << 20) + 1
    connection = dying_client(server, "/api/uploads/large?name=x.mp4", bytes(large), 0)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 413
    connection.close()
    body = iter([b"x" * (1 << 20)] * 9)  # of no declared length
    answer = server.ask("PUT", "/api/uploads/endless?name=x.mp4", content=body)
    assert answer.status_code == 413
    assert server.known("endless")["state"] == "failed"
    for upload_id in ("a%2Fb", "..", "-a", "a%20b"):
        # A client that leaves the address as it is.
        raw = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        raw.request("PUT", f"/api/uploads/{upload_id}?name=x.mp4", b"x", BEARER)
        assert raw.getresponse().status in (400, 404), upload_id
        raw.close()
    for asked in (
        "every_s=x",
        "every_s=-1",
        "debounce=5",
        "analyses=[]",
        "detector=python",
        "detector=visual&labels=zz",
    ):
        answer = server.ask("PUT", f"/api/uploads/odd?name=x.mp4&{asked}", content=b"x")
        assert answer.status_code == 400, asked
    answer = server.ask("PUT", "/api/uploads/odd?name=x.mp4&labels=" + "a" * 300, content=b"x")
    assert answer.status_code == 400
    answer = server.ask("POST", "/api/detect/video?every_s=x", content=b"x")
    assert answer.status_code == 400


def test_an_upload_is_followed_over_the_websocket(server, kinds):
    content = (kinds / "fast.mp4").read_bytes()
    arrived = threading.Event()

    def body():
        yield content[: len(content) // 2]
        assert arrived.wait(60), "nobody was told of the first half"
        yield content[len(content) // 2 :]

    rule = quote('{"enter_threshold": 0.1, "enter_frames": 1}')
    path = f"/api/uploads/listened?name=fast.mp4&{ASKED}&debounce={rule}"
    headers = {"Content-Length": str(len(content))}
    sending = threading.Thread(
        target=server.ask, args=("PUT", path), kwargs={"content": body(), "headers": headers}
    )
    with served(server.state) as address, following(address) as client:
        sending.start()
        try:
            until(lambda: server.known("listened").get("upload_id"))
            client.subscribe(upload_id="listened")
            until(lambda: client.samples(upload_id="listened") or not client.hear())
            assert server.known("listened")["state"] == "receiving"
        finally:
            arrived.set()
        told = client.hear_until(lambda one: one.get("is_over"))
        sending.join()
        (run_id,) = told["run_ids"]
        assert (told["state"], told["reason"], told["bytes"]) == ("complete", None, len(content))
        log = server.run(run_id).log
        samples = client.samples(upload_id="listened")
        first = len(log.pts_us) - len(samples)  # it is told the five latest, and what comes
        assert [one["pts_s"] for one in samples] == (log.pts_us[first:] / 1e6).tolist()
        assert {(one["width_px"], one["height_px"]) for one in samples} == {(768, 432)}
        assert [len(one["detections"]) for one in samples] == [
            int((log.sample == i).sum()) for i in range(first, len(log.pts_us))
        ]
        (summary,) = told["summaries"]
        events = [event for one in client.heard for event in one.get("events", ())]
        opened = {(one["label"], one["onset_s"]) for one in events if one["state"] == "opened"}
        assert opened == {(one["label"], one["onset_s"]) for one in summary["sightings"]}
        assert opened
        client.say("subscribe", upload_id="nothing")
        said = client.hear()
        assert (said["type"], said["code"]) == ("error", "not_found")

    async def follow():
        other = Asker(name="other", scope="analyse", token_id="other")
        key = Key("upload_id", "listened")
        await LiveResults(server.state, 1).follow(key, Outbox(), {}, other)

    with pytest.raises(NotFoundError, match="no upload 'listened'"):
        asyncio.run(follow())


@pytest.mark.long
def test_the_current_rule_decides_where_it_is_asked_for(server, kinds):
    """Each of two analyses by its own, and one that has none saves nothing."""
    store = server.state.store
    detector = {"name": "visual", "labels": ["brightness", "contrast"]}
    earlier = lab.analyze(
        kinds / "clip.mkv", detector=detector["name"], labels=detector["labels"], every_s=0.4,
        store=store, progress=False,
    )  # fmt: skip
    rule = Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.2, enter_frames=1)))
    store.set_current_rule(earlier.protocol_hash, rule, name="bright")
    analyses = [
        {"name": name, "detector": detector, "interval_s": every_s, "rules": "current"}
        for name, every_s in (("without", 0.5), ("with", 0.4))
    ]
    address = f"/api/uploads/by-current?name=fast.mp4&analyses={quote(json.dumps(analyses))}"
    server.ask("PUT", address, content=(kinds / "fast.mp4").read_bytes())
    known = server.ended("by-current")
    assert known["analysis"]["state"] == "done", known["analysis"]["error"]
    without, by_current = (server.run(one) for one in known["run_ids"])
    assert not store.count_sightings(run_id=without.run_id)
    found = store.sightings(run_id=by_current.run_id)
    assert {(row["rule_hash"], row["rule_name"]) for row in found} == {(rule.rule_hash, "bright")}
    assert len(found) == len(by_current.find(rule)) > 0
