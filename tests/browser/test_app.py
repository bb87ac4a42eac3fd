"""The app in a real Chromium, as a user meets it."""

import json
import os
import signal
import time
import urllib.error
import urllib.request

import psutil
import pytest
from playwright.sync_api import expect

import lab
from lab.store.store import Store
from tests.browser.page_actions import (
    LAB,
    choose_sample,
    open_popover,
    pick,
    set_slider,
    wait_for_setting,
    wait_for_sightings,
)
from tests.browser.server import Server
from tests.quick_set import mostly_long


def wait_for_rule(page, rule_hash, seconds=30):
    end = time.monotonic() + seconds
    while page.locator(LAB).get_attribute("data-rule-hash") != rule_hash:
        assert time.monotonic() < end, "the player shows another rule"
        page.wait_for_timeout(50)


def workers_of(server):
    return [
        c
        for c in psutil.Process(server.process.pid).children(recursive=True)
        if "worker" in c.cmdline()
    ]


@pytest.mark.long
def test_from_a_source_to_a_replayed_sighting(page, server):
    choose_sample(page, server, "cat_comes_and_goes.mp4")
    page.get_by_role("link", name="Analyse 1 clip").click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator(".queue tr.done").wait_for(timeout=60_000)
    page.get_by_role("link", name="Review: cat_comes_and_goes.mp4").click()
    assert wait_for_sightings(page, 2) == 2

    before = {w.pid: w.cpu_times().user for w in workers_of(server)}
    set_slider(page, "enter_threshold", 0.95)
    wait_for_sightings(page, 0)
    set_slider(page, "enter_threshold", 0.4)
    wait_for_sightings(page, 2)
    for worker in workers_of(server):
        assert worker.cpu_times().user - before.get(worker.pid, 0) < 1.0, (
            "a slider must not run the model"
        )
    assert len(Store(server.store).runs()) == 1

    page.get_by_role("button", name="Save sightings").click()
    page.get_by_text("2 sightings saved").wait_for()
    page.get_by_role("link", name="Sightings", exact=True).first.click()
    page.get_by_text("2 of 2 sightings").wait_for()
    page.locator(".sightings .line").nth(1).click(position={"x": 300, "y": 20})
    page.get_by_role("button", name="Open in Review").click()
    page.wait_for_url("**/review?run=*")
    wait_for_sightings(page, 2)
    page.wait_for_timeout(1500)
    t = page.locator("video").evaluate("v => v.currentTime")
    assert t > 8.99  # it plays from the onset


@pytest.mark.long
def test_a_deep_link_on_a_fresh_server_shows_run_and_rule(page, server, analysed, samples):
    (run,) = analysed(server.store, (samples / "cat_then_person.mp4", {}))
    from lab.app.ui.widgets.rule_state import rule_to_query
    from lab.rules.rule import Rule

    rule = Rule.from_dict({"only": ["cat"]})
    page.goto(f"{server.url}/review?run={run.run_id}&rule={rule_to_query(rule)}")
    wait_for_sightings(page, 1)
    wait_for_rule(page, rule.rule_hash)
    assert page.get_by_role("link", name="Library").count() == 1


