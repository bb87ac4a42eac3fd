"""A warm worker analyses with the files as they are now, and records the hash of what it loaded."""

import hashlib
import os
import shutil

import numpy as np
import pytest
import yaml

import lab
from lab.detectors.yolo.exported_model import OnnxModel
from lab.errors import DetectorError
from lab.jobs.local import LocalEngine
from lab.jobs.warm import WarmDetectors
from tests.detectors.test_models_folder import write_onnx
from tests.detectors.tiny_clip import tiny_open_clip


def write_network(path, confidence):
    """An ONNX file that sees one thing on every picture, always as surely."""
    rows = np.zeros((1, 5, 84), np.float32)
    rows[0, :, 0] = (32, 32, 20, 20, confidence)
    meta = {"task": "detect", "names": {0: "thing"}, "stride": 32}
    return write_onnx(path, rows, meta=meta)


@pytest.fixture
def engine():
    made = LocalEngine()
    yield made
    made.close()


def analysed_by(engine, clip, store, **settings):
    """The run of a worker's job with these settings of `yolo`."""
    one = {"name": "yolo", "detector": {"name": "yolo", **settings}, "interval_s": 2.0}
    job = engine.submit("analyze", "warm", path=str(clip), analyses=[one], store=str(store))
    assert job.finished.wait(120)
    assert job.state == "done", job.error
    return lab.open_store(store).run(job.run_id)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_before(path, times_ns):
    """Give a file the modification time of the one whose place it took."""
    os.utime(path, ns=times_ns)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_network_that_was_written_over_is_the_one_that_is_used(
    engine, samples, tmp_path, runtime
):
    weights, clip = write_network(tmp_path / "my.onnx", 0.5), samples / "nothing.mp4"
    settings = {"weights": str(weights), "runtime": runtime, "image_size": 64}
    first = analysed_by(engine, clip, tmp_path / "store", **settings)
    assert first.recipe["weights_sha256"] == sha256(weights)
    before = os.stat(weights)
    write_network(weights, 0.75)  # in place: the same inode, the same size
    assert os.stat(weights).st_size == before.st_size
    as_before(weights, (before.st_atime_ns, before.st_mtime_ns))
    second = analysed_by(engine, clip, tmp_path / "store", **settings)
    assert second.recipe["weights_sha256"] == sha256(weights)
    assert second.recipe["weights_sha256"] != first.recipe["weights_sha256"]
    assert set(first.log.scores("thing").tolist()) == {0.5}
    assert set(second.log.scores("thing").tolist()) == {0.75}
    write_network(tmp_path / "other.onnx", 0.25)
    os.replace(tmp_path / "other.onnx", weights)
    third = analysed_by(engine, clip, tmp_path / "store", **settings)
    assert set(third.log.scores("thing").tolist()) == {0.25}


def test_a_detector_whose_files_are_the_same_stays_loaded(tmp_path):
    weights = write_network(tmp_path / "my.onnx", 0.5)
    settings = {"name": "yolo", "weights": str(weights), "image_size": 64}
    warm = WarmDetectors()
    (first,) = warm.get([settings], tmp_path / "store")
    assert warm.get([settings], tmp_path / "store")[0] is first
    assert first.loaded_files.paths == [weights]
    write_network(weights, 0.75)
    assert warm.get([settings], tmp_path / "store")[0] is not first


def test_every_file_of_an_openvino_folder_counts(tmp_path):
    openvino = pytest.importorskip("openvino")
    folder = tmp_path / "my_openvino_model"
    folder.mkdir()
    model = openvino.Core().read_model(str(write_network(tmp_path / "my.onnx", 0.5)))
    openvino.save_model(model, folder / "my.xml", compress_to_fp16=False)
    facts = {"task": "detect", "names": {0: "thing"}, "stride": 32, "imgsz": [64, 64]}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(facts))
    settings = {"name": "yolo", "weights": str(folder), "image_size": 64}
    warm = WarmDetectors()
    for name in ("my.xml", "my.bin", "metadata.yaml"):
        (before,) = warm.get([settings], tmp_path / "store")
        assert warm.get([settings], tmp_path / "store")[0] is before
        copy = folder / f"{name}.copy"
        shutil.copyfile(folder / name, copy)
        os.replace(copy, folder / name)
        assert warm.get([settings], tmp_path / "store")[0] is not before


def test_a_list_that_was_edited_is_read_again(tmp_path):
    pytest.importorskip("open_clip")
    weights, brands = tiny_open_clip(tmp_path), tmp_path / "brands.yaml"
    brands.write_text("- {name: Acme, terms: [acme]}\n")
    settings = {
        "name": "logos",
        "brands": str(brands),
        "model": "tiny-clip",
        "weights": str(weights),
    }
    warm = WarmDetectors()
    (first,) = warm.get([settings], tmp_path / "store")
    assert warm.get([settings], tmp_path / "store")[0] is first
    brands.write_text("- {name: Zeta, terms: [zeta]}\n")
    (second,) = warm.get([settings], tmp_path / "store")
    assert second.labels == ("Zeta",)
    weights.write_bytes(weights.read_bytes())
    assert warm.get([settings], tmp_path / "store")[0] is not second


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_weights_that_change_while_they_are_loaded_are_refused(tmp_path, monkeypatch, runtime):
    """Written over after the network was read, and before its hash was."""
    weights = write_network(tmp_path / "my.onnx", 0.5)
    load = OnnxModel.__init__

    def load_then_overwrite(self, path):
        load(self, path)
        write_network(weights, 0.75)

    monkeypatch.setattr(OnnxModel, "__init__", load_then_overwrite)
    with pytest.raises(DetectorError, match=r"my.onnx changed while it was being loaded"):
        lab.make_detector("yolo", weights=str(weights), image_size=64, runtime=runtime)
    monkeypatch.undo()
    made = lab.make_detector("yolo", weights=str(weights), image_size=64, runtime=runtime)
    assert made.recipe()["weights_sha256"] == sha256(weights)


def test_code_that_was_edited_after_its_import_is_not_run_under_its_new_hash(tmp_path, monkeypatch):
    module = tmp_path / "edited_detector.py"
    code = "class Mine:\n    labels = ('x',)\n    def detect(self, frames):\n        return {}\n"
    module.write_text(code.format("[]"))
    monkeypatch.syspath_prepend(str(tmp_path))
    lab.make_detector("python", target="edited_detector:Mine")
    os.utime(module)
    lab.make_detector("python", target="edited_detector:Mine")
    module.write_text(code.format("[None]"))
    with pytest.raises(DetectorError, match="changed after this process imported it"):
        lab.make_detector("python", target="edited_detector:Mine")
