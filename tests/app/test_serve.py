"""`lab serve`: all of the app but its pages, without Streamlit, as a supervisor runs it."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests
from starlette.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from lab.access.tokens import Tokens
from lab.app.cli.main import main
from lab.app.server.application import our_routes
from lab.app.server.moved import MOVED
from lab.app.server.state import AppState, app_state
from lab.config import Config
from lab.extras import EXTRAS, package
from lab.feeds.status import read_status
from lab.jobs.queue.job_queue import JobQueue
from lab.rules.rule import Rule
from lab.store.store import Store
from tests.faults.test_app_killed import assert_none_lost, fill_queue
from tests.faults.test_batch_killed import count, few, has_begun, wait_until
from tests.feeds.lamp import Lamp
from tests.guarded import guard
from tests.serving import SECRET, Serving

ROOT = Path(__file__).parents[2]
# Of the packages of the app those that `lab serve` may not need; click comes with uvicorn.
ONLY_OF_THE_APP = {*EXTRAS["app"], *EXTRAS["live"]} - {*EXTRAS["serve"], "click"}


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Where nothing but the extra `serve` is installed, watching a feed."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "missing").mkdir()
    for name in ONLY_OF_THE_APP:
        raising = f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n"
        (folder / "missing" / f"{name}.py").write_text(raising)
    with Lamp() as lamp:
        (folder / "feeds.json").write_text(json.dumps({"feeds": [lamp.feed()]}))
        path = os.pathsep.join([str(folder / "missing"), *filter(None, [os.getenv("PYTHONPATH")])])
        words = ["--feeds", folder / "feeds.json"]
        with Serving(folder / "store", *words, PYTHONPATH=path) as one:
            yield one
            assert one.end() == 0
        assert "Traceback" not in one.said
        assert "handshake" not in one.said  # of sockets that were refused, which is no error
        assert read_status(folder / "store") is None


def test_it_has_the_routes_of_the_app_but_its_pages(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    app_state.cache_clear()
    try:
        of_the_app = runpy.run_path(str(ROOT / "app.py"))["app"]._user_routes
        app_state().close()
    finally:
        app_state.cache_clear()
    here = AppState(Config(store=tmp_path / "store"))
    assert {one.path for one in of_the_app} - {one.path for one in our_routes(here)} == {
        f"/{old}" for old in MOVED
    }
    here.close()


def test_it_answers_without_the_packages_of_the_pages(serving):
    assert "streamlit" in ONLY_OF_THE_APP
    assert serving.ask("/api/health").json() == {"status": "ok"}
    assert serving.ask("/api/openapi.json").status_code == 200
    assert "lab_build_info" in serving.ask("/metrics").text
    assert serving.ask("/").status_code == 404
    assert serving.ask("/api/health", token="").status_code == 401
    assert serving.ask("/api/health", token="wrong").status_code == 401
    assert serving.ask("/api/health", Origin="http://evil.example").status_code == 403


def test_a_socket_that_is_refused_is_told_why_and_is_no_error_of_the_log(serving):
    """`serving` looks at the log when all has ended."""
    url = serving.url.replace("http", "ws", 1) + "/ws/live"
    ours = {"Authorization": f"Bearer {serving.token}"}
    for status, headers in ((401, {}), (403, {**ours, "Origin": "http://evil.example"})):
        with pytest.raises(InvalidStatus) as refused:
            connect(url, additional_headers=headers, open_timeout=60)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["status"] == status
    with connect(url, additional_headers=ours, open_timeout=60) as socket:
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(timeout=60))["type"] == "pong"


def test_it_watches_the_feeds_of_the_file(serving):
    def feeds():
        return serving.ask("/api/feeds").json()

    wait_until(lambda: "lamp" in json.dumps(feeds()))


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_is_open_to_whoever_asks_by_whatever_name_and_says_nothing(serving, path):
    answer = serving.ask(path, token="", Host="10.1.2.3:8501")
    assert (answer.status_code, answer.text) == (200, "ok"), serving.said
    assert "access-control-allow-origin" not in answer.headers
    assert serving.ask("/api/health", Host="10.1.2.3:8501").status_code == 403


def probed(here, path="/readyz"):
    routes = our_routes(here)
    client = TestClient(guard(routes), base_url="http://10.0.0.1:8501")
    answer = client.get(path)
    assert client.post(path).status_code == 403  # no probe, so that its host counts
    return answer.status_code, answer.text


def damage(folder):
    Store(folder).save_rule("a", Rule())
    Store(folder).catalog.give_up()
    (folder / "catalog.duckdb").write_bytes(b"no database" * 1000)


def put_a_file_there(folder):
    folder.write_text("")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(damage, "the store is damaged"), (put_a_file_there, "the store cannot be written")],
)
def test_who_asks_whether_it_is_ready_is_told_what_is_in_the_way(tmp_path, spoil, reason, caplog):
    spoil(tmp_path / "store")
    here = AppState(Config(store=tmp_path / "store"))
    assert probed(here) == (503, reason)
    assert probed(here, "/livez") == (200, "ok")
    assert str(tmp_path) in caplog.text
    here.close()


def test_it_is_not_ready_where_no_worker_starts(tmp_path, monkeypatch, caplog):
    here = AppState(Config(store=tmp_path / "store"))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    assert probed(here) == (503, "workers cannot be started")
    assert "exit code" in caplog.text
    monkeypatch.delenv("PYTHONHOME")
    assert probed(AppState(Config(store=tmp_path / "store"))) == (200, "ok")
    here.close()


def test_another_address_is_refused_where_nobody_has_a_token(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LAB_TOKEN", raising=False)
    # A port that cannot be had, so that nothing is served whatever becomes of it.
    words = ["serve", "--host", "0.0.0.0", "--port", "70000", "--store", str(tmp_path / "store")]
    assert main(words) == 2
    assert "lab token add NAME --scope read" in capsys.readouterr().err
    tokens = Tokens(tmp_path / "store")
    tokens.add("old", "read", lasts_s=1e-9)  # one that ended is none
    assert main(words) == 2
    assert "there is no token" in capsys.readouterr().err
    tokens.add("new", "read")
    assert main(words) == 2
    assert "a port is from 0 to 65535" in capsys.readouterr().err


def test_with_a_token_of_the_store_it_listens_and_says_who_can_reach_it(tmp_path):
    _, secret = Tokens(tmp_path / "store").add("reader", "read")
    with Serving(
        tmp_path / "store", "--host", "0.0.0.0", token=None, LAB_ALLOWED_HOSTS="lab.example.org"
    ) as one:
        one.url = one.url.replace("0.0.0.0", "127.0.0.1")
        assert one.token is None
        assert one.ask("/api/health", secret, Host="lab.example.org").status_code == 200
        assert one.ask("/api/health", secret, Host="other.example.org").status_code == 403
        assert one.end() == 0
    assert "others can reach it" in one.said
    assert "put it behind a proxy with TLS" in one.said
    assert "answers to no name" not in one.said
    assert secret not in one.said


def test_on_this_machine_it_makes_a_token_where_there_is_none(tmp_path):
    with Serving(tmp_path / "store", token=None) as one:
        assert one.ask("/api/health").status_code == 200
        assert one.ask("/api/health", SECRET).status_code == 401


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--feeds", "wrong.yaml"], "wrong.yaml"),
        (["--feeds", "none.yaml"], "none.yaml"),
        (["--port", "{taken}"], "give another port"),
        (["--port", "70000"], "a port is from 0 to 65535"),
        (["--host", "no.such.host.invalid"], "there is no token"),
        (["--store", "wrong.yaml"], "wrong.yaml cannot be made: File exists; name another folder"),
        (["--store", "wrong.yaml/store"], "store cannot be made: Not a directory"),
    ],
)
def test_what_cannot_be_served_is_said(words, reason, serving, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAB_TOKEN", raising=False)
    (tmp_path / "wrong.yaml").write_text("feeds: [")
    given = [word.format(taken=serving.url.rpartition(":")[2]) for word in words]
    assert main(["serve", "--store", str(tmp_path / "store"), *given]) in (1, 2)
    assert reason in capsys.readouterr().err


@pytest.mark.long
def test_what_it_was_at_when_it_was_asked_to_end_is_done_after_the_next_start(samples, tmp_path):
    clips = few(samples, tmp_path / "clips", 3)
    store = tmp_path / "store"
    ids = fill_queue(store, clips)
    roots = {"LAB_MEDIA_ROOTS": str(tmp_path)}
    with Serving(store, **roots) as one:
        wait_until(lambda: has_begun(store, 1), one.process)
        assert one.end() == 0
    assert "Traceback" not in one.said
    with JobQueue(store) as queue:
        assert {job.state for job in queue.jobs()} <= {"waiting", "done"}
    with Serving(store, **roots) as one:
        wait_until(lambda: count(store, "done") == len(clips), one.process)
        assert one.end() == 0
    assert_none_lost(store, ids)


@pytest.mark.long
def test_it_ends_though_nothing_that_it_started_does(samples, tmp_path):
    store = tmp_path / "store"
    clips = few(samples, tmp_path / "clips", 2)
    ids = fill_queue(store, clips)
    with Lamp() as lamp:
        (tmp_path / "feeds.json").write_text(json.dumps({"feeds": [lamp.feed()]}))
        words = ["--feeds", tmp_path / "feeds.json"]
        with Serving(store, *words, LAB_MEDIA_ROOTS=str(tmp_path)) as one:
            wait_until(lambda: has_begun(store, 0) and read_status(store), one.process)
            started = psutil.Process(one.process.pid).children(recursive=True)
            for child in started:
                child.suspend()
            assert one.end() == 0
        _, left = psutil.wait_procs(started, timeout=60)  # what was killed takes a moment to go
        assert not [one for one in left if one.is_running() and one.status() != "zombie"]
    with Serving(store, LAB_MEDIA_ROOTS=str(tmp_path)) as one:
        wait_until(lambda: count(store, "done") == len(clips), one.process)
    assert_none_lost(store, ids)


def test_without_its_extra_it_says_what_to_install(tmp_path):
    code = (
        "import sys\n"
        "for name in ('fastapi', 'uvicorn'): sys.modules[name] = None\n"
        "from lab.app.cli.main import main\n"
        f"sys.exit(main(['serve', '--store', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "sighting-lab[serve]"' in done.stderr
    assert package("fastapi") in done.stderr


def test_a_token_for_programs_opens_no_more_where_a_lab_is_started_with_it(tmp_path):
    """Its shell asked another lab before."""
    _, secret = Tokens(tmp_path / "store").add("reader", "read")
    with Serving(tmp_path / "store", token=secret) as one:
        assert one.ask("/api/media").status_code == 200
        job = {"media_id": "none", "detector": {"name": "visual"}}
        headers = {"Authorization": f"Bearer {secret}"}
        answer = requests.post(f"{one.url}/api/jobs", json=job, headers=headers, timeout=60)
        assert answer.status_code == 403, answer.text
        assert one.end() == 0
    assert "what its scope allows" in one.said
