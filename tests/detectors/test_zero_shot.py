"""Brands and scenes, with a real CLIP model of random weights, against open_clip's own scores."""

import json
import os
import pickle
import socket
from importlib.metadata import EntryPoint

import cv2
import numpy as np
import pytest

from lab.detection import Detections
from lab.detectors.make import make_detector
from lab.detectors.zero_shot.brand_lists import load_brands
from lab.detectors.zero_shot.clip_weights import find_clip_weights
from lab.detectors.zero_shot.crops import crop_boxes
from lab.detectors.zero_shot.encoder import ClipEncoder, MemoryTextCache
from lab.detectors.zero_shot.logos import LOGO_TEMPLATES, Logos
from lab.detectors.zero_shot.scenes import Scenes
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.video.sources.file import FileSource
from tests.builders import ScriptedDetector, make_detections, make_frame
from tests.detectors.tiny_clip import tiny_open_clip

BRANDS = [
    {"name": "Nike", "terms": ["Nike", "Nike swoosh"]},
    {"name": "Shell", "terms": ["Shell petrol station"]},
    {"name": "BMW", "terms": ["BMW"]},
    {"name": "قهوة", "terms": ["قهوة ☕", "مقهى"]},
    {"name": "🚀", "terms": ["🚀 rocket"]},
    {"name": "IBM", "terms": ["IBM"]},
    {"name": "Visa", "terms": ["Visa card"]},
]
NEGATIVE = ["a photo without any logo", "a plain background"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_open_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def logos(tiny):
    return make_logos(tiny)


def make_logos(tiny, **settings):
    given = {"brands": BRANDS, "negative": NEGATIVE, "top": 7, "score_floor": 1e-6} | settings
    return Logos(model="tiny-clip", weights=str(tiny), **given)


def make_scenes(tiny, **settings):
    return Scenes(model="tiny-clip", weights=str(tiny), **settings)


def bus():
    import ultralytics

    return Frame(cv2.imread(f"{ultralytics.__path__[0]}/assets/bus.jpg"), 0, 0, 0.0)


def by_label(detections):
    return dict(zip(detections.labels, detections.confidence.tolist(), strict=True))


def scores_of_open_clip(tiny, classes, images_bgr):
    """Softmax scores, computed with open_clip's own model, transform and tokenizer."""
    import open_clip
    import torch
    from PIL import Image

    model, _, transform = open_clip.create_model_and_transforms(
        "tiny-clip", pretrained=str(tiny), image_resize_mode="squash"
    )
    model.eval()
    tokenizer = open_clip.get_tokenizer("tiny-clip")
    with torch.no_grad():
        rows = []
        for prompts in classes:
            mean = torch.stack(
                [model.encode_text(tokenizer([p]), normalize=True)[0] for p in prompts]
            ).mean(0)
            rows.append(mean / mean.norm())
        batch = torch.stack(
            [transform(Image.fromarray(cv2.cvtColor(i, cv2.COLOR_BGR2RGB))) for i in images_bgr]
        )
        seen = model.encode_image(batch, normalize=True)
        return (model.logit_scale.exp() * seen @ torch.stack(rows).T).softmax(dim=-1).numpy()


def logo_classes():
    return [
        *([t.format(term) for term in b["terms"] for t in LOGO_TEMPLATES] for b in BRANDS),
        NEGATIVE,
    ]


@pytest.fixture(scope="module")
def clip_frames(samples):
    return list(FileSource(samples / "cat_then_person.mp4").frames(0.8))[:8]


def test_scores_are_those_of_open_clip_and_sum_to_one(tiny, logos, clip_frames):
    images = [bus().image_bgr, *(f.image_bgr for f in clip_frames[:2])]
    ours = logos.probabilities(images)
    theirs = scores_of_open_clip(tiny, logo_classes(), images)
    assert ours.shape == (3, len(BRANDS) + 1)
    assert np.abs(ours - theirs).max() < 1e-4
    assert np.abs(ours.sum(axis=1) - 1).max() < 1e-5
    assert np.ptp(theirs[0]) > 0.05, "the model tells nothing apart; the comparison says nothing"
    assert np.abs(theirs[0] - theirs[1]).max() > 0.01
    found = by_label(logos.detect([bus()])[0])
    assert found == pytest.approx(
        dict(zip([b["name"] for b in BRANDS], theirs[0], strict=False)), abs=1e-4
    )


def test_scene_scores_are_those_of_open_clip(tiny):
    scenes = ["river", "an empty road", {"name": "night", "prompts": ["a night scene"]}]
    detector = make_scenes(tiny, scenes=scenes, negative=["a photo"])
    classes = [
        ["a photo of a river", "a picture taken at a river", "a video frame that shows a river"],
        [
            "a photo of an empty road",
            "a picture taken at an empty road",
            "a video frame that shows an empty road",
        ],
        ["a night scene"],
        ["a photo"],
    ]
    frame = bus()
    theirs = scores_of_open_clip(tiny, classes, [frame.image_bgr])
    assert np.abs(detector.probabilities([frame.image_bgr]) - theirs).max() < 1e-4
    (found,) = detector.detect([frame])
    assert set(by_label(found)) <= {"river", "an empty road", "night"}
    assert found.box_xyxy_px.tolist() == [[0, 0, 810, 1080]] * len(found)
    assert detector.recipe()["whole_frame"] is True


def test_a_brands_score_does_not_depend_on_the_brands_reported(tiny, logos):
    among = by_label(logos.detect([bus()])[0])
    alone = by_label(make_logos(tiny, labels=["BMW"]).detect([bus()])[0])
    assert alone == {"BMW": among["BMW"]}


def test_only_the_best_brands_of_the_whole_list_are_kept(tiny, logos):
    among = by_label(logos.detect([bus()])[0])
    best = sorted(among, key=among.get, reverse=True)
    five = make_logos(tiny, top=5)
    assert list(five.detect([bus()])[0].labels) == best[:5]
    assert len(make_logos(tiny, top=5, labels=[best[6]]).detect([bus()])[0]) == 0
    strict = make_logos(tiny, score_floor=among[best[1]] - 1e-6)
    assert list(strict.detect([bus()])[0].labels) == best[:2]


@pytest.mark.parametrize("make", [make_logos, make_scenes])
def test_a_batch_of_eight_gives_the_scores_of_eight_batches(tiny, make, clip_frames):
    detector = make(tiny)
    one = [d for f in clip_frames for d in detector.detect([f])]
    eight = detector.detect(clip_frames)
    assert any(len(d) for d in one)
    for a, b in zip(one, eight, strict=True):
        assert by_label(a) == pytest.approx(by_label(b), abs=1e-5)


@pytest.mark.parametrize("size_px", [(1, 1), (7, 1000), (64, 48), (1920, 1080)])
def test_pictures_of_any_size_are_looked_at(logos, size_px):
    (found,) = logos.detect([make_frame(size_px=size_px)])
    assert found.error is None
    assert len(found) == 7
    assert found.box_xyxy_px.tolist() == [[0, 0, *size_px]] * 7


def test_pictures_without_pixels_fail_and_no_frames_give_nothing(logos):
    empty = Frame(np.zeros((0, 0, 3), np.uint8), 0, 0, 0.0)
    assert "no pixels" in logos.detect([empty])[0].error
    assert logos.detect([]) == []


def test_frames_of_two_shapes_are_no_batch(logos):
    with pytest.raises(ValueError, match="one shape"):
        logos.detect([make_frame(), make_frame(size_px=(32, 32))])


def test_closing_twice_is_fine(tiny):
    detector = make_logos(tiny)
    detector.close()
    detector.close()
    with pytest.raises(DetectorError, match="closed"):
        detector.detect([make_frame()])


def register_scripted(monkeypatch, results):
    """Register a detector `scripted` that gives these results."""

    class Scripted(ScriptedDetector):
        def __init__(self):
            super().__init__(results)

    point = EntryPoint("scripted", "tests.builders:ScriptedDetector", "lab.detectors")
    monkeypatch.setattr("lab.detectors.registered.detectors._built_in", {"scripted": point})
    monkeypatch.setattr("tests.builders.ScriptedDetector", Scripted)


def test_on_boxes_each_crop_is_classified_and_the_crop_is_the_box(tiny, logos, monkeypatch):
    image = bus().image_bgr
    boxes = make_detections(
        ("x", 0.3, (100, 200, 300, 600)), ("x", 0.9, (0, 0, 810, 100)), ("x", 0.2, (5, 5, 9, 9))
    )
    register_scripted(
        monkeypatch, [boxes, Detections(), Detections.failed("torn"), Detections.held_back("still")]
    )
    detector = make_logos(tiny, on="boxes", boxes_from={"name": "scripted"})
    found, none, failed, held = detector.detect([Frame(image, i, 0, 0.0) for i in range(4)])
    crops = [(0, 0, 810, 105), (90, 180, 310, 620)]
    want = logos.probabilities([image[y1:y2, x1:x2] for x1, y1, x2, y2 in crops])
    for crop, row in zip(crops, want, strict=True):
        mine = (found.box_xyxy_px == crop).all(axis=1)
        got = dict(zip(np.array(found.labels)[mine], found.confidence[mine], strict=True))
        assert got == pytest.approx(
            dict(zip([b["name"] for b in BRANDS], row, strict=False)), abs=1e-5
        )
    assert len(found) == 14
    assert len(none) == 0
    assert none.error is None
    assert failed.error == "torn"
    assert held.gated == "still"
    assert detector.recipe()["boxes_from"]["detector"] == "scripted"
    assert detector.recipe()["whole_frame"] is False


def test_boxes_of_yolo_on_a_real_picture(tiny):
    detector = make_detector(
        "logos",
        model="tiny-clip",
        weights=str(tiny),
        brands=BRANDS,
        on="boxes",
        top=1,
        score_floor=1e-6,
        boxes_from={"name": "yolo", "labels": ["bus"]},
    )
    (found,) = detector.detect([bus()])
    (bus_box,) = (
        make_detector("yolo", labels=["bus"], score_floor=0.25).detect([bus()])[0].box_xyxy_px
    )
    assert len(found) == 1
    assert (found.box_xyxy_px[0, :2] <= bus_box[:2]).all()
    assert (found.box_xyxy_px[0, 2:] >= bus_box[2:]).all()
    inner = detector.recipe()["boxes_from"]
    assert inner["weights_sha256"]
    again = make_logos(tiny, on="boxes", boxes_from=inner)
    assert again.recipe()["boxes_from"] == inner
    detector.close()


def test_crops_are_the_surest_boxes_inside_the_picture():
    many = make_detections(*(("x", 0.3 + i / 100, (i, 0, i + 10, 20)) for i in range(30)))
    cuts = crop_boxes(many, 100, 50, threshold=0.25, max_crops=20, margin=0.1)
    assert len(cuts) == 20
    assert cuts[0].tolist() == [28, 0, 40, 21]
    thin = make_detections(("x", 0.9, (100, 50, 100, 50)), ("x", 0.8, (3, 3, 3, 3)))
    for x1, y1, x2, y2 in crop_boxes(thin, 100, 50, threshold=0.25, max_crops=20, margin=0.1):
        assert 0 <= x1 < x2 <= 100
        assert 0 <= y1 < y2 <= 50


class RecordingCache(MemoryTextCache):
    def __init__(self):
        super().__init__()
        self.texts = []

    def put(self, encoder, text, vector):
        self.texts.append(text)
        super().put(encoder, text, vector)


def test_texts_are_encoded_once_for_each_encoder(tiny):
    cache = RecordingCache()
    first = make_logos(tiny, text_cache=cache)
    prompts = [text for texts in logo_classes() for text in texts]
    assert cache.texts == prompts
    second = make_logos(tiny, text_cache=cache, labels=["IBM"])
    assert cache.texts == prompts
    image = bus().image_bgr
    assert np.array_equal(first.probabilities([image]), second.probabilities([image]))


def test_a_cache_in_memory_forgets_the_oldest_text():
    cache = MemoryTextCache(max_vectors=2)
    for text in "abc":
        cache.put("e", text, np.zeros(1, np.float32))
    assert [cache.get("e", text) is None for text in "abc"] == [True, False, False]
    assert cache.get("other", "c") is None


def test_the_recipe_is_json_and_holds_what_scores_depend_on(tiny, logos):
    recipe = logos.recipe()
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["brands"] == BRANDS
    assert recipe["negative"] == NEGATIVE
    assert recipe["preprocess"]["resize"] == "squash"
    assert recipe["preprocess"]["size_px"] == [64, 64]
    assert recipe["whole_frame"] is True
    assert len(recipe["weights_sha256"]) == 64
    assert recipe["weights"] == "tiny.pt"
    assert logos.weights_path == str(tiny)
    assert make_scenes(tiny).recipe()["scenes"][0]["name"] == "street"


def test_a_recipes_lists_give_the_same_detector(tiny, logos):
    recipe = logos.recipe()
    settings = {
        k: recipe[k] for k in ("brands", "negative", "labels", "on", "top", "score_floor", "model")
    }
    assert make_detector("logos", weights=logos.weights_path, **settings).recipe() == recipe
    scenes = make_scenes(tiny)
    recipe = scenes.recipe()
    settings = {
        k: recipe[k] for k in ("scenes", "negative", "labels", "top", "score_floor", "model")
    }
    assert make_detector("scenes", weights=scenes.weights_path, **settings).recipe() == recipe


def test_the_built_in_lists_are_used_unless_others_are_given(tiny):
    labels = Logos(model="tiny-clip", weights=str(tiny)).labels
    assert labels == tuple(b["name"] for b in load_brands())
    assert 25 <= len(labels) <= 40
    assert {"river", "laboratory", "shop floor", "night"} <= set(make_scenes(tiny).labels)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": ["Nikee"]}, "does not have 'Nikee'"),
        ({"labels": []}, "no label given"),
        ({"labels": "Nike"}, "list of names"),
        ({"top": 0}, "top must be"),
        ({"score_floor": 0}, "score_floor"),
        ({"score_floor": float("nan")}, "score_floor"),
        ({"on": "windows"}, "'frame' or 'boxes'"),
        ({"on": "boxes"}, "give both or neither"),
        ({"boxes_from": {"name": "yolo"}}, "give both or neither"),
        ({"on": "boxes", "boxes_from": "yolo"}, "must name a detector"),
        ({"on": "boxes", "boxes_from": {"name": "yolo"}, "boxes_threshold": 2}, r"in \[0, 1\]"),
        ({"on": "boxes", "boxes_from": {"name": "nobody"}}, "unknown detector"),
        ({"negative": []}, "negative must be"),
        ({"negative": "none"}, "negative must be"),
        ({"brands": [*BRANDS, {"name": "nike", "terms": ["x"]}]}, "there twice"),
    ],
)
def test_settings_that_cannot_work_say_why(tiny, settings, words):
    with pytest.raises(SettingError, match=words):
        make_logos(tiny, **settings)


