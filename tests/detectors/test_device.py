"""The device is what the settings say, is in the recipe, and is never another one."""

from types import SimpleNamespace

import onnxruntime
import pytest

import lab
from lab.app.cli import doctor
from lab.config import load_config
from lab.detectors import device
from lab.detectors.yolo import exported_model
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError, SettingError, SourceError
from lab.jobs.batch.work import PreparedWork, work_of
from lab.score_log.recipe import make_recipe, protocol_hash, recipe_hash
from lab.video import hardware
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource

CLIP = "sample_videos/nothing.mp4"


def test_the_cpu_is_the_default_and_no_recipe_names_it():
    config = load_config()
    assert (config.device, config.decoding_device) == ("cpu", "cpu")
    detector = Yolo()
    assert detector.device == "cpu"
    recipe = make_recipe("0" * 16, detector.recipe(), sampling=Sampling())
    assert not {"device", "decoded_on"} & set(recipe)


def test_a_device_that_is_not_there_is_an_error_in_one_line(monkeypatch):
    monkeypatch.setenv("LAB_DEVICE", "cuda")
    monkeypatch.setattr(device, "onnx_problem", lambda: "ONNX Runtime has no CUDA provider")
    with pytest.raises(DetectorError, match="'cuda' was chosen, but ONNX Runtime has no CUDA") as e:
        Yolo()
    assert "LAB_DEVICE" in str(e.value)
    assert "\n" not in str(e.value)
    monkeypatch.setattr(device, "torch_problem", lambda: "torch finds no CUDA device")
    with pytest.raises(DetectorError, match="torch finds no CUDA device"):
        device.torch_device()
    with pytest.raises(DetectorError, match="runtime 'openvino' runs on the CPU"):
        Yolo(runtime="openvino")


def test_libraries_of_cuda_are_loaded_before_they_are_wanted(monkeypatch, capsys):
    monkeypatch.setenv("LAB_DEVICE", "cuda")
    monkeypatch.setattr(device, "onnx_problem", lambda: None)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcuda.so.1"))
    device._load_cuda.cache_clear()
    assert device.onnx_providers()[0] == "CUDAExecutionProvider"
    device._load_cuda.cache_clear()
    said = capsys.readouterr()
    assert (said.out, "libcuda" in said.err) == ("", True)


def test_a_provider_that_went_back_to_the_cpu_is_refused(monkeypatch):
    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    device.check_providers(session)
    monkeypatch.setenv("LAB_DEVICE", "cuda")
    with pytest.raises(DetectorError, match="could not start its CUDA provider"):
        device.check_providers(session)


def test_a_device_makes_another_recipe(monkeypatch):
    """With the CPU in the place of the GPU: what is recorded is what was chosen."""
    on_cpu = Yolo()
    monkeypatch.setenv("LAB_DEVICE", "cuda")
    monkeypatch.setattr(exported_model, "onnx_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(exported_model, "check_providers", lambda session: None)
    on_cuda = Yolo()
    assert on_cuda.recipe() == {**on_cpu.recipe(), "device": "cuda"}
    assert recipe_hash(on_cuda.recipe()) != recipe_hash(on_cpu.recipe())
    assert on_cuda.batch_size in (1, device.CUDA_BATCH)  # 1 for an export of one picture


def test_an_unknown_device_is_refused(monkeypatch):
    monkeypatch.setenv("LAB_DECODING_DEVICE", "tpu")
    with pytest.raises(SettingError, match="LAB_DECODING_DEVICE must be 'cpu' or 'cuda', got"):
        load_config()


def test_decoding_on_a_device_is_recorded_and_refused_where_it_cannot_be_done(
    monkeypatch, tmp_path
):
    described = [{"labels": [], "default_threshold": 0.4, "recipe": {"score_floor": 0.1}}]
    work = work_of("motion", {})
    before = PreparedWork(work, described).protocols
    monkeypatch.setenv("LAB_DECODING_DEVICE", "cuda")
    assert PreparedWork(work, described).protocols != before
    monkeypatch.setattr("av.codec.hwaccel.hwdevices_available", lambda: ["qsv"])
    with pytest.raises(SourceError, match="FFmpeg cannot decode on 'cuda'; set decoding_device"):
        next(FileSource(CLIP).frames(1))


def test_a_run_goes_on_with_the_device_that_it_was_begun_with(monkeypatch, tmp_path):
    recipes = [
        make_recipe("0" * 16, {}, sampling=Sampling(), decoded_on=d) for d in ("cpu", "cuda")
    ]
    assert protocol_hash(recipes[0]) != protocol_hash(recipes[1])
    run = lab.analyze(
        CLIP, detector="motion", every_s=1, store=tmp_path, progress=False, cancelled=lambda: True
    )
    assert run.state == "cancelled"

    def somewhere_else(self, path):
        begin(self, path)
        self.decoded_on = "cuda"

    begin = FileSource.__init__
    monkeypatch.setattr(FileSource, "__init__", somewhere_else)
    monkeypatch.setattr("lab.video.container.accelerated", lambda device: {})
    with pytest.raises(SettingError, match="was decoded on 'cpu', and this would be on 'cuda'"):
        lab.resume(lab.open_store(tmp_path), run.run_id, progress=False)


def test_doctor_tells_what_is_there(monkeypatch):
    monkeypatch.setattr(doctor, "torch_problem", lambda: None)
    monkeypatch.setattr(doctor, "onnx_problem", lambda: "ONNX Runtime has no CUDA provider")
    monkeypatch.setattr(hardware, "accelerated", lambda device: {})
    assert doctor._devices() == {
        "torch on cuda": "ready",
        "onnx on cuda": "not there: ONNX Runtime has no CUDA provider",
        "decoding on cuda": "ready",
    }


def test_a_provider_without_a_driver_is_not_ready(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(device, "ctypes", SimpleNamespace(CDLL=missing))
    assert "driver is not on this machine" in device.onnx_problem()
    monkeypatch.setattr(device, "ctypes", SimpleNamespace(CDLL=lambda name: None))
    assert device.onnx_problem() is None
