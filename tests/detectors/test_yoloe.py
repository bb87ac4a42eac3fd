"""YOLOE: random networks against Ultralytics' own prediction, prompts, and its text encoder."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lab.detectors.open_vocabulary import mobileclip
from lab.detectors.open_vocabulary.text_features import feature_hash
from lab.detectors.open_vocabulary.yoloe import Yoloe
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.store.store import Store
from tests.builders import make_frame
from tests.detectors.random_yoloe import PROMPTS, random_vectors, street_bgr, write_random
from tests.quick_set import mostly_long

NETWORKS = ["yoloe-11n-seg", "yoloe-v8s", "yoloe-26n-seg"]


@pytest.fixture(scope="module")
def street():
    return Frame(street_bgr(), 0, 0, 0.0)


@pytest.fixture(scope="module")
def vectors():
    """Random unit vectors in place of what the text encoder would give."""
    return random_vectors()


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory, vectors):
    path = tmp_path_factory.mktemp("texts") / "texts.npz"
    np.savez(path, names=np.array(PROMPTS), emb=vectors)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, street, vectors):
    """checkpoint(kind, form) is a random YOLOE whose scores differ over the picture.

    form: `text`, `prompt-free`, or `trained`, with the names in place of text in the head.
    """
    folder = tmp_path_factory.mktemp("yoloe")

    def make(kind="yoloe-11n-seg", form="text"):
        path = folder / f"{kind}-{form}.pt"
        if not path.exists():
            write_random(path, kind, form, street.image_bgr, vectors)
        return str(path)

    return make


def theirs(path, frame, prompts=None, vectors=None, iou=0.7):
    """(label, score, box) of Ultralytics' predict; of masks the box tight around each."""
    import torch
    from ultralytics import YOLOE

    model = YOLOE(path)
    if prompts is not None:
        with torch.no_grad():
            features = model.model.model[-1].get_tpe(torch.from_numpy(vectors)[None])
        model.set_classes(prompts, features)
    found = model.predict(
        frame.image_bgr,
        conf=0.25,
        iou=iou,
        imgsz=320,
        max_det=3000,
        verbose=False,
        device="cpu",
        agnostic_nms=False,
    )[0]
    boxes = found.boxes.xyxy.numpy()
    if found.masks is not None:
        masks = found.masks.data.numpy() > 0
        boxes = np.array([tight(mask) for mask in masks]) - np.array(
            [(masks.shape[2] - 240) / 2, 0] * 2
        )
    names = [found.names[int(i)] for i in found.boxes.cls]
    return list(
        zip(names, found.boxes.conf.numpy(), np.clip(boxes, 0, [240, 320, 240, 320]), strict=True)
    )


def tight(mask):
    across, down = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return [across[0], down[0], across[-1] + 1, down[-1] + 1]


def rows(detections):
    return [
        (name, float(c), b)
        for name, c, b in zip(
            detections.labels, detections.confidence, detections.box_xyxy_px, strict=True
        )
    ]


def assert_among(expected, found):
    """Each has its like there: the label, the score within 1e-3, the box within 1 px."""
    assert len({round(float(score), 2) for _, score, _ in expected}) > 5
    for label, score, box in expected:
        near = [c for name, c, b in found if name == label and np.abs(b - box).max() <= 1]
        assert any(abs(c - score) < 1e-3 for c in near), (label, score, box, near)


def assert_same(ours, expected):
    """The same from both; what lies at the floor of 0.25 may be on one side only."""
    assert_among([row for row in ours if row[1] > 0.251], expected)
    assert_among([row for row in expected if row[1] > 0.251], ours)


@pytest.mark.long
@pytest.mark.parametrize("kind", mostly_long(NETWORKS, "yoloe-11n-seg", "yoloe-26n-seg"))
def test_scores_and_boxes_of_a_prompt_are_those_of_ultralytics(
    checkpoint, street, embeddings, vectors, kind
):
    path = checkpoint(kind)
    detector = Yoloe(
        weights=path, labels=PROMPTS, embeddings=embeddings, image_size=320, score_floor=0.25
    )
    ours = rows(detector.detect([street])[0])
    for i in (0, 2):
        # Asked for alone, since Ultralytics lets a box have its best label only.
        expected = theirs(path, street, PROMPTS[i : i + 1], vectors[i : i + 1])
        assert_same([row for row in ours if row[0] == PROMPTS[i]], expected)


