"""A clip on a cluster, without Ray: stretches, their joined logs, what is kept when it stops."""

import os
import signal
import socket
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

import lab
from lab.errors import JobError, SettingError, SourceError
from lab.jobs.batch.engine_group import EngineGroup
from lab.jobs.cluster.connection import Cluster
from lab.jobs.cluster.engine import RayEngine
from lab.jobs.cluster.join import start_here
from lab.jobs.cluster.order import Order
from lab.jobs.cluster.ray_engines import RayEngines
from lab.jobs.cluster.remote_work import work
from lab.jobs.cluster.tasks import LostError, Share, Stopped
from lab.jobs.registered import engines
from lab.leftovers import remove_folders_of_the_dead
from lab.runs.pieces import Stretch, Wanted, stretches_of
from lab.store.store import Store
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource
from tests.builders import ScriptedDetector, assert_same_log
from tests.detectors.servers import JsonServer
from tests.jobs.in_this_process import InThisProcess

VISUAL = {"name": "light", "detector": {"name": "visual"}, "interval_s": 0.1}
MOTION = {"name": "moving", "detector": {"name": "motion"}, "interval_s": 0.1}


@pytest.fixture(scope="module")
def h264(encode):
    """Small, for each stretch is decoded and looked at several times."""
    options = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "60", "-bf", "3")
    return encode("long.mp4", *options, source="testsrc2=size=64x48:rate=30:duration=12")


@pytest.fixture
def cluster():
    return InThisProcess()


@pytest.fixture
def engine(cluster):
    made = RayEngine(cluster, trust=True, piece_samples=20)
    yield made
    made.close()


def done(engine, store, clip, *analyses, kind="analyze", **payload):
    job = engine.submit(
        kind, "clip", path=str(clip), analyses=analyses, store=str(store), **payload
    )
    assert job.finished.wait(60)
    return job


def local(clip, store, **settings):
    return lab.analyze(clip, store=store, progress=False, **settings)


def assert_same_run(one, other):
    """All that follows from clip and recipe; not the seconds that it took."""
    assert_same_log(one.log, other.log)
    for name in ("recipe", "recipe_hash", "state", "error", "effort", "default_threshold"):
        assert one.row[name] == other.row[name], name
    assert one.environment == other.environment


def test_the_stretches_of_a_long_clip_make_the_log_of_the_whole(engine, cluster, h264, tmp_path):
    job = done(engine, tmp_path / "a", h264, VISUAL)
    assert (job.state, job.error) == ("done", None)
    whole = local(h264, tmp_path / "b", detector="visual", every_s=0.1)
    run = lab.open_store(tmp_path / "a").run(job.run_id)
    assert run.environment.pop("analysis") == "light"
    assert_same_log(run.log, whole.log)
    assert run.row["effort"] == whole.row["effort"]
    assert run.recipe == whole.recipe
    stretches = [order.stretch for order in cluster.orders[1:]]
    assert len(stretches) == len(whole.log.pts_us) // 20
    assert [one.after_us for one in stretches[1:]] == [one.until_us for one in stretches[:-1]]
    assert job.done == job.total == len(whole.log.pts_us)
    assert not [name for name in os.listdir(run.store.log_folder(run.run_id)) if ".part" in name]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"frame_count": 4, "interval_s": 0.1}, marks=pytest.mark.long),
        {"frame_count": 3, "frame_step": 2, "interval_s": 0.1},
        pytest.param({"interval_s": 0.0}, marks=pytest.mark.long),
    ],
)
def test_windows_and_every_frame_are_joined_too(engine, h264, tmp_path, settings):
    clip = {**VISUAL, **settings}
    split = done(engine, tmp_path / "a", h264, clip)
    whole = RayEngine(InThisProcess(), trust=True)
    other = done(whole, tmp_path / "b", h264, clip)
    whole.close()
    runs = [lab.open_store(tmp_path / s).run(j.run_id) for s, j in (("a", split), ("b", other))]
    assert len(runs[0].log.pts_us) > 40
    assert_same_run(*runs)


