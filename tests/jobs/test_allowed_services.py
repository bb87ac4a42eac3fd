"""What a page may send pictures and secrets to: only what the settings allow."""

import json

import pytest
import streamlit as st

import lab
from lab.app.cli.main import main
from lab.app.server import state as desks
from lab.config import AllowedService, load_config
from lab.detectors.trust import check_allowed
from lab.errors import SettingError
from lab.jobs.local import LocalEngine
from tests.builders import ended_jobs
from tests.detectors.servers import JsonServer, Reply
from tests.pages.test_pages import show

SECRET = "hunter2hunter2"


class Worker(JsonServer):
    """A remote worker that notes everything that it is sent, and finds nothing."""

    def reply(self, method, path, headers, body, number):
        return Reply({"detections": []} if method == "POST" else {})


@pytest.fixture
def worker():
    with Worker() as running:
        yield running


@pytest.fixture
def other():
    with Worker() as running:
        yield running


@pytest.fixture
def allowed(worker, tmp_path, monkeypatch):
    """A folder whose lab.toml allows one worker, with one variable; it is the current one."""
    (tmp_path / "lab.toml").write_text(
        'store = "store"\n[[services]]\ndetector = "remote"\n'
        f'address = "{worker.url}"\ntoken_env = "LAB_TEST_TOKEN"\n'
    )
    for name in ("STORE", "SERVICES"):
        monkeypatch.delenv(f"LAB_{name}", raising=False)
    monkeypatch.setenv("LAB_TEST_TOKEN", "for-the-worker")
    monkeypatch.setenv("LAB_TEST_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def engine(allowed):
    made = LocalEngine()
    yield made
    made.close()


def submit(engine, clip, store, detector):
    one = {"name": "one", "detector": detector, "interval_s": 2.0}
    return engine.submit("analyze", "page", path=str(clip), analyses=[one], store=str(store))


def test_a_worker_sends_only_what_is_allowed_whatever_a_page_asks_for(
    engine, worker, other, samples, allowed
):
    clip, right = samples / "nothing.mp4", {"url": worker.url, "token_env": "LAB_TEST_TOKEN"}
    wrong = [
        {"name": "remote", **right, "token_env": "LAB_TEST_SECRET"},
        {"name": "remote", **right, "url": other.url},
        {"name": "remote", "url": worker.url},
        {"name": "cloud-vision", "endpoint": other.url, "key_env": "LAB_TEST_SECRET"},
        {"name": "cloud-vision", "key_env": "LAB_TEST_SECRET"},
        {"name": "logos", "on": "boxes",
         "boxes_from": {"name": "remote", "url": other.url, "token_env": "LAB_TEST_SECRET"}},
        {"name": "python", "target": "os:system", "command": "touch ran"},
        {"name": "logos", "on": "boxes",
         "boxes_from": {"detector": "python", "plugin": {}, "settings": {"target": "os:system"}}},
    ]  # fmt: skip
    jobs = [submit(engine, clip, allowed / "store", detector) for detector in wrong]
    jobs += [engine.submit("describe", "page", detector=d, store="store") for d in wrong]
    for job in jobs:
        assert job.finished.wait(120)
        assert job.state == "failed"
        assert "page may not" in job.error
        assert SECRET not in job.error
    assert not worker.asked
    assert not other.asked
    assert not (allowed / "ran").exists()
    job = submit(engine, clip, allowed / "store", {"name": "remote", **right})
    assert job.finished.wait(120)
    assert job.state == "done", job.error
    sent = {headers.get("Authorization") for _, _, headers, _ in worker.asked}
    assert sent == {"Bearer for-the-worker"}


def test_ones_own_options_on_the_command_line_are_allowed(allowed, other, samples, capsys):
    code = main(
        ["analyze", str(samples / "nothing.mp4"), "--every", "2", "--detector", "remote",
         "--set", f"url={other.url}", "--set", "token_env=LAB_TEST_SECRET"]
    )  # fmt: skip
    assert code == 0, capsys.readouterr().err
    assert {h.get("Authorization") for _, _, h, _ in other.asked} == {f"Bearer {SECRET}"}


def test_the_token_is_sent_nowhere_that_the_allowed_address_points_to(
    engine, worker, other, samples, allowed
):
    worker.reply = lambda *_: Reply({}, 307, {"Location": f"{other.url}/ai/health"})
    detector = {"name": "remote", "url": worker.url, "token_env": "LAB_TEST_TOKEN"}
    job = submit(engine, samples / "nothing.mp4", allowed / "store", detector)
    assert job.finished.wait(120)
    assert job.state == "failed"
    assert "not followed" in job.error
    assert not other.asked


@pytest.fixture
def page(allowed, samples):
    """The page Analyse over a store with a clip."""
    desks.app_state.cache_clear()
    st.cache_data.clear()
    lab.open_store(allowed / "store").store.add_media(lab.probe(samples / "nothing.mp4"))
    yield show("analyse")
    desks.app_state().close()
    desks.app_state.cache_clear()


def choose(page, detector):
    (box,) = [one for one in page.selectbox if one.label == "Detector"]
    return box.set_value(detector).run()


def test_the_page_offers_the_allowed_services_and_no_text_for_a_variable(page, worker):
    page = choose(page, "remote")
    assert not page.exception
    (service,) = [one for one in page.selectbox if one.label == "Service"]
    assert service.options == [f"{worker.url} · token in LAB_TEST_TOKEN"]
    assert not [one for one in page.text_input if "Variable" in one.label or one.label == "Address"]
    page = choose(page, "cloud-vision")
    assert not page.exception
    assert not [one for one in page.selectbox if one.label == "Service"]
    assert "[[services]] in lab.toml" in page.info[0].value


@pytest.mark.long
def test_a_run_of_an_allowed_service_starts_from_the_page(page, worker):
    page = choose(page, "remote")
    (start,) = [one for one in page.button if one.label == "Start"]
    start.click().run()
    (job,) = ended_jobs(desks.app_state())
    assert job.state == "done", job.reason
    assert worker.posts()


def test_services_are_read_from_the_file_and_the_environment(allowed, worker, monkeypatch):
    (one,) = load_config().services
    assert one == AllowedService(detector="remote", address=worker.url, token_env="LAB_TEST_TOKEN")
    monkeypatch.setenv("LAB_SERVICES", json.dumps([{"detector": "cloud-vision"}]))
    assert load_config().services == (AllowedService(detector="cloud-vision"),)
    monkeypatch.setenv("LAB_SERVICES", "[{")
    with pytest.raises(SettingError, match="LAB_SERVICES must be a list"):
        load_config()


@pytest.mark.parametrize(
    "service",
    [
        {"detector": "yolo", "address": "http://h"},
        {"detector": "remote"},
        {"detector": "remote", "address": "ftp://h"},
        {"detector": "remote", "address": "http://h", "token_env": "s3cret value"},
        {"detector": "remote", "address": "http://h", "token": "x"},
        {"address": "http://h"},
    ],
)
def test_a_service_that_is_not_valid_is_refused_without_its_values(service, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_SERVICES", json.dumps([service]))
    with pytest.raises(SettingError, match="token_env") as caught:
        load_config()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "remote", "url": "http://h:1/ai/"},
        {"name": "remote", "url": "http://h:1"},
        {"name": "cloud-vision"},
        {"name": "motion"},
    ],
)
def test_the_same_address_written_otherwise_is_the_same(settings):
    check_allowed(
        settings,
        [
            AllowedService(detector="remote", address="http://h:1/ai"),
            AllowedService(detector="cloud-vision"),
        ],
    )