@pytest.mark.long
def test_a_network_that_suppresses_by_itself_gives_what_ultralytics_gives(
    checkpoint, street, embeddings, vectors, tmp_path
):
    import torch

    saved = torch.load(checkpoint("yoloe-26n-seg"), weights_only=False)
    saved["model"].end2end = True
    torch.save(saved, tmp_path / "end2end.pt")
    path = str(tmp_path / "end2end.pt")
    detector = Yoloe(
        weights=path, labels=["cat"], embeddings=embeddings, image_size=320, score_floor=0.25
    )
    assert_same(rows(detector.detect([street])[0]), theirs(path, street, ["cat"], vectors[:1]))


@pytest.mark.parametrize("form", ["prompt-free", "trained"])
@pytest.mark.parametrize("kind", mostly_long(NETWORKS, "yoloe-11n-seg"))
def test_a_checkpoint_with_its_own_names_needs_no_prompts(checkpoint, street, kind, form):
    path = checkpoint(kind, form)
    detector = Yoloe(weights=path, image_size=320, score_floor=0.25, nms_iou=1.0, most_boxes=3000)
    assert detector.labels == tuple(PROMPTS)
    assert_among(theirs(path, street, iou=1.0), rows(detector.detect([street])[0]))


def test_scores_of_a_prompt_do_not_depend_on_the_others(checkpoint, street, embeddings):
    def scores(prompts, mode):
        detector = Yoloe(
            weights=checkpoint(),
            labels=prompts,
            embeddings=embeddings,
            prompt_mode=mode,
            image_size=320,
        )
        found = [row for row in rows(detector.detect([street])[0]) if row[0] == "tram"]
        return sorted(c for _, c, _ in found), detector

    alone, detector = scores(["tram"], None)
    assert len(alone) > 50
    assert detector.prompt_mode == detector.recipe()["prompt_mode"] == "independent"
    for mode in ("independent", "joint"):
        among, detector = scores(PROMPTS, mode)
        assert detector.recipe()["prompt_mode"] == mode
        np.testing.assert_allclose(among, alone, rtol=0, atol=1e-6)


@pytest.mark.long
def test_labels_choose_among_a_checkpoints_own_names(checkpoint, street):
    path = checkpoint(form="prompt-free")
    everything = rows(Yoloe(weights=path, image_size=320).detect([street])[0])
    detector = Yoloe(weights=path, labels=["tram", "cat"], image_size=320)
    assert detector.labels == ("cat", "tram")
    chosen = rows(detector.detect([street])[0])
    assert_among([row for row in everything if row[0] in detector.labels], chosen)
    assert {row[0] for row in chosen} == {"cat", "tram"}
    detector.ask_for(None)
    assert len(rows(detector.detect([street])[0])) == len(everything)
    with pytest.raises(SettingError, match="has no label 'trams'; known: "):
        detector.ask_for(["trams"])
    assert detector.labels == tuple(PROMPTS)
    with pytest.raises(SettingError, match="takes no embeddings"):
        Yoloe(weights=path, embeddings="texts.npz")


@pytest.mark.long
def test_a_name_that_the_checkpoint_has_twice_is_one_label_with_the_better_score(
    checkpoint, street, tmp_path
):
    import torch

    path = checkpoint("yoloe-v8s", "prompt-free")
    saved = torch.load(path, weights_only=False)
    saved["model"].names = {0: "cat", 1: "bus", 2: "cat", 3: "tram", 4: "bus"}
    torch.save(saved, tmp_path / "twice.pt")
    settings = {"image_size": 320, "nms_iou": 1.0, "most_boxes": 3000}
    twice = Yoloe(weights=str(tmp_path / "twice.pt"), **settings)
    assert twice.labels == ("cat", "bus", "tram")
    best = {}
    for name, score, box in rows(Yoloe(weights=path, **settings).detect([street])[0]):
        if name in (PROMPTS[0], PROMPTS[2]):
            best[tuple(box)] = max(score, best.get(tuple(box), 0))
    merged = [row for row in rows(twice.detect([street])[0]) if row[0] == "cat"]
    assert sorted(best.values())[-50:] == sorted(c for _, c, _ in merged)[-50:]