def test_a_detector_with_a_memory_sees_the_whole_clip(engine, cluster, h264, tmp_path):
    job = done(engine, tmp_path / "a", h264, MOTION)
    assert (job.state, len(cluster.orders)) == ("done", 1)
    whole = local(h264, tmp_path / "b", detector="motion", every_s=0.1)
    assert_same_log(lab.open_store(tmp_path / "a").run(job.run_id).log, whole.log)


def test_what_must_stay_whole(h264, encode):
    class Plugin(ScriptedDetector):
        is_stateful = True

    plain = Wanted(ScriptedDetector([]), Sampling(every_s=0.1))
    windows = Wanted(ScriptedDetector([]), Sampling(every_s=0.1, frame_count=3))
    with FileSource(h264) as source:
        assert len(stretches_of(source, [plain], 20)) == 6
        assert len(stretches_of(source, [windows], 20)) == 6
        assert len(stretches_of(source, [plain, plain], 20)) == 6
        assert stretches_of(source, [plain], 1000) == [Stretch()]
        assert stretches_of(source, [plain, windows], 20) == [Stretch()]
        memory = Wanted(Plugin([]), Sampling(every_s=0.1))
        assert stretches_of(source, [memory], 20) == [Stretch()]
        source.index.distrust_times()
        assert stretches_of(source, [plain], 20) == [Stretch()]


@pytest.mark.long
def test_analyses_of_one_document_share_the_stretches(engine, cluster, h264, tmp_path):
    sparse = {**VISUAL, "name": "sparse", "interval_s": 0.5}
    job = done(engine, tmp_path / "a", h264, sparse, VISUAL)
    assert (job.state, len(cluster.orders)) == ("done", 1 + 6)
    store = lab.open_store(tmp_path / "a")
    for one, every_s in zip(job.result["runs"], (0.5, 0.1), strict=True):
        whole = local(h264, tmp_path / "b", detector="visual", every_s=every_s)
        assert_same_log(store.run(one["run_id"]).log, whole.log)
    again = done(engine, tmp_path / "a", h264, sparse, VISUAL, reuse=True)
    assert again.result["was_there"]
    assert len(Store(tmp_path / "a").runs()) == 2


@pytest.mark.long
def test_what_was_done_is_kept_when_the_cluster_is_lost_and_gone_on_with(h264, tmp_path):
    cluster = InThisProcess({3: LostError("the node is gone")})
    engine = RayEngine(cluster, trust=True, piece_samples=20)
    lost = done(engine, tmp_path / "a", h264, VISUAL)
    assert (lost.state, lost.error_type) == ("failed", None)  # of no class: it may pass
    run = lab.open_store(tmp_path / "a").run(lost.run_id)
    assert (run.state, len(run.log.pts_us)) == ("failed", 40)
    job = engine.submit("resume", "clip", run_id=lost.run_id, store=str(tmp_path / "a"))
    assert job.finished.wait(60)
    assert (job.state, job.error) == ("done", None)
    assert cluster.orders[4].stretch.after_us == run.log.pts_us[-1]
    whole = local(h264, tmp_path / "b", detector="visual", every_s=0.1)
    assert_same_log(run.refresh().log, whole.log)
    assert run.refresh().row["effort"] == whole.row["effort"]
    engine.close()


def test_a_run_that_is_cancelled_keeps_its_stretches(h264, tmp_path):
    cluster = InThisProcess({3: Stopped()})
    engine = RayEngine(cluster, trust=True, piece_samples=20)
    assert done(engine, tmp_path / "a", h264, VISUAL).state == "cancelled"
    engine.close()
    (row,) = Store(tmp_path / "a").runs()
    assert row["state"] == "cancelled"
    assert row["effort"]["samples"] == 40


def test_errors_of_a_clip_come_back_as_their_own_class(engine, tmp_path, h264):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video\n" * 9)
    job = done(engine, tmp_path / "a", bad, VISUAL)
    assert (job.error_type, "is a text file" in job.error) == ("SourceError", True)
    job = done(engine, tmp_path / "a", h264, VISUAL, media_id="0" * 16)
    assert (job.error_type, "no longer the clip" in job.error) == ("SourceError", True)
    nobody = {**VISUAL, "detector": {"name": "nobody"}}
    assert done(engine, tmp_path / "a", h264, nobody).error_type == "SettingError"
    assert not (tmp_path / "a" / "logs").exists()