def test_a_detector_without_boxes_gives_no_crops(tiny):
    scenes = {"name": "scenes", "model": "tiny-clip", "weights": str(tiny)}
    with pytest.raises(SettingError, match="a detector with boxes"):
        make_logos(tiny, on="boxes", boxes_from=scenes)


@pytest.mark.parametrize(
    ("scenes", "words"),
    [
        ([], "1 to 200"),
        ("river", "those end in .yaml"),
        (["river", "River"], "there twice"),
        ([3], "must be text"),
        ([{"name": "x"}], "1 to 20 prompts"),
        ([{"name": "x", "prompt": ["y"]}], "unknown key 'prompt'"),
    ],
)
def test_scenes_that_cannot_be_meant_are_refused(tiny, scenes, words):
    with pytest.raises(SettingError, match=words):
        make_scenes(tiny, scenes=scenes)


def test_models_and_weights_that_are_not_known():
    with pytest.raises(SettingError, match="did you mean 'ViT-B-32'"):
        ClipEncoder("ViT-B-33")
    with pytest.raises(SettingError, match="unknown CLIP model"):
        ClipEncoder("hf-hub:somebody/something")
    with pytest.raises(SettingError, match="unknown CLIP model"):
        ClipEncoder("ViT-B-16-SigLIP")
    with pytest.raises(SettingError, match=r"name the weights of ViT-L-14; .*openai"):
        ClipEncoder("ViT-L-14")
    with pytest.raises(DetectorError, match="did you mean 'laion2b_s34b_b79k'"):
        ClipEncoder("ViT-B-32", "laion2b_s34b_b79")


