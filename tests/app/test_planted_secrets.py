"""Secrets that are given to the program turn up nowhere: not in the store, in what it prints, in
what it answers, or in what its processes keep. One is planted in each place that takes a secret.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
import yaml
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from lab.access.tokens import Tokens
from tests.browser.server import ROOT, Server

MARK = "PLANTEDhush"
# Where a secret is kept on purpose, by its user alone.
KEPT = ("feeds/.env", "browser_secret")


def planted(name):
    return f"{MARK}{name}0123456789abcdef"


def feeds_file(folder, port):
    """Sources and sinks that cannot be reached, each with its secret, in plain and by name."""
    (folder / ".env").write_text(f"CAMERA_PASSWORD={planted('dotenv')}\n")
    private = f"127.0.0.1:{port}"
    sources = {
        "user": {"type": "stream", "url": f"rtsp://eve:{planted('rtsp')}@{private}/1"},
        "query": {"type": "stream", "url": f"http://{private}/x.m3u8?token={planted('query')}"},
        "named": {"type": "stream", "url": f"http://eve:${{CAMERA_PASSWORD}}@{private}/x"},
        "camera": {"type": "camera", "url": f"ws://eve:{planted('ws')}@{private}/"},
        "rtmp": {"type": "rtmp", "key": planted("rtmp"), "port": port + 1},
    }
    sinks = {
        "hook": {
            "type": "webhook",
            "url": f"http://{private}/{planted('path')}",
            "headers": {"X-Api-Key": planted("header")},
        },
        "chat": {"type": "discord", "webhook_url": f"http://{private}/{planted('discord')}"},
        "rows": {"type": "rest", "url": f"http://{private}/rows", "token": planted("rest")},
    }
    feeds = [
        {
            "id": feed_id,
            "source": source,
            "detector": {"type": "motion"},
            "every_s": 0.5,
            "sinks": list(sinks),
        }
        for feed_id, source in sources.items()
    ]
    (folder / "feeds.yaml").write_text(yaml.safe_dump({"feeds": feeds, "sinks": sinks}))
    return list(sources)


def ask(server, path, method="GET", body=None, **headers):
    """The whole answer as text, its headers included."""
    request = urllib.request.Request(server.url + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return f"{answer.headers}{answer.read().decode(errors='replace')}"
    except urllib.error.HTTPError as error:
        return f"{error.headers}{error.read().decode(errors='replace')}"


def until(condition, process):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.1)


def have_failed(status, feed_ids):
    """Whether each feed is known, and those that connect were tried."""
    text = status.read_text() if status.is_file() else ""
    return all(f'"{one}"' in text for one in feed_ids) and text.count("reconnecting") >= 4


def found_in(folder):
    """Files that hold a planted text, apart from those that keep it."""
    found = []
    for path in folder.rglob("*"):
        place = path.relative_to(folder).as_posix()
        if path.is_file() and place not in KEPT and not place.startswith("open_app_"):
            with suppress(OSError):
                if MARK.encode() in path.read_bytes():
                    found.append(place)
    return found


@pytest.mark.long
def test_no_planted_secret_is_found_again(tmp_path, monkeypatch):
    place = tmp_path / "named"
    place.mkdir()
    with subprocess.Popen(  # a port on which nobody answers
        [sys.executable, "-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); "
         "print(s.getsockname()[1], flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as bound:  # fmt: skip
        port = int(bound.stdout.readline())
        feed_ids = feeds_file(place, port)
        monkeypatch.setenv("WORKER_TOKEN", planted("worker"))
        worker = {"detector": "remote", "address": f"http://127.0.0.1:{port}"}
        monkeypatch.setenv("LAB_SERVICES", json.dumps([{**worker, "token_env": "WORKER_TOKEN"}]))
        server = Server(tmp_path, [], token=planted("start"))
        secrets = [planted("start"), Tokens(server.store).add("ci", "admin")[1]]
        watch = subprocess.Popen(
            [sys.executable, "-m", "lab", "watch", str(place / "feeds.yaml"), "--store",
             str(server.store)],
            cwd=ROOT, env=server.env, stdin=subprocess.DEVNULL,
            stdout=(tmp_path / "watch.out").open("w"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            status = server.store / "feeds" / "status.json"
            until(lambda: have_failed(status, feed_ids), watch)
            said = "".join(answers(server, secrets))
            commands = "".join(command_lines(place, server, port))
        finally:
            for process in (watch, server.process):
                process.terminate()
            for process in (watch, server.process):
                process.wait(30)
            bound.stdin.close()
    assert MARK not in said
    assert MARK not in commands
    assert found_in(server.store) == []
    assert MARK not in (tmp_path / "watch.out").read_text()
    log = server.log.read_text()
    assert f"Sighting Lab: {server.url} (to get in" in log
    assert MARK not in log
    for secret in secrets[1:]:
        assert secret not in log + said
        assert not [
            path
            for path in server.store.rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]


def answers(server, secrets):
    paths = (
        "/api/feeds", "/metrics", "/api/openapi.json", "/api/runs/x/log", "/api/unknown",
        "/", "/feeds", "/api/media/x/file", "/api/sightings.csv", "/_stcore/host-config",
    )  # fmt: skip
    for secret in secrets:
        for path in paths:
            yield ask(server, path, Authorization=f"Bearer {secret}")
            yield ask(server, f"{path}?token={secret}x", Accept="text/html")
            yield ask(server, path, Authorization=f"Bearer {secret}x")
            foreign = {"Origin": "http://evil.example"}
            yield ask(server, path, Authorization=f"Bearer {secret}", **foreign)
        yield ask(server, "/api/replay", "POST", b"{", Authorization=f"Bearer {secret}")
        for headers in ({}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            yield refused_socket(server, f"/ws/live/no%20feed?token={secret}", headers)
            yield refused_socket(server, f"/ws/live?token={secret}x", headers)
        yield ask(server, "/api/health?a=1", Authorization=f"Bearer {secret}")


def refused_socket(server, path, headers):
    """What a WebSocket is told that is refused, or closed at once."""
    address = server.url.replace("http:", "ws:") + path
    if name := headers.get("Host"):  # where the connection goes all the same
        address = address.replace("127.0.0.1", name)
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        try:
            with connect(address, sock=plain, origin=headers.get("Origin")) as one:
                return str(one.recv(60))
        except (ConnectionClosed, InvalidStatus) as error:
            return f"{error} {getattr(error, 'response', '')}"


def command_lines(place, server, port):
    """What the command line prints of the same, and of what goes wrong with it."""
    for words in (
        ["feeds", "list"],
        ["sinks", "list", "--feeds", str(place / "feeds.yaml")],
        ["sinks", "test", "hook", "--feeds", str(place / "feeds.yaml")],
        ["sinks", "test", "rows", "--feeds", str(place / "feeds.yaml")],
        ["token", "list"],
        ["doctor", "--json"],
        ["analyze", str(ROOT / "sample_videos" / "nothing.mp4"), "--detector", "remote",
         "--set", f"url=http://127.0.0.1:{port}", "--set", "token_env=WORKER_TOKEN"],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "lab", *words, "--store", str(server.store)],
            cwd=ROOT, env={**os.environ, **server.env}, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        yield done.stdout + done.stderr
