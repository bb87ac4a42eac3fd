"""The detectors that are built in, and the registry that also finds those of plugins."""

from __future__ import annotations

from lab.registry import Registry

detectors = Registry(
    "detector",
    "lab.detectors",
    {
        "cloud-vision": "lab.detectors.services.cloud_vision:CloudVision",
        "logos": "lab.detectors.zero_shot.logos:Logos",
        "motion": "lab.detectors.motion:Motion",
        "ocr": "lab.detectors.ocr:Ocr",
        "python": "lab.detectors.plugins.python:from_target",
        "remote": "lab.detectors.services.remote:Remote",
        "scenes": "lab.detectors.zero_shot.scenes:Scenes",
        "text": "lab.detectors.ocr:Text",
        "visual": "lab.detectors.visual:Visual",
        "yolo": "lab.detectors.yolo.yolo:Yolo",
        "yolo-world": "lab.detectors.open_vocabulary.yolo_world:YoloWorld",
        "yoloe": "lab.detectors.open_vocabulary.yoloe:Yoloe",
    },
)
