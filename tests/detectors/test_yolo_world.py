"""YOLO-World with a real checkpoint: scores of Ultralytics, prompts by themselves, real clips."""

import json
import pickle
import unicodedata
from functools import lru_cache

import cv2
import numpy as np
import pytest

import lab
from lab.app.cli.main import main
from lab.detectors.open_vocabulary.text_features import CLIP
from lab.detectors.open_vocabulary.yolo_world import YoloWorld
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.runs.run import Run
from lab.store.store import Store
from lab.video.sources.file import FileSource
from tests.builders import make_frame
from tests.detectors.tiny_clip import OPENAI, tiny_openai_clip
from tests.quick_set import mostly_long

RUNTIMES = ("onnx", "openvino", "torch")
# car-detection.mp4, read off its frames: from the first to the last with any part of a car.
# Four cars in three passages; the second is of two cars that pass each other.
CAR_PASSAGES_S = [(4.40, 8.40), (14.40, 19.04), (25.20, 27.76)]
TABLE_BOX = (384, 80, 525, 336)  # one-by-one-person-detection.mp4, by eye


@pytest.fixture(scope="module", autouse=True)
def models_folder(tmp_path_factory):
    """A models folder of this module, so that the graphs are exported once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("models")
        patch.setenv("LAB_MODELS", str(folder))
        patch.setenv("LAB_OFFLINE", "true")
        yield folder


@pytest.fixture(scope="module")
def make(models):
    """make(labels, **settings) gives a detector with the shared checkpoint."""

    def made(labels, **settings):
        given = {"weights": str(models / "yolov8s-world.pt"), **settings}
        return YoloWorld(labels=labels, **given)

    return made


@pytest.fixture(scope="module")
def vocabulary(models):
    return models / "vocab_clip_vitb32.npz"


@pytest.fixture(scope="module")
def bus():
    import ultralytics

    return Frame(cv2.imread(f"{ultralytics.__path__[0]}/assets/bus.jpg"), 0, 0, 0.0)


@pytest.fixture(scope="module")
def walker(clips):
    """A frame of a real clip with a person in it."""
    frames = FileSource(clips / "one-by-one-person-detection.mp4").frames(10)
    return next(f for f in frames if f.pts_s >= 30)


@pytest.fixture(scope="module")
def cats(samples):
    """Three frames with a cat, which the network takes for a dog as well."""
    return [
        f for f in FileSource(samples / "cat_then_person.mp4").frames(1.0) if 2 <= f.pts_s <= 5
    ][:3]


@pytest.fixture(scope="module")
def own(models):
    """own(names) gives the checkpoint's own embeddings, float32 (n, 512)."""
    from lab.detectors.open_vocabulary.world_model import TorchWorld

    known = TorchWorld(models / "yolov8s-world.pt").own
    return lambda names: np.stack([known[name] for name in names])


@lru_cache(maxsize=1)
def theirs(path):
    """Ultralytics' own model, as its YOLO loads it."""
    from ultralytics import YOLO

    return YOLO(path, task="detect")


def ask_them(model, text):
    """Have Ultralytics' model look for these embeddings (n, 512), as `set_classes` would."""
    import torch

    model.model.txt_feats = torch.from_numpy(text)[None]
    model.model.model[-1].nc = len(text)


def rows(found, label):
    chosen = [i for i, name in enumerate(found.labels) if name == label]
    return found.confidence[chosen].tolist(), found.box_xyxy_px[chosen].tolist()


def best(found, label):
    return max(rows(found, label)[0], default=0.0)


