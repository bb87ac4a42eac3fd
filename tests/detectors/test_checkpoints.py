"""Checkpoints: facts without running them, and none of their code is ever run."""

import os
import pickle
import subprocess
import sys
import types

import pytest

from lab.detectors.models_folder import list_models
from lab.detectors.yolo.checkpoint import load_network, read_facts
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint of YOLO11 n with random weights and two classes."""
    return make_checkpoint(
        tmp_path_factory.mktemp("made") / "made.pt", "DetectionModel", "yolo11n.yaml"
    )


def make_checkpoint(path, network, yaml, classes=2):
    import torch

    from lab.detectors.yolo.checkpoint import ultralytics

    ultralytics()
    from ultralytics.nn import tasks

    torch.manual_seed(0)
    model = getattr(tasks, network)(yaml, nc=classes, verbose=False)
    model.names = {i: f"thing {i}" for i in range(classes)}
    model.args = {"imgsz": 320}
    torch.save({"model": model.half(), "license": "CC0-1.0", "version": "8.4.190"}, path)
    return path


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def write_evil(form, path, mark):
    import torch

    content = {"model": Evil(mark)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")


def test_facts_are_read_without_torch(made):
    facts = read_facts(made)
    assert (facts.network, facts.task, facts.names) == (
        "DetectionModel",
        "detect",
        ("thing 0", "thing 1"),
    )
    assert (facts.image_size, facts.licence, facts.version) == (320, "CC0-1.0", "8.4.190")
    code = (
        "import sys; from pathlib import Path; "
        "from lab.detectors.yolo.checkpoint import read_facts; "
        f"read_facts(Path({str(made)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_network_is_loaded_with_its_names(made):
    import torch

    loaded = load_network(made)
    assert (loaded.names, loaded.task) == (("thing 0", "thing 1"), "detect")
    assert not loaded.network.training
    assert next(loaded.network.parameters()).dtype == torch.float32


def test_real_checkpoints_are_known_and_load(models):
    world = load_network(models / "yolov8s-world.pt")
    assert (type(world.network).__name__, len(world.names)) == ("WorldModel", 80)
    assert read_facts(models / "yolo26n.pt").names[0] == "person"


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_checkpoint_that_would_run_a_command_is_refused_and_does_not(tmp_path, form):
    path, mark = tmp_path / "evil.pt", tmp_path / "touched"
    write_evil(form, path, mark)
    for look in (load_network, read_facts, lambda p: Yolo(weights=str(p))):
        with pytest.raises(DetectorError, match=r"refused.* run (posix|nt)\.system"):
            look(path)
    assert not mark.exists()


def test_a_command_hidden_beside_a_real_network_is_not_run(made, tmp_path):
    import torch

    path, mark = tmp_path / "evil.pt", tmp_path / "touched"
    content = torch.load(made, weights_only=False)
    torch.save({**content, "date": Evil(mark)}, path)
    with pytest.raises(DetectorError, match="system"):
        load_network(path)
    assert not mark.exists()


def test_torch_refuses_what_the_first_look_lets_through(made, tmp_path):
    """A function of torch itself: the look by names passes it, the restricted loading does not."""
    import torch

    class Sly:
        def __reduce__(self):
            return torch.hub.load_state_dict_from_url, ("https://127.0.0.1/never",)

    path = tmp_path / "sly.pt"
    torch.save({**torch.load(made, weights_only=False), "date": Sly()}, path)
    with pytest.raises(DetectorError, match="cannot be loaded safely") as caught:
        load_network(path)
    assert "load_state_dict_from_url" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_listed_folder_runs_nothing_and_shows_the_others(made, tmp_path, monkeypatch):
    mark = tmp_path / "touched"
    write_evil("zip", tmp_path / "evil.pt", mark)
    (tmp_path / "good.pt").write_bytes(made.read_bytes())
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    evil, good = list_models()
    assert "refused" in evil.problem
    assert (good.problem, good.classes, good.licence) == (None, ("thing 0", "thing 1"), "CC0-1.0")
    assert not mark.exists()


def write_yolov5(path):
    """As that repository's training writes it: its own classes, by their names there."""
    import torch

    parts = {name: types.ModuleType(name) for name in ("models", "models.yolo", "models.common")}
    kinds = {}
    for module, name in (("models.yolo", "DetectionModel"), ("models.common", "Conv")):
        kinds[name] = type(name, (torch.nn.Module,), {"__module__": module})
        setattr(parts[module], name, kinds[name])
    sys.modules.update(parts)
    try:
        model = kinds["DetectionModel"]()
        model.conv = kinds["Conv"]()
        torch.save({"model": model, "epoch": -1}, path)
    finally:
        for name in parts:
            del sys.modules[name]


@pytest.mark.parametrize("name", ["own.pt", "yolov5s.pt"])
def test_a_checkpoint_of_the_yolov5_repository_says_how_to_export_it(tmp_path, name):
    write_yolov5(tmp_path / name)
    with pytest.raises(
        DetectorError, match=rf"YOLOv5 .*export\.py --weights {name} --include onnx"
    ):
        Yolo(weights=str(tmp_path / name))


def test_a_file_named_as_ultralytics_own_is_not_taken_for_another(made, tmp_path):
    for name in ("yolov5n.pt", "it's mine.pt"):
        path = tmp_path / name
        path.write_bytes(made.read_bytes())
        assert load_network(path).names == ("thing 0", "thing 1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["it's mine.pt", "yolov5n.pt"]


def damaged(kind, made):
    import torch

    whole = made.read_bytes()
    if kind == "state":
        return None, lambda path: torch.save({"model": {"weight": torch.zeros(3)}}, path)
    return {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "beginning": whole[:3],
        "text": b"not a model" * 9,
        "zip": b"PK\x03\x04" + b"\0" * 99,
        "picture": b"\xff\xd8\xff\xe0" * 50,
        "pickle": pickle.dumps({"a": 1}),
    }[kind], None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "is empty"),
        ("cut", "cut off or damaged"),
        ("beginning", "is not a checkpoint"),
        ("text", "is not a checkpoint"),
        ("zip", "cut off or damaged"),
        ("picture", "is not a checkpoint"),
        ("pickle", "is not a checkpoint"),
        ("state", "holds no network"),
    ],
)
def test_damaged_and_foreign_files_are_one_line(made, tmp_path, kind, words):
    path = tmp_path / "x.pt"
    content, write = damaged(kind, made)
    write(path) if write else path.write_bytes(content)
    for look in (load_network, lambda p: Yolo(weights=str(p))):
        with pytest.raises(DetectorError, match=words) as caught:
            look(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "yaml", "words"),
    [
        (
            "PoseModel",
            "yolo11n-pose.yaml",
            "model for 'pose'; the detector needs one for detect, segment, obb",
        ),
        ("ClassificationModel", "yolo11n-cls.yaml", "model for 'classify'"),
        ("RTDETRDetectionModel", "rtdetr-l.yaml", "RT-DETR"),
        ("YOLOESegModel", "yoloe-11s-seg.yaml", "runs on the detector 'yoloe'"),
    ],
)
def test_other_kinds_of_networks_are_refused_by_name(tmp_path, network, yaml, words):
    path = make_checkpoint(tmp_path / "other.pt", network, yaml)
    with pytest.raises(DetectorError, match=words):
        Yolo(weights=str(path))
