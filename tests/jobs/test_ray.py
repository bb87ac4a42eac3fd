"""Batches on real Ray clusters: a node that is lost, Ctrl+C, a cluster that others started."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import lab
from lab.app.cli.main import main
from lab.errors import JobError
from lab.jobs.cluster.connection import Cluster
from lab.jobs.cluster.engine import RayEngine
from lab.store.store import Store
from tests.builders import assert_same_log
from tests.detectors.servers import Worker, box, digest

ray = pytest.importorskip("ray", reason="needs the package ray: pip install 'sighting-lab[ray]'")
pytestmark = pytest.mark.long
SMALL = {"num_cpus": 1, "object_store_memory": 150_000_000}


@pytest.fixture(scope="module")
def ray_folder():
    """Short, for Ray's sockets below it."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="r")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def two_nodes(ray_folder, monkeypatch):
    """A head without cores, and two nodes of one core each."""
    from ray.cluster_utils import Cluster as Nodes

    # Where the address is written, which a machine that never ran Ray does not have.
    monkeypatch.setenv("RAY_TMPDIR", ray_folder)
    (Path(ray_folder) / "ray").mkdir(exist_ok=True)
    monkeypatch.setenv("RAY_health_check_initial_delay_ms", "0")
    monkeypatch.setenv("RAY_health_check_period_ms", "500")
    nodes = Nodes(
        initialize_head=True,
        head_node_args={**SMALL, "num_cpus": 0, "temp_dir": ray_folder,
                        "include_dashboard": False},
    )  # fmt: skip
    nodes.workers = [nodes.add_node(**SMALL) for _ in range(2)]
    nodes.wait_for_nodes()
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def processes_of(folder):
    """Processes of this user that name the folder in their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def slow_answer(image, number):
    """What depends on the picture alone, a moment later."""
    time.sleep(0.05)
    return {"detections": [box(confidence=int(digest(image)[:2], 16) / 256, x=0.1)]}


def test_a_node_that_is_lost_costs_only_what_it_had_not_finished(two_nodes, encode, tmp_path):
    clips = [encode(f"node{i}.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30",
                    source=f"testsrc2=size=64x48:rate=10:duration={seconds}")
             for i, seconds in enumerate((30, 9, 8, 31))]  # fmt: skip
    lost = threading.Event()

    def lose_a_node(progress):
        """In the middle: both nodes are busy, and something is done."""
        if not lost.is_set() and len(worker.posts()) >= 80:
            lost.set()
            two_nodes.remove_node(two_nodes.workers[0], allow_graceful=False)

    with Worker(slow_answer) as worker:
        settings = {"detector": "remote", "url": worker.url, "every_s": 0.25, "batch_size": 1,
                    "image_format": "png"}  # fmt: skip
        there = lab.batch(
            clips, store=tmp_path / "a", engine="ray", progress=lose_a_node, **settings,
            engine_settings={"address": two_nodes.address, "piece_samples": 20},
        )  # fmt: skip
        asked = len(worker.posts())
        here = lab.batch(clips, store=tmp_path / "b", progress=False, **settings)
    assert lost.is_set()
    assert there.state.tolist() == here.state.tolist() == ["done"] * len(clips)
    a, b = lab.open_store(tmp_path / "a"), lab.open_store(tmp_path / "b")
    samples = 0
    for one, other in zip(there.run_id, here.run_id, strict=True):
        run, whole = a.run(one), b.run(other)
        samples += len(whole.log.pts_us)
        assert_same_log(run.log, whole.log)
        assert run.recipe_hash == whole.recipe_hash
        assert run.row["effort"] == whole.row["effort"]
    assert len(Store(tmp_path / "a").runs()) == len(clips)  # none was begun twice
    # One stretch, or one short clip, was under way on the node that went.
    assert samples <= asked <= samples + 36


def test_a_model_gives_the_same_bits_on_nodes_as_on_this_machine(two_nodes, samples, tmp_path):
    settings = {"detector": "yolo", "every_s": 0.2, "progress": False}
    clips = [samples / "cat_comes_and_goes.mp4", samples / "cat_then_person.mp4"]
    there = lab.batch(
        clips, store=tmp_path / "a", engine="ray", **settings,
        engine_settings={"address": two_nodes.address, "piece_samples": 20},
    )  # fmt: skip
    here = lab.batch(clips, store=tmp_path / "b", **settings)
    a, b = lab.open_store(tmp_path / "a"), lab.open_store(tmp_path / "b")
    for one, other in zip(there.run_id, here.run_id, strict=True):
        assert len(a.run(one).log.confidence) > 50
        assert_same_log(a.run(one).log, b.run(other).log)


def test_a_cluster_is_left_as_it_was_and_another_lab_on_it_is_told(two_nodes, samples, tmp_path,
                                                                  monkeypatch):  # fmt: skip
    words = ["batch", str(samples / "nothing.mp4"), "--detector", "visual", "--every", "1",
             "--store", str(tmp_path / "s"), "--engine", "ray"]  # fmt: skip
    assert main([*words, "--address", two_nodes.address, "--cpus", "0.5"]) == 0
    assert not ray.is_initialized()
    with monkeypatch.context() as changed:
        changed.setattr(lab, "__version__", "999.0")
        with pytest.raises(JobError, match=r"has lab .*this machine has lab 999"):
            Cluster(two_nodes.address)
    with Cluster(two_nodes.address) as again:
        assert again.slots == 2


def test_ctrl_c_leaves_no_process_and_no_folder_and_the_batch_goes_on(encode, tmp_path):
    clip = encode("ray.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30",
                  source="testsrc2=size=64x48:rate=10:duration=120")  # fmt: skip
    temporary = Path("/tmp") / f"l{os.getpid()}"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with Worker(slow_answer) as worker:
        command = [sys.executable, "-m", "lab", "batch", str(clip), "--detector", "remote",
                   "--set", f"url={worker.url}", "--every", "0", "--store", str(tmp_path / "s"),
                   "--engine", "ray"]  # fmt: skip
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not worker.posts() and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "go on with the same command" in said
    assert "Traceback" not in said
    for _ in range(100):
        if not processes_of(temporary) and not list(temporary.glob("lab-*")):
            break
        time.sleep(0.1)
    assert not processes_of(temporary)
    assert not list(temporary.glob("lab-*"))
    queue = json.loads(
        subprocess.run(
            [sys.executable, "-m", "lab", "jobs", "list", "--json", "--store", str(tmp_path / "s")],
            capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    assert "waiting" in json.dumps(queue)
    temporary.rmdir()


def stop_client(port):
    """Stop whoever is connected to a server of this process, as if it hung."""
    import psutil

    (client,) = {
        one.pid for one in psutil.net_connections("tcp")
        if one.raddr and one.raddr.port == port and one.pid not in (None, os.getpid())
    }  # fmt: skip
    os.kill(client, signal.SIGSTOP)
    return client


def test_a_worker_that_hangs_is_ended_and_its_clip_gone_on_with(encode, tmp_path):
    import psutil

    clip = encode("hang.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10",
                  source="testsrc2=size=64x48:rate=10:duration=5")  # fmt: skip
    hung = []

    def answer(image, number):
        if not hung and len(worker.posts()) > 30:
            hung.append(stop_client(int(worker.url.rpartition(":")[2])))
        return slow_answer(image, number)

    store = tmp_path / "a"
    with Worker(answer) as worker, Cluster("local", cores=1, silence_s=2.0) as cluster:
        settings = {"url": worker.url, "batch_size": 1, "image_format": "png"}
        analysis = {"name": "far", "detector": {"name": "remote", **settings}, "interval_s": 0.1}
        engine = RayEngine(cluster, trust=True, piece_samples=20)
        job = engine.submit(
            "analyze", "clip", path=str(clip), analyses=[analysis], store=str(store)
        )
        assert job.finished.wait(120)
        assert (job.state, job.error_type) == ("failed", None)  # of no class: it may pass
        assert job.error == "a worker of the cluster gave no sign of life for 2 s and was ended"
        assert not psutil.pid_exists(hung[0])
        kept = lab.open_store(store).run(job.run_id)
        assert (kept.state, len(kept.log.pts_us)) == ("failed", 20)
        again = engine.submit("resume", "clip", run_id=job.run_id, store=str(store))
        assert again.finished.wait(120)
        assert (again.state, again.error) == ("done", None)
        engine.close()
        here = lab.analyze(clip, store=tmp_path / "b", detector="remote", every_s=0.1,
                           progress=False, **settings)  # fmt: skip
    assert_same_log(kept.refresh().log, here.log)
    assert not list(Path("/tmp").glob("lab-hung-*"))