@pytest.mark.long
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_raw_scores_and_boxes_are_those_of_ultralytics_for_any_number_of_prompts(
    models, bus, walker, runtime
):
    import torch

    from lab.detectors.open_vocabulary import world_model

    path = models / "yolov8s-world.pt"
    kinds = {
        "onnx": world_model.OnnxWorld,
        "openvino": world_model.OpenVinoWorld,
        "torch": world_model.TorchWorld,
    }
    ours = kinds[runtime](path)
    model = theirs(str(path))
    for frame in (bus, walker):
        height, width = frame.image_bgr.shape[:2]
        box = Letterbox.fit(width, height, (384, 384), 32)
        batch = box.apply(frame.image_bgr)[None]
        features = ours.features(batch)
        for names in (("person",), ("bus", "person", "cat"), ours.names):
            text = np.stack([ours.own[name] for name in names])
            boxes, scores = ours.ask(features, text, (box.height_px, box.width_px))
            ask_them(model, text)
            with torch.inference_mode():
                raw = model.model.float().eval()(torch.from_numpy(batch))[0][0].T.numpy()
            centre, size = raw[:, :2], raw[:, 2:4]
            assert scores.shape == (1, len(raw), len(names))
            assert np.abs(scores[0] - raw[:, 4:]).max() < 1e-3
            assert scores.max() > 0.5
            sure = raw[:, 4:].max(axis=1) > 0.01
            expected = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
            assert np.abs(boxes[0] - expected)[sure].max() < 0.1


@pytest.mark.long
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_detections_are_those_that_ultralytics_predicts(models, make, own, bus, runtime):
    labels = ["bus", "person", "cat"]
    detector = make(labels, prompt_mode="joint", runtime=runtime)
    model = theirs(str(models / "yolov8s-world.pt"))
    ask_them(model, own(labels))
    model.model.names = dict(enumerate(labels))
    model.predictor = None
    expected = model.predict(
        bus.image_bgr, conf=0.25, iou=0.7, imgsz=640, verbose=False, rect=True, device="cpu"
    )[0]
    (ours,) = detector.detect([bus])
    assert len(expected.boxes) >= 4
    for box, score, number in zip(
        expected.boxes.xyxy, expected.boxes.conf, expected.boxes.cls, strict=True
    ):
        scores, places = rows(ours, labels[int(number)])
        near = [
            c for c, b in zip(scores, places, strict=True) if np.abs(b - box.numpy()).max() < 1.0
        ]
        assert any(abs(c - float(score)) < 1e-3 for c in near), (
            labels[int(number)],
            float(score),
            near,
        )


@pytest.mark.long
@pytest.mark.parametrize("runtime", mostly_long(["onnx", "openvino"], "onnx"))
def test_by_itself_a_prompts_scores_do_not_depend_on_the_others_bit_for_bit(make, cats, runtime):
    settings = {"runtime": runtime, "score_floor": 0.001, "image_size": 384}
    every = ["person", "dog", "keyboard", "cat", "bear", "teddy bear", "bird", "sheep"]
    among = make(every, **settings).detect(cats)
    pair = make(["cat", "dog"], **settings).detect(cats)
    assert make(every).prompt_mode == "independent"
    for label in ("cat", "dog"):
        alone = make([label], **settings).detect(cats)
        assert all(best(found, label) > 0.3 for found in alone), (
            "it must see both, or the test says nothing"
        )
        for a, b, c in zip(alone, pair, among, strict=True):
            assert rows(a, label) == rows(b, label) == rows(c, label)


def test_of_the_closed_set_too_a_labels_scores_do_not_depend_on_the_others(cats):
    settings = {"score_floor": 0.001}
    among, pair = (
        Yolo(labels=labels, **settings).detect(cats) for labels in (None, ["cat", "dog"])
    )
    for label in ("cat", "dog"):
        alone = Yolo(labels=[label], **settings).detect(cats)
        assert any(len(found) for found in alone)
        for a, b, c in zip(alone, pair, among, strict=True):
            assert rows(a, label) == rows(b, label) == rows(c, label)


