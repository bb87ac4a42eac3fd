"""How the contract suite makes each registered detector: its settings, by name.

`settings_of` is the table; a registered name that is not in it fails the suite.
"""

import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from lab.detectors.registered import detectors
from tests.detectors.random_yoloe import PROMPTS, random_vectors, street_bgr, write_random
from tests.detectors.servers import KEY, KEY_ENV, QUICK, Vision, Worker
from tests.detectors.tiny_clip import tiny_open_clip

PLUGIN = '''
import numpy as np
from lab.detection import Detections

class Bright:
    """A plugin that gives no more than it must."""
    def __init__(self, *, gain=1.0):
        self.gain = gain
    def detect(self, frames):
        return [self.look(frame.image_bgr) for frame in frames]
    def look(self, image):
        score = min(1.0, float(image.mean()) / 255 * self.gain)
        box = [0, 0, image.shape[1], image.shape[0]]
        return Detections(["light"], np.array([score], np.float32), np.array([box], np.float32))
'''
TARGETS = (
    PLUGIN
    + """

class Forgetful(Bright):
    # With a memory and no reset: the first picture counts for all that follow.
    is_stateful = True
    first = None
    def look(self, image):
        self.first = float(image.mean()) if self.first is None else self.first
        return super().look(np.full_like(image, (self.first + float(image.mean())) / 2))

class Remembering(Forgetful):
    def reset(self):
        self.first = None

class Seen:
    def __init__(self, share):
        self.present, self.confidence, self.box, self.label = \
share > 0.1, share, (0, 0, 1, 1), "light"

class InTheStyleOfDetstream:
    def detect(self, frame):
        return Seen(float(frame.mean()) / 255)
"""
)