def test_a_page_may_not_ask_for_any_detector(cluster, h264, tmp_path):
    engine = RayEngine(cluster)
    remote = {**VISUAL, "detector": {"name": "remote", "url": "http://10.0.0.1"}}
    job = done(engine, tmp_path / "a", h264, remote)
    assert job.error_type == "SettingError"
    assert not cluster.orders
    engine.close()


def test_paths_that_differ_between_nodes_are_told(h264, samples, tmp_path, monkeypatch):
    """A worker in a folder of its own stands for a node without the shared disk."""
    elsewhere = InThisProcess()
    run = elsewhere.run
    clip = tmp_path / "clip.mp4"

    def without_the_disk(orders, is_cancelled=lambda: False):
        content = clip.read_bytes()
        on_node(clip)
        answers = list(run(orders, is_cancelled))
        clip.write_bytes(content)
        yield from answers

    monkeypatch.setattr(elsewhere, "run", without_the_disk)
    engine = RayEngine(elsewhere, trust=True)
    clip.write_bytes(h264.read_bytes())
    on_node = Path.unlink
    job = done(engine, tmp_path / "a", clip, VISUAL)
    assert job.error_type == "SourceError"
    assert f"has no {clip}, which is here; mount its disk under the same path" in job.error
    on_node = lambda place: place.write_bytes((samples / "nothing.mp4").read_bytes())  # noqa: E731
    job = done(engine, tmp_path / "a", clip, VISUAL)
    assert job.error_type == "SourceError"
    assert f"{clip} is another file on " in job.error
    engine.close()
    assert not Store(tmp_path / "a").runs()


def test_a_worker_opens_neither_store_nor_catalog_nor_queue(h264, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"a worker opened {args}")

    for name in ("duckdb.connect", "sqlite3.connect", "lab.store.store.Store.__init__"):
        monkeypatch.setattr(name, refuse)
    whole = Order(lab.__version__, [VISUAL, MOTION], str(h264), piece_samples=9999)
    assert [log.count for log in work(whole).result.logs] == [120, 120]
    parts = Order(lab.__version__, [VISUAL], str(h264), piece_samples=20)
    stretch = work(parts).stretches[2]
    piece = work(replace(parts, stretch=stretch, piece_samples=0)).result
    assert piece.logs[0].count == 20
    assert work(replace(parts, place="/nowhere.mp4")).error[0] == "SourceError"


def test_fewer_clips_than_the_nodes_hold_are_each_done_by_several(h264, monkeypatch):
    made = types.SimpleNamespace(slots=5, run=None, warm=None)
    monkeypatch.setattr("lab.jobs.cluster.ray_engines.Cluster", lambda *_, **__: made)
    group = RayEngines()
    engines = group.engines(2, trust=True)
    assert [(one._parts, one._warm) for one in engines] == [(3, 4), (3, 0)]
    more = group.engines(6, trust=True)
    assert [(one._parts, one._warm) for one in more] == [(1, 4)] + [(1, 0)] * 5
    for one in (*engines, *more):
        one.close()
    every_frame = [Wanted(ScriptedDetector([]), Sampling(every_s=0.0))]
    with FileSource(h264) as source:
        assert [len(stretches_of(source, every_frame, 1024, parts=n)) for n in (1, 2, 3, 99)] == [
            1, 2, 3, 6,
        ]  # fmt: skip


def test_another_version_on_a_worker_is_told(cluster):
    answer = work(Order("0.0.1", [VISUAL]))
    assert answer.error[0] == "JobError"
    assert "install the same version" in answer.error[1]