@pytest.mark.long
def test_asked_jointly_prompts_influence_each_other_and_the_recipe_says_so(make, cats):
    settings = {"score_floor": 0.001, "image_size": 384}
    together = make(["cat", "dog"], prompt_mode="joint", **settings)
    by_itself = make(["cat", "dog"], **settings)
    assert (
        abs(best(together.detect(cats)[0], "dog") - best(by_itself.detect(cats)[0], "dog")) > 0.01
    )
    assert (together.recipe()["prompt_mode"], by_itself.recipe()["prompt_mode"]) == (
        "joint",
        "independent",
    )
    nine = ["cat", "dog", "bird", "horse", "sheep", "cow", "bear", "zebra", "giraffe"]
    assert make(nine).recipe()["prompt_mode"] == "joint"
    assert make(nine, prompt_mode="independent").recipe()["prompt_mode"] == "independent"


@pytest.mark.long
def test_people_who_come_one_by_one_are_six_sightings_where_they_are(make, clips, tmp_path):
    clip = clips / "one-by-one-person-detection.mp4"
    truth = [line.split(",") for line in (clips / "ground_truth.csv").read_text().split()[1:]]
    visits = [
        (float(a), float(b))
        for media, label, a, b in truth
        if (media, label) == (clip.name, "person")
    ]
    run = lab.analyze(
        clip, detector=make(["person"], image_size=320), every_s=0.5, store=tmp_path, progress=False
    )
    found = [(s.onset_us / 1e6, s.offset_us / 1e6) for s in run.find()]
    assert run.default_rule.of("person").debounce.enter_threshold == 0.1
    assert len(found) == len(visits) == 6
    assert np.abs(np.array(found) - np.array(visits)).max() <= 1.0


@pytest.mark.long
def test_cars_seen_from_above_are_a_sighting_a_passage_and_none_for_the_closed_set(
    make, clips, tmp_path
):
    clip = clips / "car-detection.mp4"
    run = lab.analyze(clip, detector=make(["car"]), every_s=0.4, store=tmp_path, progress=False)
    found = [(s.onset_us / 1e6, s.offset_us / 1e6) for s in run.find()]
    assert len(found) == len(CAR_PASSAGES_S)
    assert np.abs(np.array(found) - np.array(CAR_PASSAGES_S)).max() <= 0.8
    closed = lab.analyze(clip, labels=["car"], every_s=0.4, store=tmp_path, progress=False)
    assert closed.find() == []


def test_a_table_is_found_where_it_stands(make, clips, vocabulary):
    detector = make(["table"], embeddings=vocabulary)
    frames = [
        f
        for f in FileSource(clips / "one-by-one-person-detection.mp4").frames(1.0)
        if f.pts_s in (2, 47, 138)
    ]
    assert len(frames) == 3
    for found in detector.detect(frames):
        assert best(found, "table") > detector.default_threshold
        box = found.box_xyxy_px[int(found.confidence.argmax())]
        assert np.abs(box - TABLE_BOX).max() < 15


@pytest.mark.long
def test_an_unknown_prompt_offline_names_the_closest_known_ones(make, vocabulary, tmp_path):
    with pytest.raises(
        DetectorError,
        match=r"'red car' \(closest known: car.*downloads are switched off.*put it at",
    ):
        make(["red car"])
    with pytest.raises(DetectorError, match=r"'zebar' \(closest known: zebra") as caught:
        make(["zebar", "person", "a lorry"], embeddings=vocabulary, store=Store(tmp_path))
    assert "'a lorry'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "'person'" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "prompts must be a list of words or phrases, got none"),
        ("car", "must be a list of words or phrases, got 'car'"),
        ([1], "must be a list"),
        ([], "no prompt given"),
        (["car", "  "], "a prompt is empty"),
        (["x" * 10_000], r"'x{40}…' has 10000 characters, at most 200"),
        ([f"thing {i}" for i in range(2000)], "2000 prompts are given, at most 1000"),
        (["car", " car "], "'car' is given twice"),
        (["café", unicodedata.normalize("NFD", "café")], "'café' is given twice"),
        (["a\x00b"], "control characters"),
        (["a\x1b[31mb"], "control characters"),
        (["a\ud800"], "control characters"),
    ],
)
def test_prompts_that_cannot_be_meant_say_why(make, labels, words):
    with pytest.raises(SettingError, match=words) as caught:
        make(labels)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prompt_mode": "both"}, "unknown prompt_mode 'both'; known: independent, joint"),
        ({"score_floor": 0}, "score_floor"),
        ({"nms_iou": 2}, "nms_iou"),
        ({"image_size": 100}, "multiple of 32"),
        ({"most_boxes": 0}, "most_boxes"),
        ({"runtime": "tpu"}, "known: onnx, openvino, torch"),
        ({"embeddings": "no/such.npz"}, "no embeddings file at no/such.npz"),
    ],
)
def test_settings_that_cannot_work_say_why(make, settings, words):
    with pytest.raises(SettingError, match=words):
        make(["cat"], **settings)