@pytest.mark.parametrize("form", mostly_long(["text", "prompt-free"], "prompt-free"))
def test_batches_of_one_and_of_eight_are_equal(checkpoint, street, embeddings, form):
    detector = make(checkpoint, embeddings, form, score_floor=0.1)
    frames = [Frame(np.roll(street.image_bgr, 24 * i, axis=1), i, i, 0.0) for i in range(8)]
    for frame, together in zip(frames, detector.detect(frames), strict=True):
        alone = detector.detect([frame])[0]
        assert len(alone.labels) > 5
        assert abs(len(alone.labels) - len(together.labels)) <= 1
        assert_among([row for row in rows(alone) if row[1] > 0.101], rows(together))


@pytest.mark.parametrize("form", ["text", "prompt-free"])
def test_the_smallest_picture_and_no_picture(checkpoint, embeddings, form):
    detector = make(checkpoint, embeddings, form)
    assert detector.detect([]) == []
    tiny = Frame(np.full((1, 1, 3), 128, np.uint8), 0, 0, 0.0)
    found = detector.detect([tiny])[0]
    assert found.error is None
    assert (found.box_xyxy_px <= 1).all()
    with pytest.raises(ValueError, match="one shape"):
        detector.detect([tiny, make_frame()])
    detector.close()
    detector.close()
    with pytest.raises(DetectorError, match="closed"):
        detector.detect([tiny])
    with pytest.raises(DetectorError, match="closed"):
        detector.ask_for(PROMPTS)


def make(checkpoint, embeddings, form="text", **settings):
    if form == "text":
        settings |= {"labels": PROMPTS, "embeddings": embeddings}
    return Yoloe(weights=checkpoint(form=form), image_size=320, **settings)


def test_the_recipe_says_what_the_scores_depend_on(checkpoint, embeddings, vectors):
    recipe = make(checkpoint, embeddings).recipe()
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["detector"] == "yoloe"
    assert recipe["labels"] == sorted(PROMPTS)
    assert recipe["text_encoder"] == "mobileclip:blt"
    assert recipe["text_features"]["cat"] == feature_hash(vectors[0])
    assert recipe["boxes_from"] == "masks"
    assert recipe["runtime"] == "torch"
    assert (
        Yoloe(weights=checkpoint("yoloe-v8s"), labels=["cat"], embeddings=embeddings).recipe()[
            "boxes_from"
        ]
        == "head"
    )
    own = make(checkpoint, embeddings, "prompt-free").recipe()
    assert own["vocabulary"] == "prompt-free"
    assert own["labels"] == PROMPTS
    assert "text_features" not in own
    assert "text_encoder" not in own


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "prompts must be a list"),
        ({"labels": []}, "no prompt given"),
        ({"labels": ["x" * 10_000]}, "has 10000 characters, at most 200"),
        ({"labels": [f"thing {i}" for i in range(2000)]}, "2000 prompts are given, at most 1000"),
        ({"labels": ["cat", " cat"]}, "'cat' is given twice"),
        ({"labels": ["cat"], "prompt_mode": "both"}, "unknown prompt_mode 'both'"),
        ({"labels": ["cat"], "runtime": "onnx"}, "no runtime 'onnx'; it runs on torch alone"),
        ({"labels": ["cat"], "runtime": "tensorrt"}, "no runtime 'tensorrt'; known: torch"),
        ({"labels": ["cat"], "image_size": 100}, "image_size must be a multiple of 32"),
        ({"labels": ["cat"], "score_floor": 0.0}, "score_floor must be in"),
        ({"labels": ["cat"], "nms_iou": 2}, "nms_iou must be in"),
        ({"labels": ["cat"], "most_boxes": 0}, "most_boxes must be"),
    ],
)
def test_settings_that_cannot_be(checkpoint, embeddings, settings, message):
    with pytest.raises(SettingError, match=message):
        Yoloe(weights=checkpoint(), embeddings=embeddings, **settings)


def test_prompts_are_missed_before_anything_is_downloaded():
    with pytest.raises(SettingError, match="prompts must be a list"):
        Yoloe()