@pytest.mark.long
def test_the_rule_shown_is_the_rule_saved_after_switching_run_and_loading(
    page, server, analysed, samples
):
    names = ("cat_then_person.mp4", "cat_comes_and_goes.mp4")
    first, second = analysed(server.store, *((samples / name, {}) for name in names))
    store = Store(server.store)
    strict = lab.Rule.from_dict({"default": {"debounce": {"enter_threshold": 0.91}}})
    store.save_rule("strict", strict)
    page.goto(f"{server.url}/review?run={first.run_id}")
    wait_for_sightings(page, 2)
    set_slider(page, "enter_threshold", 0.99)
    wait_for_sightings(page, 0)
    wait_for_setting(page, "enter_threshold", 0.99)
    pick(
        page,
        page.get_by_label("Run", exact=True).first,
        page.get_by_role("option").filter(has_text=second.run_id),
    )
    wait_for_sightings(page, 2)
    wait_for_setting(page, "enter_threshold", 0.4)
    shown = page.locator(LAB).get_attribute("data-rule-hash")
    page.get_by_role("button", name="Save sightings").click()
    page.get_by_text("2 sightings saved").wait_for()
    assert {r["rule_hash"] for r in store.sightings()} == {shown}
    open_popover(page, "Rules")
    pick(page, page.get_by_label("Saved rules"), page.get_by_role("option", name="strict"))
    open_popover(page, "Rules")
    page.get_by_role("button", name="Load 'strict'").click()
    wait_for_setting(page, "enter_threshold", 0.91)
    wait_for_rule(page, strict.rule_hash)
    page.locator(".figures").get_by_role("button", name="Code").click()
    python = page.locator(".code").get_by_role("region", name="Python")
    expect(python).to_contain_text("enter_threshold=0.91")
    expect(python).to_contain_text(second.run_id)
    set_slider(page, "enter_threshold", 0.92)
    expect(python).to_contain_text("enter_threshold=0.92")
    set_slider(page, "enter_threshold", 0.91)
    wait_for_setting(page, "enter_threshold", 0.91)
    page.get_by_role("link", name="Library").click()
    page.get_by_role("link", name="Review").click()
    wait_for_setting(page, "enter_threshold", 0.91)
    assert second.run_id in page.url


@pytest.mark.long
def test_a_refused_upload_leaves_nothing_and_a_known_clip_is_not_kept_twice(
    page, server, samples, tmp_path
):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    page.goto(f"{server.url}/library")
    page.locator(".uploader input[type=file]").set_input_files(str(text))
    page.get_by_text("not added: ").wait_for()
    assert page.get_by_text("is a text file").count() == 1  # beside its name
    page.locator(".uploader input[type=file]").set_input_files(str(samples / "nothing.mp4"))
    page.get_by_text("1 selected").wait_for()
    page.locator(".uploader input[type=file]").set_input_files(str(samples / "nothing.mp4"))
    page.get_by_text("already in the store").wait_for()
    assert len(list((server.store / "uploads").rglob("*.mp4"))) == 1


@pytest.mark.long
def test_boxes_are_drawn_on_the_exact_frame_and_keys_step(page, server, analysed, samples):
    clip = samples / "person_hidden_for_a_moment.mp4"
    (run,) = analysed(server.store, (clip, {"labels": ["person"]}))
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page, 1)
    page.locator(LAB).focus()
    page.keyboard.press("]")
    page.wait_for_timeout(600)
    assert page.locator("canvas.overlay").get_attribute("data-boxes") == "1"
    assert "0:02.40" in page.locator(".time").inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(600)
    assert page.locator("canvas.overlay").get_attribute("data-boxes") == "0"
    assert "under" in page.locator(".why").inner_text()
    page.keyboard.press(" ")
    page.wait_for_timeout(800)
    assert page.locator("video").evaluate("v => v.currentTime") > 2.5


@pytest.mark.long
def test_what_no_browser_plays_is_played_as_a_copy_with_its_boxes(
    page, server, analysed, clips, encode
):
    clip = encode("street.avi", "-t", "8", "-c", "copy", source=str(clips / "vtest.avi"))
    (run,) = analysed(server.store, (clip, {"labels": ["person"], "every_s": 2.0}))
    page.goto(f"{server.url}/review?run={run.run_id}")
    wait_for_sightings(page)
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('*')]; "
        "const r = all.find(e => e.shadowRoot?.querySelector('.lab')); "
        "const v = r?.shadowRoot.querySelector('video'); return v && v.readyState >= 2; }",
        timeout=120_000,
    )
    page.wait_for_timeout(500)
    assert int(page.locator("canvas.overlay").get_attribute("data-boxes")) >= 3


@pytest.mark.long
def test_a_killed_worker_is_told_and_the_run_resumed(page, server, samples, encode):
    clip = encode(
        "long.mp4",
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        source="testsrc2=size=640x360:rate=30:duration=60",
    )
    target = server.store.parent / "long.mp4"
    target.write_bytes(clip.read_bytes())
    store = Store(server.store)
    store.add_media(lab.probe(target))
    page.goto(f"{server.url}/analyse")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel: long.mp4").wait_for()
    end = time.monotonic() + 30
    while not store.runs() and time.monotonic() < end:
        time.sleep(0.1)
    busiest = max(workers_of(server), key=lambda w: w.cpu_times().user)
    os.kill(busiest.pid, signal.SIGKILL)
    page.get_by_text("was killed (SIGKILL)").wait_for()
    page.locator(".queue tr.running").wait_for()  # it is tried again by itself
    page.get_by_role("button", name="Cancel: long.mp4").click()
    page.locator(".queue tr.cancelled").wait_for()
    assert server.is_running()