def test_many_prompts_one_by_one_are_refused_with_the_way_out(make):
    with pytest.raises(
        SettingError, match=r"150 prompts in mode independent .* use prompt_mode joint"
    ):
        make([f"thing {i}" for i in range(150)], prompt_mode="independent")


@pytest.mark.long
def test_emoji_and_right_to_left_prompts_work_and_are_read_back(
    models, make, own, samples, tmp_path
):
    prompts = ["🐈 👩‍🔬", "قطة", "חתול", "café"]
    named = make(["cat", "dog", "person", "cup"], image_size=320)
    decomposed = [unicodedata.normalize("NFD", prompt) for prompt in prompts]
    file = tmp_path / "words.npz"
    np.savez(file, names=np.array(decomposed), emb=own(named.labels))
    clip = samples / "cat_then_person.mp4"
    run = lab.analyze(
        clip,
        detector="yolo-world",
        weights=str(models / "yolov8s-world.pt"),
        embeddings=file,
        labels=prompts,
        image_size=320,
        every_s=1.0,
        store=tmp_path / "store",
        progress=False,
    )
    plain = lab.analyze(clip, detector=named, every_s=1.0, store=tmp_path / "store", progress=False)
    again = Run(Store(tmp_path / "store"), run.run_id)
    assert sorted(again.labels) == sorted(prompts)
    assert again.recipe["labels"] == sorted(prompts)
    for prompt, name in zip(prompts, named.labels, strict=True):
        assert np.array_equal(again.scores()[prompt], plain.scores()[name])
    assert again.scores()[prompts[0]].max() > 0.5
    assert {s.label for s in again.find(lab.Debounce(enter_threshold=0.3, enter_frames=1))} >= {
        prompts[0]
    }


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


UNIT = np.eye(3, 512, dtype=np.float32)
BROKEN_FILES = {
    "text": (lambda p: p.write_text("names,emb\n"), "is not an embeddings file"),
    "empty": (lambda p: p.write_bytes(b""), "is not an embeddings file"),
    "folder": (lambda p: p.mkdir(), "is not an embeddings file"),
    "array": (lambda p: np.save(p.open("wb"), UNIT), "is not an embeddings file|cannot be read"),
    "pickle": (
        lambda p: p.write_bytes(pickle.dumps({"names": ["x"]})),
        "is not an embeddings file",
    ),
    "objects": (
        lambda p: npz(p, names=np.array(["x", None, 3], object), emb=UNIT),
        "is not an embeddings file",
    ),
    "no names": (lambda p: npz(p, emb=UNIT), "is not an embeddings file"),
    "numbers": (lambda p: npz(p, names=np.arange(3), emb=UNIT), "names must be n texts"),
    "fewer names": (lambda p: npz(p, names=np.array(["a"]), emb=UNIT), "names must be n texts"),
    "one vector": (lambda p: npz(p, names=np.array(["a"]), emb=UNIT[0]), "names must be n texts"),
    "whole numbers": (
        lambda p: npz(p, names=np.array(list("abc")), emb=UNIT.astype(int)),
        "floating-point",
    ),
    "not finite": (lambda p: npz(p, names=np.array(list("abc")), emb=UNIT * np.nan), "finite"),
    "zero": (lambda p: npz(p, names=np.array(list("abc")), emb=UNIT * 0), "zero in all dimensions"),
    "huge": (lambda p: npz(p, names=np.array(list("abc")), emb=UNIT * 1e30), "below 10000"),
    "no name": (lambda p: npz(p, names=np.array(["a", " ", "c"]), emb=UNIT), "name 1 is empty"),
    "twice": (lambda p: npz(p, names=np.array(["a", "b", " a"]), emb=UNIT), "'a' is there twice"),
    "other encoder": (
        lambda p: npz(p, names=np.array(list("abc")), emb=UNIT[:, :256]),
        "the embedding of 'a' has 256 numbers, the network takes 512",
    ),
}