def test_weights_of_another_kind_are_refused_in_a_line(models, checkpoint, tmp_path):
    with pytest.raises(
        DetectorError, match="is a WorldModel, not YOLOE; use detector 'yolo-world' for it"
    ):
        Yoloe(weights=str(models / "yolov8s-world.pt"), labels=["cat"])
    with pytest.raises(
        DetectorError, match="is a DetectionModel, not YOLOE; use detector 'yolo' for it"
    ):
        Yoloe(weights=str(models / "yolo26n.pt"), labels=["cat"])
    with pytest.raises(DetectorError, match=r"not a YOLOE checkpoint; its weights end in \.pt"):
        Yoloe(weights="yolo11n", labels=["cat"])
    with pytest.raises(DetectorError, match="it runs on the detector 'yoloe'"):
        Yolo(weights=checkpoint())
    (tmp_path / "cut.pt").write_bytes(Path(checkpoint()).read_bytes()[:5000])
    with pytest.raises(DetectorError, match="cut off"):
        Yoloe(weights=str(tmp_path / "cut.pt"), labels=["cat"])


def test_embeddings_of_other_dimensions_are_refused(checkpoint, tmp_path):
    np.savez(tmp_path / "wide.npz", names=np.array(["cat"]), emb=np.ones((1, 768), np.float32))
    with pytest.raises(
        SettingError, match="has 768 numbers, the network takes 512; give embeddings of mob"
    ):
        Yoloe(weights=checkpoint(), labels=["cat"], embeddings=tmp_path / "wide.npz")


def test_a_score_that_is_no_number_is_a_failure(checkpoint, street, embeddings, tmp_path):
    import torch

    saved = torch.load(checkpoint(), weights_only=False)
    saved["model"].model[-1].cv4[1].bias.data[:] = float("nan")
    torch.save(saved, tmp_path / "nan.pt")
    detector = Yoloe(
        weights=str(tmp_path / "nan.pt"), labels=["cat"], embeddings=embeddings, image_size=320
    )
    assert "not numbers" in detector.detect([street])[0].error


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def write_encoder(path):
    """A TorchScript file that takes tokens and gives vectors, as MobileCLIP's does."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(5)
            self.table = torch.nn.Embedding(49408, 512)

        def forward(self, tokens):
            return torch.nn.functional.normalize(self.table(tokens).sum(1), dim=-1)

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.trace(Encoder().eval(), torch.zeros(2, 77, dtype=torch.long)).save(str(path))


def test_without_its_file_the_text_encoder_says_which_one_goes_where(
    checkpoint, models_folder, embeddings
):
    with pytest.raises(DetectorError) as error:
        Yoloe(weights=checkpoint(), labels=["cat", "a dog"], embeddings=embeddings)
    message = str(error.value)
    assert "no embedding is known for 'a dog'" in message
    assert f"put it at {models_folder / 'mobileclip_blt.ts'}" in message
    assert len(message.splitlines()) == 1
    with pytest.raises(DetectorError, match=r"mobileclip2_b\.ts"):
        Yoloe(weights=checkpoint("yoloe-26n-seg"), labels=["a dog"])


@pytest.mark.long
def test_the_text_encoder_is_fetched_once_and_its_answer_kept(
    checkpoint, models_folder, street, tmp_path, monkeypatch
):
    import torch

    write_encoder(tmp_path / "server" / "mobileclip_blt.ts")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            asked.append(self.path)

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "server"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(mobileclip, "ADDRESS", f"http://127.0.0.1:{server.server_port}/")
    for name in ("LAB_OFFLINE", "YOLO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    store = Store(tmp_path / "store")
    prompts = ["a dog", "🚌", "חתול"]
    try:
        detector = Yoloe(weights=checkpoint(), labels=prompts, store=store, image_size=320)
        detector.ask_for([*prompts, "horse"])
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/mobileclip_blt.ts"]

    encoder = torch.jit.load(str(models_folder / "mobileclip_blt.ts"))
    import open_clip

    kept = store.embeddings("mobileclip:blt", ["horse"])["horse"]
    np.testing.assert_allclose(
        kept, encoder(open_clip.tokenize(["horse"]))[0].detach().numpy(), atol=1e-6
    )
    assert set(store.embedding_names("mobileclip:blt")) == {*prompts, "horse"}
    (models_folder / "mobileclip_blt.ts").unlink()
    again = Yoloe(weights=checkpoint(), labels=[*prompts, "horse"], store=store, image_size=320)
    assert_among(rows(detector.detect([street])[0]), rows(again.detect([street])[0]))


def test_a_damaged_text_encoder_is_refused_in_a_line(checkpoint, models_folder):
    models_folder.mkdir()
    (models_folder / "mobileclip_blt.ts").write_bytes(b"no archive")
    with pytest.raises(DetectorError, match="is not a text encoder as TorchScript"):
        Yoloe(weights=checkpoint(), labels=["a dog"])