@dataclass
class Case:
    """A detector of the suite.

    within, box_px: how far scores and edges of boxes of batches of one and of eight may differ.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    within: float = 1e-6
    box_px: float = 1e-2


def cases(place):
    """Every case by its title; a title begins with the registered name.

    place: a `Place`, asked for what a case needs only when that case is made.
    """
    brands = [{"name": "Nike", "terms": ["Nike"]}, {"name": "IBM", "terms": ["IBM", "IBM sign"]}]
    clip = {"model": "tiny-clip", "score_floor": 1e-6}
    world = {"labels": ["person", "cat", "stop sign"], "score_floor": 0.005}
    return {
        "cloud-vision": lambda: Case(
            "cloud-vision",
            {
                "endpoint": place.vision(),
                "key_env": KEY_ENV,
                "features": ["objects", "logos", "text"],
                **QUICK,
            },
        ),
        "logos": lambda: Case("logos", {**clip, "weights": place.clip(), "brands": brands}, 1e-5),
        "logos, on boxes": lambda: Case(
            "logos",
            {
                **clip,
                "weights": place.clip(),
                "brands": brands,
                "on": "boxes",
                "boxes_from": {"name": "yolo"},
            },
            1e-5,
        ),
        "motion": lambda: Case("motion", {"warm_up_samples": 2}),
        "python": lambda: Case("python", {"target": place.target("Bright"), "gain": 0.9}),
        "python, detstream": lambda: Case(
            "python", {"target": place.target("InTheStyleOfDetstream"), "style": "detstream"}
        ),
        "python, forgetful": lambda: Case("python", {"target": place.target("Forgetful")}),
        "python, remembering": lambda: Case("python", {"target": place.target("Remembering")}),
        "remote": lambda: Case("remote", {"url": place.worker(), **QUICK}),
        "scenes": lambda: Case(
            "scenes", {**clip, "weights": place.clip(), "scenes": ["river", "street"]}, 1e-5
        ),
        "ocr": lambda: Case("ocr"),
        "text": lambda: Case("text"),
        "visual": lambda: Case("visual"),
        "yolo": lambda: Case("yolo"),
        "yolo, openvino": lambda: Case(
            "yolo", {"runtime": "openvino", "labels": ["cat", "person"]}
        ),
        "yolo, torch": lambda: Case(
            "yolo", {"weights": place.weights("yolo26n.pt"), "image_size": 320}, 1e-5
        ),
        "yolo-world": lambda: Case(
            "yolo-world", {**world, "weights": place.weights("yolov8s-world.pt"), "image_size": 320}
        ),
        "yolo-world, joint": lambda: Case(
            "yolo-world",
            {
                **world,
                "weights": place.weights("yolov8s-world.pt"),
                "image_size": 320,
                "prompt_mode": "joint",
                "embeddings": place.weights("vocab_clip_vitb32.npz"),
                "runtime": "torch",
            },
            1e-5,
        ),
        "yoloe": lambda: Case(
            "yoloe", {**place.yoloe(), "image_size": 320, "score_floor": 0.005}, 1e-3, 0.5
        ),
        "contract-plugin": lambda: Case("contract-plugin", {"gain": 1.1, "score_floor": 0.02}),
    }


def name_of(title):
    return title.partition(",")[0]


class Place:
    """What detectors need around them: servers, files, a package; a context manager.

    find_weights: from a file's name to a checkpoint; it may skip the test.
    """

    def __init__(self, folder, find_weights):
        self.folder, self._find_weights = folder, find_weights
        self._open, self._clip = ExitStack(), None

    def __enter__(self):
        models = {"LAB_MODELS": str(self.folder / "models"), KEY_ENV: KEY}
        self._open.enter_context(patch.dict(os.environ, models))
        self._open.enter_context(_importable(self.folder / "site"))
        return self

    def __exit__(self, *_):
        self._open.close()

    def worker(self):
        return self._open.enter_context(Worker(_what_a_worker_sees)).url

    def vision(self):
        return self._open.enter_context(Vision(_what_vision_sees)).endpoint

    def clip(self):
        if self._clip is None:
            self._clip = tiny_open_clip(self.folder)
        return str(self._clip)

    def yoloe(self):
        """A random network that has prompts, and embeddings for them."""
        path, texts = self.folder / "yoloe.pt", self.folder / "texts.npz"
        if not path.exists():
            write_random(path, "yoloe-v8s", "text", street_bgr(), random_vectors())
            np.savez(texts, names=np.array(PROMPTS), emb=random_vectors())
        return {"weights": str(path), "embeddings": str(texts), "labels": PROMPTS[:2]}

    def target(self, name):
        return f"contract_targets:{name}"

    def weights(self, name):
        return str(self._find_weights(name))


@contextmanager
def _importable(site):
    """A folder with two modules, one of which an installed package offers as a plugin."""
    info = site / "contract_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "contract_plugin.py").write_text(PLUGIN)
    (site / "contract_targets.py").write_text(TARGETS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: contract-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lab.detectors]\ncontract-plugin = contract_plugin:Bright\n"
    )
    sys.path.insert(0, str(site))
    try:
        assert "contract-plugin" in detectors.names()
        yield
    finally:
        sys.path.remove(str(site))
        for module in ("contract_plugin", "contract_targets"):
            sys.modules.pop(module, None)


def _what_a_worker_sees(image_bgr, number):
    """A box that leaves the picture, one whose score is too low to keep, and the brightness."""
    light = float(image_bgr.mean()) / 255
    box = {"x": -0.1, "y": 0.5, "width": 1.3, "height": 0.75}
    scores = (("cat", light), ("person", 1.0), ("cat", 0.01))
    return {
        "detections": [
            {"label": label, "confidence": score, "bbox": box} for label, score in scores
        ]
    }


def _what_vision_sees(image_bgr, features, number):
    light = round(float(image_bgr.mean()) / 255, 4)
    corners = [
        {"x": -0.1, "y": 0.2},
        {"x": 1.2, "y": 0.2},
        {"x": 1.2, "y": 0.9},
        {"x": -0.1, "y": 0.9},
    ]
    objects = [
        {"name": "Cat", "score": s, "boundingPoly": {"normalizedVertices": corners}}
        for s in (light, 0.01)
    ]
    height, width = image_bgr.shape[:2]
    logo = {
        "description": "Acme",
        "score": 0.7,
        "boundingPoly": {"vertices": [{}, {"x": width, "y": height + 9}]},
    }
    return {"localizedObjectAnnotations": objects, "logoAnnotations": [logo]}