def test_embeddings_that_differ_from_the_known_are_named_replaced_or_removed(tmp_path, capsys):
    def ask(*words):
        code = main(["embeddings", *map(str, words), "--store", str(tmp_path / "store")])
        done = capsys.readouterr()
        return code, done.out + done.err

    first = npz(tmp_path / "1.npz", names=np.array(["otter", "cat", "dog"]), emb=UNIT)
    other = npz(tmp_path / "2.npz", names=np.array(["otter", "cat"]), emb=UNIT[[1, 1]])
    assert ask("import", first)[0] == 0
    _, told = ask("import", other)
    assert "'otter': the store has a different embedding and keeps it" in told
    store = Store(tmp_path / "store")
    assert store.embeddings(CLIP, ["otter"])["otter"][0] == 1
    assert "1 embeddings saved" in ask("import", other, "--replace")[1]
    assert store.embeddings(CLIP, ["otter"])["otter"][1] == 1
    assert ask("remove", " otter ", "dog") == (0, f"2 embeddings of {CLIP} removed\n")
    assert store.embedding_names(CLIP) == ["cat"]
    short = npz(tmp_path / "3.npz", names=np.array(["x"]), emb=UNIT[:1, :300])
    code, told = ask("import", short)
    assert (code, "300 dimensions, those of" in told) == (2, True)


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_an_embeddings_file_that_is_none_says_so(make, tmp_path, kind):
    write, words = BROKEN_FILES[kind]
    path = tmp_path / "broken.npz"
    write(path)
    with pytest.raises(SettingError, match=words):
        make(["cat"], embeddings=path)


def test_an_embeddings_file_that_was_cut_off_says_so(make, vocabulary, tmp_path):
    data = vocabulary.read_bytes()
    for share in (0.3, 0.9, 0.999):
        path = tmp_path / "cut.npz"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(SettingError, match=r"cannot be read|is not an embeddings file"):
            make(["cat"], embeddings=path)


