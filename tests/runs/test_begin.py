"""A run that could not begin leaves nothing: no row, no folder."""

import shutil
import subprocess
import sys
import threading

import pytest

import lab
from lab.detectors.detector import Detector
from lab.errors import LabError, StoreError
from lab.runs.run_pass import CatalogRegister
from lab.store.store import NewRun, Store
from lab.video.sources.file import FileSource
from tests.builders import make_run, scores_of
from tests.unprivileged import as_nobody, open_folder  # noqa: F401

LOCKER = """
import sys
from lab.store.store import Store
with Store(sys.argv[1]).catalog.transaction():
    print("locked", flush=True)
    sys.stdin.read()
"""


class ThenLocked(Detector):
    """A detector, with another process that locks the catalog once the run has been planned."""

    labels = ("x",)

    def __init__(self, store):
        self.store, self.holder = store, None

    def recipe(self):
        if self.holder is None:
            self.holder = subprocess.Popen(
                [sys.executable, "-c", LOCKER, str(self.store.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self.holder.stdout.readline()
        return {"detector": "scripted", "labels": ["x"], "score_floor": 0.05}

    def detect(self, frames):
        raise AssertionError("the run must not begin")

    def close(self):
        if self.holder is not None:
            self.holder.communicate()


@pytest.fixture
def store(tmp_path):
    """A store with one run in it."""
    return make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0).store


def contents(store):
    """What a run leaves: its row and its folder."""
    return [r["run_id"] for r in store.runs()], sorted(
        p.name for p in (store.folder / "logs").iterdir()
    )


def test_a_locked_catalog_leaves_neither_a_folder_nor_a_row(store, samples):
    before = contents(store)
    impatient = Store(store.folder)
    impatient.catalog._wait_s = 0.3
    detector = ThenLocked(store)
    try:
        with pytest.raises(StoreError, match="locked"):
            lab.analyze(samples / "nothing.mp4", detector=detector, store=impatient, progress=False)
    finally:
        detector.close()
    assert detector.holder is not None
    assert contents(store) == before


def test_a_folder_that_cannot_be_written_leaves_nothing(open_folder, samples):  # noqa: F811
    clip = shutil.copy(samples / "nothing.mp4", open_folder)
    store = Store(open_folder / "store")
    settings = {"detector": "visual", "every_s": 2, "store": store, "progress": False}
    lab.analyze(clip, **settings)  # also all that it imports
    before = contents(store)
    store.catalog.give_up()
    for one in open_folder.rglob("*"):
        one.chmod(0o777)
    (store.folder / "logs").chmod(0o555)
    with as_nobody():
        with pytest.raises(LabError, match="Permission denied"):
            lab.analyze(clip, **settings)
        store.catalog.give_up()
    assert contents(store) == before


def test_logs_that_cannot_be_made_leave_no_row(store, samples):
    """Where the folder of the logs should be, there is a file."""
    (store.folder / "logs").rename(store.folder / "kept")
    (store.folder / "logs").write_text("in the way")
    rows = [r["run_id"] for r in store.runs()]
    with pytest.raises(LabError):
        lab.analyze(samples / "nothing.mp4", detector="visual", store=store, progress=False)
    assert [r["run_id"] for r in store.runs()] == rows
    assert (store.folder / "logs").read_text() == "in the way"


def test_runs_of_one_pass_are_all_kept_or_none(store):
    (old,) = store.runs()
    recipe = {**old["recipe"]}
    good, bad = NewRun("new-1", recipe, 0.5), NewRun(old["run_id"], recipe, 0.5)
    with pytest.raises(Exception, match=r"(?i)duplicate|constraint"):
        store.create_runs([good, bad])
    assert [r["run_id"] for r in store.runs()] == [old["run_id"]]
    store.create_runs([good, NewRun("new-2", recipe, 0.5, {"pass_id": "p"})])
    assert {r["run_id"] for r in store.runs()} == {old["run_id"], "new-1", "new-2"}
    store.delete_runs(["new-1", "new-2"])
    assert [r["run_id"] for r in store.runs()] == [old["run_id"]]


def test_decoding_begins_while_the_run_is_registered_and_ends_with_it(tmp_path, monkeypatch):
    decoded, begun = threading.Event(), []
    frames = FileSource.samples

    def seen(self, samplings, after_us=None):
        for sample in frames(self, samplings, after_us):
            if begun:
                decoded.set()
            yield sample

    def waits(self, planned):
        begun.append(planned[0].folder)
        assert decoded.wait(60), "nothing was decoded before the run was registered"
        raise StoreError("the catalog is locked")

    monkeypatch.setattr(FileSource, "samples", seen)
    monkeypatch.setattr(CatalogRegister, "begin", waits)
    with pytest.raises(StoreError, match="locked"):
        lab.analyze("sample_videos/nothing.mp4", detector="motion", store=tmp_path, progress=False)
    assert not begun[0].exists()
    assert not [t for t in threading.enumerate() if t.name == "decode"]