@pytest.mark.long
def test_a_batch_over_such_engines_equals_one_on_this_machine(monkeypatch, samples, tmp_path):
    class OneEngine(EngineGroup):
        def engines(self, count, *, trust=True):
            return [RayEngine(InThisProcess(), trust=True, piece_samples=20)]

    monkeypatch.setattr(engines, "make", lambda name, base, *args, **settings: OneEngine())
    clips = [samples / "nothing.mp4", samples / "cat_then_person.mp4"]
    there = lab.batch(clips, detector="visual", every_s=0.2, store=tmp_path / "a",
                      engine="ray", progress=False)  # fmt: skip
    monkeypatch.undo()
    here = lab.batch(clips, detector="visual", every_s=0.2, store=tmp_path / "b", progress=False)
    assert there.state.tolist() == here.state.tolist() == ["done", "done"]
    for a, b in zip(there.run_id, here.run_id, strict=True):
        run, other = (lab.open_store(tmp_path / s).run(i) for s, i in (("a", a), ("b", b)))
        assert_same_run(run, other)


def test_shares_that_make_no_sense():
    for cpus, gpus in ((0, 0), (1.5, 0), (1, -1), (100, 0), (True, 0)):
        with pytest.raises(SettingError, match="a clip"):
            Share(cpus, gpus)


class FakeRay(types.ModuleType):
    """Ray as it is when nothing answers."""

    def __init__(self, error):
        super().__init__("ray")
        self.__spec__ = types.SimpleNamespace(name="ray")
        self.init = lambda **_: (_ for _ in ()).throw(error)
        self.is_initialized = lambda: False


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("auto", ConnectionError("none found"), "start one with: ray start --head"),
        (None, RuntimeError("no memory"), "use --engine local"),
        (
            "auto",
            RuntimeError("Version mismatch: The cluster was started with:\n Python: 3.12.1"),
            "runs another Ray or Python",
        ),
    ],
)
def test_a_cluster_that_cannot_be_used_is_told_in_one_line(monkeypatch, address, error, said):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", FakeRay(error))
    with pytest.raises(JobError) as told:
        Cluster(address)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_an_address_where_nothing_listens(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(RuntimeError()))
    with pytest.raises(JobError, match=r"cannot be reached .*ray start --head"):
        Cluster("127.0.0.1:1")
    with pytest.raises(SettingError, match="--address must be"):
        Cluster("somewhere")


class Silent:
    """A server that takes connections, and says nothing."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("kind", ["", "ray://"])
@pytest.mark.parametrize("server", [JsonServer, Silent])
def test_the_port_of_something_else(monkeypatch, server, kind):
    """Ray itself would wait for minutes, and not stop for Ctrl+C."""
    monkeypatch.setattr("lab.jobs.cluster.join._REACH_S", 0.2)
    monkeypatch.setitem(sys.modules, "ray", FakeRay(RuntimeError()))
    with server() as other, pytest.raises(JobError) as told:
        Cluster(kind + other.url.removeprefix("http://"))
    assert "what is there does not answer as Ray; give the address that" in str(told.value)
    assert "\n" not in str(told.value)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("lab.extras.is_installed", lambda module: module != "ray")
    with pytest.raises(JobError, match=r"pip install .sighting-lab\[ray\]"):
        Cluster()


def test_a_source_error_is_one(h264):
    answer = work(Order(lab.__version__, [VISUAL], "/nowhere.mp4"))
    assert answer.error[0] == SourceError.__name__


def test_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"lab-ray-{gone.pid}-abc", f"lab-ray-{os.getpid()}-abc", "lab-ray-other"]
    for name in names:
        (tmp_path / name / "session").mkdir(parents=True)
    remove_folders_of_the_dead("lab-ray-")
    assert sorted(os.listdir(tmp_path)) == sorted(names[1:])


def test_the_signal_to_end_is_not_left_to_ray(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    noisy = FakeRay(None)
    noisy.init = lambda **_: signal.signal(signal.SIGTERM, lambda *_: print("a trace"))
    monkeypatch.setitem(sys.modules, "ray", noisy)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        start_here("/nowhere", 1)
        with pytest.raises(SystemExit) as left:
            signal.raise_signal(signal.SIGTERM)
        assert left.value.code == 143
    finally:
        signal.signal(signal.SIGTERM, before)
