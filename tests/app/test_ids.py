"""Ids in addresses: whatever stands there, no file outside the store is touched."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

import lab
from lab.app.server.access import OurMount
from lab.app.server.api.app import routes_of
from lab.app.server.live_routes import live_routes
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.app.server.webcam_routes import webcam_routes
from lab.config import Config
from tests.builders import make_run, scores_of
from tests.guarded import BEARER, guard

PLANTED = b"planted outside of the store"
_seen: list[str] | None = None
_EVENTS = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir")


def _note(event, given):
    if _seen is not None and event in _EVENTS and isinstance(given[0], str | bytes | os.PathLike):
        _seen.append(os.fsdecode(given[0]))


sys.addaudithook(_note)


@pytest.fixture(scope="module")
def place(tmp_path_factory, samples):
    """A store with a run and a feed's folder; beside it, what nobody may get."""
    folder = tmp_path_factory.mktemp("ids")
    for name in ("secret", "secret.jpg", "last.jpg", "000001.mp4", "manifest.json"):
        for where in ("", "outside", "outside/source"):
            (folder / where).mkdir(exist_ok=True)
            (folder / where / name).write_bytes(PLANTED)
    run = make_run(folder, {"x": scores_of(60, [(10, 20)])}, every_s=1.0)
    state = AppState(Config(store=folder / "store", media_roots=(folder / "roots",)))
    clip = state.store.add_media(lab.probe(samples / "nothing.mp4"))
    (folder / "store" / "feeds").mkdir(exist_ok=True)
    yield folder, state, {"run_id": run.run_id, "media_id": clip["media_id"]}
    state.close()


IDS = [
    ".", "..", "...", "....", "~", "~root", "-", "--help", "%2e%2e", "%2e%2e%2foutside",
    "..%2foutside", "..\\outside", "..\\..\\outside", "../outside", "../../outside",
    "../../../outside", "/etc/passwd", "C:\\Windows", "\\\\host\\share", "x\0", "\0", "x\0.jpg",
    "a\nb", "a\rb", "\x7f", "\u202egpj.exe", "．．", "․․", "ä" * 200, "x" * 256, "x" * 5000,
    "CON", "nul", "aux.mp4", "x;ls", "$(id)", "`id`", "' OR 1=1 --", "\"; DROP TABLE runs; --",
    "*", "?", "[a-z]", "{x}", "%00", "%", "%s%n", "", " ", "\ud800", "secret", "last.jpg",
    "0", "-1", "9" * 400, "NaN", "1e9",
]  # fmt: skip


def parametrized(state):
    for route in [*routes(state), *live_routes(state), *webcam_routes(state)]:
        if isinstance(route, OurMount):
            for one in routes_of(route.app):
                if "{" in one.path:
                    yield from ((route, route.path + one.path, method) for method in one.methods)
        elif "{" in route.path:
            for method in sorted(set(getattr(route, "methods", None) or ["SOCKET"]) - {"HEAD"}):
                yield route, route.path, method


def filled(path, one, known):
    """With an id in all places, and in those alone for which the store knows none."""
    yield re.sub(r"{\w+}", lambda _: one, path)
    if any(f"{{{key}}}" in path for key in known) and path.count("{") > 1:
        yield re.sub(r"{(\w+)}", lambda found: known.get(found[1], one), path)


async def ask(app, path, method):
    """The answer to a path as a handler gets it, already decoded."""
    sent = []
    is_socket = method == "SOCKET"
    first = {"type": "websocket.connect"} if is_socket else {"type": "http.request", "body": b"{}"}
    last = {"type": "websocket.disconnect" if is_socket else "http.disconnect", "code": 1000}
    messages = iter([first])

    async def receive():
        return next(messages, last)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "websocket" if is_socket else "http",
        "scheme": "ws" if is_socket else "http",
        "method": method, "path": path, "raw_path": b"", "query_string": b"", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "http_version": "1.1",
        "headers": [
            (b"host", b"127.0.0.1"), (b"authorization", BEARER["Authorization"].encode())
        ],
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    await app(scope, receive, send)
    body = b"".join(one.get("body", b"") for one in sent)
    return next((one["status"] for one in sent if "status" in one), None), body


def test_no_id_reaches_a_file_outside_of_the_store(place):
    global _seen
    folder, state, known = place
    asked = 0
    for i, (route, template, method) in enumerate(parametrized(state)):
        app = guard([route])
        # Those of the API look at an id in one place: each gets a fourth of them.
        ids = IDS[i % 4 :: 4] if isinstance(route, OurMount) else IDS
        for path in (path for one in ids for path in filled(template, one, known)):
            _seen = []
            status, body = asyncio.run(ask(app, path, method))
            touched, _seen = _seen, None
            asked += 1
            assert status is None or status < 500, (method, path)
            assert PLANTED not in body, (method, path)
            assert b"Traceback" not in body, (method, path)
            for file in touched:
                found = Path(os.path.realpath(file))
                is_ours = found.is_relative_to(folder / "store")
                assert is_ours or not found.is_relative_to(folder), (method, path, file)
                is_python = found.is_relative_to(sys.base_prefix)
                is_private = str(found).startswith(("/etc/passwd", "/root/."))
                assert is_python or not is_private, (method, path, file)
    assert asked > 1000
    left = {path.name for path in folder.iterdir()}
    assert left >= {"store", "outside", "secret"}
    assert (folder / "outside" / "secret").read_bytes() == PLANTED


def test_the_file_name_of_an_upload_stays_in_its_folder(place):
    _, state, _ = place
    uploads = state.store.uploads_folder
    files = [path for path in uploads.rglob("*") if path.is_file()] if uploads.exists() else []
    for path in files:
        assert path.parent.parent == uploads
        assert path.name not in (".", "..")