@pytest.fixture
def encoder_file(models_folder):
    """Where the text encoder belongs; whatever a test puts there is taken away."""
    path = models_folder / "clip" / "ViT-B-32.pt"
    path.parent.mkdir(exist_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.long
def test_what_the_text_encoder_says_is_kept_in_the_store_and_not_computed_twice(
    make, encoder_file, tmp_path
):
    tiny_openai_clip(encoder_file)
    prompts = ["a red car", "قطة 🐈", "person"]
    first = make(prompts, store=Store(tmp_path))
    with np.load(OPENAI) as openai:
        known = dict(zip(openai["texts"].tolist(), openai["features"], strict=False))
    kept = Store(tmp_path).embeddings(CLIP, prompts)
    assert set(kept) == set(prompts[:2]), "what the checkpoint knows by itself is not kept"
    for prompt in prompts[:2]:
        assert np.abs(kept[prompt] - known[prompt]).max() < 1e-6, "not what OpenAI's code says"
    encoder_file.unlink()
    assert make(prompts, store=Store(tmp_path)).recipe() == first.recipe()
    with pytest.raises(DetectorError, match="no embedding is known for 'a red car'"):
        make(prompts, store=Store(tmp_path / "another"))


def test_a_text_encoder_that_is_no_clip_is_refused_and_not_run(make, encoder_file, tmp_path):
    import torch

    mark = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    class Program(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    torch.save({"state_dict": Evil()}, encoder_file)
    with pytest.raises(
        DetectorError, match="neither the published file nor the tensors of a CLIP model alone"
    ):
        make(["a red car"])
    encoder_file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DetectorError, match="the tensors of a CLIP model alone"):
        make(["a red car"])
    assert not mark.exists()
    torch.jit.script(Program()).save(str(encoder_file))
    with pytest.raises(DetectorError, match="the tensors of a CLIP model alone"):
        make(["a red car"])
    torch.save({"weight": torch.zeros(3)}, encoder_file)
    with pytest.raises(DetectorError, match="the tensors of a CLIP model alone"):
        make(["a red car"])


def test_a_prompt_of_too_many_tokens_says_so(make, encoder_file):
    tiny_openai_clip(encoder_file)
    with pytest.raises(DetectorError, match="at most 77 tokens; shorten the prompt"):
        make(["🐈🦖" * 60])


def test_other_checkpoints_are_refused(make, models, tmp_path):
    import torch
    from ultralytics.nn import tasks

    with pytest.raises(
        DetectorError, match="is a DetectionModel, not YOLO-World; use detector 'yolo'"
    ):
        make(["cat"], weights=str(models / "yolo26n.pt"))
    other = tasks.ClassificationModel("yolo11n-cls.yaml", nc=2, verbose=False)
    other.names, other.task, other.args = {0: "a", 1: "b"}, "classify", {}
    torch.save({"model": other}, tmp_path / "cls.pt")
    for runtime in RUNTIMES:
        with pytest.raises(DetectorError, match="not YOLO-World"):
            make(["cat"], weights=str(tmp_path / "cls.pt"), runtime=runtime)
    (tmp_path / "junk.pt").write_bytes(b"not a model" * 100)
    with pytest.raises(DetectorError):
        make(["cat"], weights=str(tmp_path / "junk.pt"))
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(DetectorError, match=r"not a YOLO-World checkpoint; its weights end in .pt"):
        make(["cat"], weights=str(tmp_path / "net.onnx"))
    with pytest.raises(DetectorError, match="yolov8s-worldv2"):
        YoloWorld(labels=["cat"])


def test_other_prompts_load_nothing_again_and_a_failed_change_leaves_the_old_ones(
    make, cats, monkeypatch
):
    import onnxruntime

    opened, real = [], onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *a, **k: opened.append(1) or real(*a, **k)
    )
    detector = make(["person"], image_size=320)
    assert len(opened) == 2
    detector.ask_for(["cat", "dog"])
    assert detector.labels == ("cat", "dog")
    fresh = make(["cat", "dog"], image_size=320)
    assert detector.recipe() == fresh.recipe()
    before = detector.detect(cats)
    assert [rows(f, "cat") for f in before] == [rows(f, "cat") for f in fresh.detect(cats)]
    recipe = json.dumps(detector.recipe())
    for labels, mode, error in (
        ([], None, SettingError),
        (["cat"], "both", SettingError),
        (["zebar"], None, DetectorError),
    ):
        with pytest.raises(error):
            detector.ask_for(labels, mode)
    assert json.dumps(detector.recipe()) == recipe
    assert detector.labels == ("cat", "dog")
    assert [rows(f, "cat") for f in detector.detect(cats)] == [rows(f, "cat") for f in before]
    assert len(opened) == 4


def test_a_closed_detector_says_so(make):
    detector = make(["cat"], image_size=320)
    detector.close()
    with pytest.raises(DetectorError, match="closed"):
        detector.detect([make_frame()])


def test_a_recipe_holds_what_the_prompts_meant(make, vocabulary):
    one = make(["cat", "table"], embeddings=vocabulary).recipe()
    assert set(one["text_features"]) == {"cat", "table"}
    assert all(len(hashed) == 16 for hashed in one["text_features"].values())
    assert len(one["weights_sha256"]) == 64
    pair = make(["cat", "dog"]).recipe()["text_features"]
    assert pair["cat"] != pair["dog"]
    assert make(["cat"]).recipe()["text_features"] == {"cat": pair["cat"]}
    assert one["text_features"]["cat"] != pair["cat"], (
        "the file is looked into first; it holds float16"
    )