@pytest.mark.parametrize("switch", ["LAB_OFFLINE", "YOLO_OFFLINE", "HF_HUB_OFFLINE"])
def test_weights_that_are_not_here_say_where_to_get_and_put_them(tmp_path, monkeypatch, switch):
    for name in ("LAB_OFFLINE", "YOLO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(switch, "true")
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    with pytest.raises(DetectorError) as caught:
        make_detector("logos")
    said = str(caught.value)
    assert "\n" not in said
    assert (
        "open_clip_model.safetensors from https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
        in said
    )
    target = tmp_path / "models" / "clip" / "ViT-B-32-laion2b_s34b_b79k.safetensors"
    assert said.endswith(f"put it at {target}")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"anything")
    found = find_clip_weights("ViT-B-32", None)
    assert (found.path, found.name, found.is_published) == (target, "laion2b_s34b_b79k", True)


def test_without_a_connection_the_same_line_is_given(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
    monkeypatch.setenv("YOLO_OFFLINE", "false")
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    with pytest.raises(DetectorError, match=r"no connection.* put it at") as caught:
        find_clip_weights("ViT-B-32", "openai")
    assert "\n" not in str(caught.value)


def test_a_file_in_the_models_folder_is_found_by_its_name(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "mine.pt").write_bytes(tiny.read_bytes())
    detector = Logos(model="tiny-clip", weights="mine.pt")
    assert detector.weights_path == str(tmp_path / "clip" / "mine.pt")


def test_safetensors_give_the_same_scores_as_the_state_dict(tiny, logos, tmp_path):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "tiny.safetensors"
    save_file(torch.load(tiny, weights_only=True), path)
    image = bus().image_bgr
    assert np.allclose(
        make_logos(path).probabilities([image]), logos.probabilities([image]), atol=1e-6
    )


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_weights_are_refused(tiny, tmp_path, suffix):
    import torch
    from safetensors.torch import save_file

    whole = tmp_path / f"whole{suffix}"
    if suffix == ".pt":
        whole = tiny
    else:
        save_file(torch.load(tiny, weights_only=True), whole)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole.read_bytes()[:-5000])
    with pytest.raises(DetectorError, match="cannot be read as weights"):
        make_logos(path)


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (self.marker,))


