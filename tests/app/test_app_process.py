"""The app's process: what it leaves to workers, and what it tries again."""

import asyncio
import gc
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import lab
from lab.app.server.state import AppState
from lab.app.server.thumbnails import Pictures
from lab.app.ui.widgets.clip_address import clip_address
from lab.config import Config
from lab.detectors.weights.find import find_weights
from lab.tuning.rule_grid import RuleGrid
from lab.video.media import identify
from tests.browser.server import TOKEN, Server
from tests.builders import make_media, make_run, scores_of

ROOT = Path(__file__).parents[2]

WALK = """
import json, sys
from streamlit.testing.v1 import AppTest
from lab.app.server.state import app_state
from tests.components_once import look_for_components_once
look_for_components_once()
pages = "home library analyse models review measure sightings notebook"
for name in pages.split():
    page = AppTest.from_file(sys.argv[1], default_timeout=120).run()
    page = page if name == "home" else page.switch_page(f"pages/{name}.py").run()
    assert not page.exception, (name, page.exception)
kinds = sorted({job.kind for job in app_state().engine.jobs()})
heavy = sorted({"onnxruntime", "torch", "openvino", "ultralytics"} & set(sys.modules))
mapped = [w for w in ("onnxruntime", "libtorch", "openvino") if w in open("/proc/self/maps").read()]
app_state().close()
print(json.dumps({"kinds": kinds, "heavy": heavy, "mapped": mapped}))
"""


@pytest.fixture
def app_state(tmp_path):
    made = AppState(Config(store=tmp_path / "store", media_roots=(tmp_path,)))
    yield made
    made.close()


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_the_pages_load_no_model_runtime_into_the_apps_process(samples, tmp_path):
    """The models folder holds weights that nobody hashed yet; a worker looks at them."""
    (tmp_path / "models").mkdir()
    shutil.copy(find_weights(None), tmp_path / "models" / "own.onnx")
    lab.open_store(tmp_path / "store").store.add_media(lab.probe(samples / "nothing.mp4"))
    env = os.environ | {
        "LAB_STORE": str(tmp_path / "store"),
        "LAB_MODELS": str(tmp_path / "models"),
    }
    done = subprocess.run(
        [sys.executable, "-c", WALK, str(ROOT / "app.py")],
        env=env, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "models" in found["kinds"]
    assert (found["heavy"], found["mapped"]) == ([], [])


def test_a_picture_that_could_not_be_made_is_tried_again_after_a_pause(
    app_state, samples, tmp_path
):
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    media_id = app_state.store.add_media(lab.probe(clip))["media_id"]
    pictures = Pictures(app_state)
    clip.rename(tmp_path / "away.mp4")
    reason = asyncio.run(pictures.get(media_id, 0))
    assert "the video file is missing" in reason
    assert asyncio.run(pictures.get(media_id, 0)) == reason
    assert len(app_state.engine.jobs()) == 1
    (tmp_path / "away.mp4").rename(clip)
    app_state.retry_after_s = 0.0
    assert asyncio.run(pictures.get(media_id, 0)).is_file()


def test_pictures_of_a_page_are_asked_for_again_after_a_pause(app_state, samples, tmp_path):
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    media_id = app_state.store.add_media(lab.probe(clip))["media_id"]
    clip.unlink()
    app_state.want_pictures(media_id, str(clip), [0])
    assert app_state.engine.jobs()[0].finished.wait(60)
    app_state.want_pictures(media_id, str(clip), [0])
    assert [job.state for job in app_state.engine.jobs()] == ["failed"]
    shutil.copy(samples / "nothing.mp4", clip)
    app_state.retry_after_s = 0.0
    app_state.want_pictures(media_id, str(clip), [0])
    assert app_state.engine.jobs()[0].finished.wait(60)
    assert [job.state for job in app_state.engine.jobs()] == ["done", "failed"]
    app_state.want_pictures(media_id, str(clip), [0])
    assert len(app_state.engine.jobs()) == 2


def test_a_copy_for_the_browser_says_why_it_failed_and_is_tried_again(app_state, tmp_path):
    clip = tmp_path / "broken.avi"
    clip.write_bytes(b"not a video")
    facts = make_media("broken")
    facts = replace(
        facts,
        media_id=identify(clip),
        path=str(clip),
        size_bytes=clip.stat().st_size,
        is_browser_playable=False,
    )
    media = app_state.store.add_media(facts)
    assert "Making a copy" in clip_address(app_state, media)[1]
    assert app_state.engine.jobs()[0].finished.wait(60)
    address, text = clip_address(app_state, media)
    assert address is None
    assert "No copy could be made" in text
    assert "can be retried" in text
    assert len(app_state.engine.jobs()) == 1
    app_state.retry_after_s = 0.0
    clip_address(app_state, media)
    assert len(app_state.engine.jobs()) == 2


def test_answers_about_a_run_carry_its_id(app_state, tmp_path):
    run = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)
    assert app_state.replay(run.run_id, run.default_rule)["run_id"] == run.run_id


def compiled():
    """The types that each function of the lab was compiled for."""
    from numba.core.registry import CPUDispatcher

    found = (f for f in gc.get_objects() if isinstance(f, CPUDispatcher))
    return {
        f"{f.py_func.__module__}.{f.py_func.__name__}": set(map(str, f.signatures))
        for f in found
        if f.py_func.__module__.startswith("lab.")
    }


@pytest.mark.long
def test_nobody_waits_for_a_compiler(tmp_path):
    from lab.app.ui.start import warm_up
    from lab.tuning.curve import threshold_curve
    from lab.tuning.recommend import recommend

    warm_up()
    before = compiled()
    run = make_run(tmp_path, scores_of(120, [(20, 40), (70, 90)]))
    truth = [{"media": run.media["name"], "label": "x", "start_s": 10.0, "end_s": 20.0}]
    lab.evaluate(run, truth, lab.Debounce(enter_threshold=0.5))
    swept = lab.sweep(run, truth, grid=RuleGrid(enter_threshold=[0.5]))
    threshold_curve(swept.footage)
    recommend(swept)
    assert compiled() == before


@pytest.mark.long
def test_a_browser_that_reads_no_further_does_not_keep_the_server_from_ending(samples, tmp_path):
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    with clip.open("ab") as file:
        file.write(struct.pack(">I4s", 60_000_000, b"free").ljust(60_000_000, b"\0"))
    server = Server(tmp_path, [tmp_path])
    media = lab.open_store(server.store).store.add_media(lab.probe(clip))
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as stalled:
        stalled.sendall(
            f"GET /api/media/{media['media_id']}/file HTTP/1.1\r\nHost: {server.url[7:]}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        assert stalled.recv(15) == b"HTTP/1.1 200 OK"
        server.stop()
    assert "Traceback" not in server.log.read_text()