def ask(server, path, *, method="GET", body=None, **headers):
    request = urllib.request.Request(server.url + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


TOKEN = {"Authorization": "Bearer test-token"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (TOKEN, 200),
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({**TOKEN, "Origin": "http://evil.example"}, 403),
        ({**TOKEN, "Host": "evil.example"}, 403),
        ({**TOKEN, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_foreign_requests_are_refused(api_server, headers, status):
    assert ask(api_server, "/api/health", **headers)[0] == status


def test_a_page_of_another_host_name_is_refused(api_server):
    assert ask(api_server, "/", Host="evil.example")[0] == 403


@pytest.fixture(scope="module")
def api_server(chromium, tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("api"), [])
    yield made
    made.stop()


def test_a_request_that_makes_no_sense_is_one_line(api_server):
    for path, body in (
        ("/api/replay", b"{}"),
        ("/api/replay", b"[1]"),
        ("/api/replay", b"no json"),
    ):
        status, said = ask(api_server, path, method="POST", body=body, **TOKEN)
        assert (status, said.count(b"\n")) == (400, 0)
    body = json.dumps({"run_id": "../..", "rule": {}}).encode()
    status, said = ask(api_server, "/api/replay", method="POST", body=body, **TOKEN)
    assert status == 404
    assert b"no run" in said


def settled_memory(process) -> int:
    sizes = [process.memory_info().rss]
    while len(sizes) < 40 and (len(sizes) < 4 or max(sizes[-4:]) - min(sizes[-4:]) > 2e6):
        time.sleep(1)
        sizes.append(process.memory_info().rss)
    return sizes[-1]


@pytest.mark.parametrize("size", [1 << 28, pytest.param(1 << 30, marks=pytest.mark.long)])
def test_a_large_upload_is_streamed_with_flat_memory(api_server, size):
    process = psutil.Process(api_server.process.pid)
    sent = most = 0

    def chunks():
        nonlocal sent, most
        block = bytes(1 << 20)
        while sent < size:
            yield block
            sent += len(block)
            if sent % (64 << 20) == 0:
                most = max(most, process.memory_info().rss)

    import http.client

    ask(api_server, "/api/uploads/small.mp4", method="PUT", body=b"x" * 100_000, **TOKEN)
    before = settled_memory(process)  # the compiler's start-up is over
    host = api_server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request(
        "PUT", "/api/uploads/big.mp4", chunks(), {**TOKEN, "Content-Length": str(size)}
    )
    answer = connection.getresponse()
    stored = json.loads(answer.read())
    assert stored["bytes"] == size
    assert stored["path"].startswith(str(api_server.store / "uploads"))
    assert most - before < 100e6
    os.unlink(stored["path"])


def test_an_upload_over_the_limit_leaves_nothing(api_server):
    headers = {**TOKEN, "Content-Length": str(5 << 30)}
    import http.client

    connection = http.client.HTTPConnection(api_server.url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", "/api/uploads/huge.mp4")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    assert not list((api_server.store / "uploads").rglob("*.part"))


@pytest.mark.long
def test_a_clip_is_uploaded_in_the_page_and_recognised(page, server, samples):
    page.goto(f"{server.url}/library")
    page.locator(".uploader input[type=file]").set_input_files(str(samples / "nothing.mp4"))
    page.get_by_text("1 selected").wait_for()
    page.get_by_text("640x360").first.wait_for()
    assert len(Store(server.store).all_media()) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "address",
    mostly_long(
        ["/library", "/analyse", "/review", "/sightings", "/tune?run=nonsense&rule=broken"],
        "/tune?run=nonsense&rule=broken",
    ),
)
def test_empty_pages_say_what_to_do_next(page, api_server, address):
    page.goto(api_server.url + address)
    page.locator("[data-testid=stAlert]").first.wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
