"""The models folder: what is listed, with which facts, and which exports can be used."""

import json
import os
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lab.app.cli.main import main
from lab.detectors.models_folder import list_models, unfinished
from lab.detectors.weights.catalogue import built_in
from lab.detectors.weights.files import weights_sha256
from lab.detectors.weights.find import find_weights
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError
from tests.builders import make_frame

MEGADETECTOR = ("animal", "person", "vehicle")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    return tmp_path


def write_onnx(path, *outputs, size=(64, 64), batch=1, meta=None, shapes=None):
    """A file of a model that answers any picture with these arrays."""
    nodes = [helper.make_node("Identity", [f"c{i}"], [f"o{i}"]) for i in range(len(outputs))]
    constants = [
        numpy_helper.from_array(o.astype(np.float32), f"c{i}") for i, o in enumerate(outputs)
    ]
    given = shapes or [o.shape for o in outputs]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, *size])],
        [
            helper.make_tensor_value_info(f"o{i}", TensorProto.FLOAT, list(s))
            for i, s in enumerate(given)
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in (meta or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, path)
    return path


def yolov5_rows(n=252, classes=3, seed=0):
    """Rows of YOLOv5: centre and size in pixels, objectness, class scores."""
    rng = np.random.default_rng(seed)
    place = np.concatenate([rng.uniform(5, 59, (n, 2)), rng.uniform(3, 30, (n, 2))], 1)
    return np.concatenate([place, rng.uniform(0, 1, (n, 1 + classes))], 1)[None].astype(np.float32)


def reference(rows, floor, iou):
    """Boxes of YOLOv5's rows, by its definition, in plain loops: (class, score, box)."""
    kept = []
    for label in range(rows.shape[1] - 5):
        scores = rows[:, 4] * rows[:, 5 + label]
        left_over = [i for i in np.argsort(-scores) if scores[i] >= floor]
        while left_over:
            i, *rest = left_over
            x, y, w, h = rows[i, :4]
            kept.append((label, scores[i], (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
            left_over = [j for j in rest if overlap(rows[i, :4], rows[j, :4]) <= iou]
    return kept


def overlap(a, b):
    wide = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    high = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    inside = max(wide, 0) * max(high, 0)
    return inside / (a[2] * a[3] + b[2] * b[3] - inside)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_the_layout_of_yolov5_gives_objectness_times_class_score(folder, runtime):
    rows = yolov5_rows()
    path = write_onnx(folder / "own.onnx", rows, meta={"stride": 32, "names": ["a", "b", "c"]})
    detector = Yolo(weights="own", runtime=runtime, score_floor=0.2, nms_iou=0.5)
    (found,) = detector.detect([make_frame(size_px=(64, 64))])
    expected = reference(rows[0], 0.2, 0.5)
    assert len(expected) > 20
    assert len(found) == len(expected)
    ours = sorted(zip(found.labels, found.confidence, map(tuple, found.box_xyxy_px), strict=True))
    for (label, score, box), (name, c, b) in zip(sorted(expected), ours, strict=True):
        assert "abc"[label] == name
        assert c == pytest.approx(score, abs=1e-6)
        assert np.abs(np.clip(box, 0, 64) - b).max() < 1e-3
    recipe = detector.recipe()
    assert (recipe["layout"], recipe["weights"], recipe["image_size"]) == ("yolov5", "own.onnx", 64)
    assert recipe["weights_sha256"] == weights_sha256(path)


def test_names_come_from_the_file_or_a_list_beside_it_or_the_catalogue(folder):
    rows = yolov5_rows()
    write_onnx(folder / "md_v5a.0.1.onnx", rows)
    known = Yolo(weights="md_v5a.0.1")
    assert known.labels == MEGADETECTOR
    assert known.recipe()["class_names"] == list(MEGADETECTOR)
    write_onnx(folder / "md_v5b.0.1.onnx", rows, meta={"names": {0: "x", 1: "y", 2: "z"}})
    own = Yolo(weights="md_v5b.0.1")
    assert own.labels == ("x", "y", "z")
    assert "class_names" not in own.recipe()
    write_onnx(folder / "other.onnx", rows)
    with pytest.raises(
        DetectorError, match=r"it has 3 of them: write one name a line into .*other\.names\.txt"
    ):
        Yolo(weights="other")
    assert "other.names.txt" in list_models()[-1].problem
    (folder / "other.names.txt").write_text("deer\nfox\n\nboar\n")
    assert Yolo(weights="other").labels == ("deer", "fox", "boar")
    assert (list_models()[-1].classes, list_models()[-1].problem) == (("deer", "fox", "boar"), None)
    (folder / "other.names.txt").write_text("deer\nfox\n")
    with pytest.raises(DetectorError, match="gives output"):
        Yolo(weights="other")


ZEROS = np.zeros
NAMES = {"names": {0: "a", 1: "b", 2: "c"}, "task": "detect"}


@pytest.mark.parametrize(
    ("outputs", "settings", "words"),
    [
        ([ZEROS((1, 300, 6))], {"meta": NAMES}, "nms=False, end2end=False"),
        ([ZEROS((1, 300, 6))], {}, "which has no known form"),
        (
            [ZEROS((1, 7, 84)), ZEROS((1, 32, 16, 16))],
            {"meta": NAMES},
            r"2 outputs of \[3, 4\] axes",
        ),
        ([ZEROS((1, 7, 84))], {"meta": {**NAMES, "task": "segment"}}, r"1 outputs of \[3\] axes"),
        ([ZEROS((1, 1000))], {"meta": NAMES}, r"outputs of \[2\] axes"),
        ([ZEROS((1, 9, 84))], {"meta": NAMES}, r"expected \(batch, 7, boxes\)"),
        ([ZEROS((1, 7, 84))], {"meta": {**NAMES, "task": "pose"}}, "model for 'pose'"),
        ([ZEROS((4, 7, 84))], {"meta": NAMES, "batch": 4}, "takes 4 pictures at a time"),
        ([ZEROS((1, 7, 84))], {"meta": {"names": "__import__('os')"}}, "it has 3 of them"),
    ],
)
def test_exports_of_another_kind_are_one_line(folder, outputs, settings, words):
    write_onnx(folder / "own.onnx", *outputs, **settings)
    with pytest.raises(DetectorError, match=words) as caught:
        Yolo(weights="own.onnx")
    assert "\n" not in str(caught.value)
    (info,) = list_models()
    assert info.problem == str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", "half"])
def test_damaged_onnx_files_are_one_line(folder, content):
    whole = find_weights(None).read_bytes()
    (folder / "own.onnx").write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(DetectorError, match="is not an ONNX model") as caught:
        Yolo(weights="own.onnx")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def openvino_folder(tmp_path_factory):
    """The default model as Ultralytics' export to OpenVINO lays it out."""
    import openvino

    made = tmp_path_factory.mktemp("export") / "own_openvino_model"
    made.mkdir()
    converted = openvino.convert_model(str(find_weights(None)))
    openvino.save_model(converted, made / "own.xml", compress_to_fp16=False)
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(Yolo().labels))
    text = f"task: detect\nstride: 32\nlicense: AGPL-3.0\nnames:\n{names}"
    (made / "metadata.yaml").write_text(text)
    return made


@pytest.mark.parametrize("change", ["no bin", "cut xml", "cut bin", "no xml", "bad yaml"])
def test_damaged_openvino_folders_are_one_line(folder, openvino_folder, change):
    model = folder / "own_openvino_model"
    shutil.copytree(openvino_folder, model)
    (info,) = list_models()
    assert (info.format, info.problem, len(info.classes), info.licence) == (
        "openvino",
        None,
        80,
        "AGPL-3.0",
    )
    assert Yolo(weights="own").recipe()["weights_sha256"] == info.sha256
    xml, weights = model / "own.xml", model / "own.bin"
    if change == "no bin":
        weights.unlink()
    elif change == "no xml":
        xml.unlink()
    elif change == "cut xml":
        xml.write_bytes(xml.read_bytes()[:5000])
    elif change == "cut bin":
        weights.write_bytes(weights.read_bytes()[:5000])
    else:
        (model / "metadata.yaml").write_text("names: [")
    with pytest.raises(DetectorError) as caught:
        Yolo(weights="own")
    assert "\n" not in str(caught.value)
    assert list_models()[0].problem == str(caught.value)


def test_a_broken_file_is_listed_and_hurts_nobody(folder):
    shutil.copy(find_weights(None), folder / "good.onnx")
    for name in ("bad.onnx", "bad.pt", "empty.pt"):
        (folder / name).write_bytes(b"" if "empty" in name else b"junk")
    (folder / "good.pt.part").write_bytes(b"half")
    (folder / "notes.txt").write_text("no model")
    (folder / "dir.pt").mkdir()
    found = {info.name: info for info in list_models()}
    assert list(found) == ["bad.onnx", "bad.pt", "empty.pt", "good.onnx"]
    assert all(found[name].problem for name in found if name != "good.onnx")
    good = found["good.onnx"]
    assert (good.problem, good.format, good.task, good.detector) == (None, "onnx", "detect", "yolo")
    assert (good.classes[0], len(good.classes), good.sha256) == (
        "person",
        80,
        weights_sha256(folder / "good.onnx"),
    )


def test_only_downloads_count_as_unfinished(folder):
    (folder / "good.pt.part").write_bytes(b"half")
    (folder / ".0123456789abcdef.part").write_bytes(b"{")  # of facts, by a process that was killed
    assert unfinished() == {"good.pt": 4}


def test_facts_are_kept_until_a_file_changes(folder):
    path = write_onnx(folder / "own.onnx", yolov5_rows(), meta={"names": ["a", "b", "c"]})
    before = list_models()
    kept = json.loads((folder / ".facts.json").read_text())
    kept["own.onnx"]["licence"] = "from the kept facts"
    (folder / ".facts.json").write_text(json.dumps(kept))
    assert list_models()[0].licence == "from the kept facts"
    os.utime(path, (1, 1))
    assert list_models() == before
    (folder / ".facts.json").write_text("{")
    assert list_models() == before


def test_facts_that_cannot_be_kept_are_read_again(folder):
    write_onnx(folder / "own.onnx", yolov5_rows(), meta={"names": ["a", "b", "c"]})
    (folder / ".facts.json").mkdir()
    assert [info.problem for info in list_models()] == [None]
    assert [info.problem for info in list_models()] == [None]


def test_a_name_that_two_files_have_must_be_said_in_full(folder):
    for name in ("own.onnx", "own.pt"):
        (folder / name).write_bytes(b"junk")
    with pytest.raises(DetectorError, match=r"may be own\.onnx or own\.pt .* say which"):
        find_weights("own")


def test_a_file_that_is_not_the_published_one_is_not_opened(folder):
    (folder / "yolo26n.pt").write_bytes(b"something else")
    with pytest.raises(DetectorError, match="the published file has 9b09cc8bf347"):
        find_weights("yolo26n.pt")


def test_the_published_hashes_are_those_of_the_files_at_hand(models):
    for name in ("yolo26n.pt", "yolov8s-world.pt"):
        entry = built_in()[name]
        assert (entry.sha256, entry.size_bytes) == (
            weights_sha256(models / name),
            (models / name).stat().st_size,
        )


def test_the_built_in_names_are_those_that_ultralytics_publishes():
    from lab.detectors.yolo.checkpoint import ultralytics

    names = ultralytics().utils.downloads.GITHUB_ASSETS_NAMES
    assert {n for n, e in built_in().items() if "ultralytics" in e.url} <= names
    assert {"yolov8s-worldv2.pt", "yoloe-11s-seg-pf.pt", "yolo26x-obb.pt", "md_v5a.0.1.pt"} <= set(
        built_in()
    )


def said(capsys, *words):
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_lists_explains_and_verifies(folder, capsys):
    shutil.copy(find_weights(None), folder / "own.onnx")
    code, rows = said(capsys, "models", "list")
    assert (code, rows[0]["name"], rows[0]["problem"]) == (0, "own.onnx", None)
    code, row = said(capsys, "models", "info", "md_v5a.0.1.pt")
    assert (code, row["path"], row["known"]["md5"]) == (0, None, "60f8e7ec1308554df258ed1f4040bc4f")
    assert "md5 is known beforehand" in row["check"]
    assert said(capsys, "models", "info", "yolo11s.pt")[1]["check"].startswith(
        "nothing is published"
    )
    assert said(capsys, "models", "verify")[1][0]["state"] == "unknown"
    (folder / "yolo26n.pt").write_bytes(b"something else")
    code, rows = said(capsys, "models", "verify", "yolo26n.pt")
    assert (code, rows[0]["state"]) == (1, "differs")
    assert main(["models", "get", "yolo11s.pt"]) == 1
    assert "put it at" in capsys.readouterr().err
    assert main(["models", "get"]) == 2


def test_a_file_that_is_here_is_not_fetched_again(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    (tmp_path / "yolo26n.pt").write_bytes((models / "yolo26n.pt").read_bytes())
    assert main(["models", "get", "yolo26n.pt"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "yolo26n.pt")