@pytest.mark.parametrize("is_archive", [False, True])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, is_archive):
    import torch

    marker, path = tmp_path / "it-ran", tmp_path / "bad.pt"
    content = {"state_dict": {"logit_scale": Malicious(str(marker))}}
    if is_archive:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(DetectorError, match="holds more than tensors"):
        make_logos(path)
    assert not marker.exists()


def test_weights_of_another_model_or_of_none_are_refused(tiny, tmp_path):
    import torch

    state = torch.load(tiny, weights_only=True)
    del state["logit_scale"]
    torch.save(state, tmp_path / "less.pt")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    (tmp_path / "weights.npz").write_bytes(b"x")
    for name, words in (
        ("less.pt", "does not fit the model tiny-clip"),
        ("none.pt", "holds no weights"),
        ("weights.npz", "is not a file of CLIP weights"),
    ):
        with pytest.raises(DetectorError, match=words) as caught:
            make_logos(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_weights_that_are_not_numbers_are_refused(tiny, tmp_path):
    import torch

    state = torch.load(tiny, weights_only=True)
    state["text_projection"].fill_(float("nan"))
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(DetectorError, match="not numbers"):
        make_logos(tmp_path / "nan.pt")
    state = torch.load(tiny, weights_only=True)
    state["visual.proj"].fill_(float("nan"))
    torch.save(state, tmp_path / "nan2.pt")
    (found,) = make_logos(tmp_path / "nan2.pt").detect([make_frame()])
    assert "not numbers" in found.error


def test_published_weights_of_openai_get_their_activation(tiny, tmp_path, monkeypatch):
    """By name, weights that were trained with the quick GELU run with it."""
    import open_clip
    import torch

    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    monkeypatch.setitem(
        open_clip.pretrained._PRETRAINED,
        "tiny-clip",
        {"quick": {"hf_hub": "a/b/", "quick_gelu": True}},
    )
    (tmp_path / "clip").mkdir()
    torch.save(torch.load(tiny, weights_only=True), tmp_path / "clip" / "tiny-clip-quick.pt")
    quick, plain = ClipEncoder("tiny-clip", "quick"), ClipEncoder("tiny-clip", str(tiny))
    image = bus().image_bgr
    assert quick.recipe()["quick_gelu"] is True
    assert quick.weights_path is None
    assert np.abs(quick.images([image]) - plain.images([image])).max() > 1e-4
    assert quick.key != plain.key


def test_the_module_is_light_until_a_detector_is_made():
    import subprocess
    import sys

    code = (
        "import sys, lab.detectors.zero_shot; "
        "sys.exit(bool({'torch', 'open_clip', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
