"""The `detector` of a feed in a feeds file: the lab's own settings, or those of detstream."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

from lab.detectors.registered import detectors
from lab.errors import closest
from lab.feeds.block import Block
from lab.feeds.entry_source import placed
from lab.rules.rule import THRESHOLD_DEFAULT

# Detectors of detstream that the lab has not: they run in its own package.
OF_DETSTREAM = {
    "rf-detr": (
        "detstream.detectors.rf_detr:RfDetrDetector",
        ("class_name", "class_names", "model", "weights", "weights_sha256"),
    ),
    "roboflow": (
        "detstream.detectors.roboflow:RoboflowDetector",
        (
            "api_key",
            "api_url",
            "class_name",
            "output_key",
            "parameters",
            "workspace",
            "workflow_id",
        ),
    ),
}
_PROMPTED = ("yolo-world", "yoloe")
_WORLD_WEIGHTS = "yolov8s-world.pt"
_FILES = ("weights", "embeddings", "text_cache")
_SET_BY_LAB = ("name", "store")
_LOWEST = 0.01


def detector_of(
    block: Block, folder: Path, environ: dict[str, str]
) -> tuple[str, dict[str, Any], float]:
    """The name of a registered detector, its settings, and the threshold of its default rule.

    folder: what paths are relative to. environ: the variables, for keys that have one of their own.
    """
    kind = str(block.text("type", is_required=True))
    threshold = block.plain_number("confidence_threshold")
    if threshold is not None and not 0 < threshold <= 1:
        raise block.error("confidence_threshold", f"expected a number in (0, 1], got {threshold:g}")
    if kind in OF_DETSTREAM and kind not in detectors:
        return "python", _wrapped(kind, block, folder, threshold, environ), (
            THRESHOLD_DEFAULT if threshold is None else threshold
        )  # fmt: skip
    if kind not in detectors:
        known = sorted({*detectors.names(), *OF_DETSTREAM})
        raise block.error("type", f"unknown detector {kind!r}; {closest(kind, known)}")
    settings = {
        k: v
        for k, v in block.values.items()
        if k not in ("type", "confidence_threshold") and v is not None and v != ""
    }
    usual, floor, takes = _declared(kind)
    if kind in _PROMPTED and ("prompt" in settings or "prompts" in settings):
        settings = _prompted(kind, block, settings)
        usual = THRESHOLD_DEFAULT
    _check_settings(block, settings, takes)
    for key in _FILES:
        if (
            len(Path(str(settings.get(key, ""))).parts) > 1
        ):  # a bare name is one of the models folder
            settings[key] = placed(settings[key], folder)
    threshold = usual if threshold is None else threshold
    if threshold < floor and "score_floor" not in settings and takes and "score_floor" in takes:
        settings["score_floor"] = threshold
    return kind, settings, threshold


def _prompted(kind: str, block: Block, given: dict[str, Any]) -> dict[str, Any]:
    """As detstream's `prompt` and `prompts` mean it."""
    if "labels" in given:
        raise block.error(None, "give labels, or prompt and prompts as in detstream, not both")
    prompts = block.texts("prompts") if "prompts" in given else [block.text("prompt") or ""]
    rest = {k: v for k, v in given.items() if k not in ("prompt", "prompts")}
    if kind == "yolo-world":
        rest.setdefault("weights", _WORLD_WEIGHTS)
    return {"labels": prompts, **rest}


def _check_settings(block: Block, settings: dict[str, Any], takes: tuple[str, ...] | None) -> None:
    for key in settings:
        if takes is None or key in takes:
            continue
        if key in ("class_name", "class_names", "prompt", "prompts") and "labels" in takes:
            raise block.error(None, f"unknown key {key!r}; use labels, a list")
        raise block.error(None, f"unknown key {key!r}; {closest(key, list(takes))}")


def _wrapped(
    kind: str, block: Block, folder: Path, threshold: float | None, environ: dict[str, str]
) -> dict[str, Any]:
    """Settings of the detector `python` that make one of detstream's own.

    It is asked for all that it finds, so that the rule alone decides what counts.
    """
    target, takes = OF_DETSTREAM[kind]
    block.check_keys(("type", "confidence_threshold", *takes))
    given = {k: v for k, v in block.values.items() if k in takes and v not in (None, "")}
    if kind == "roboflow":
        for key in ("workspace", "workflow_id"):
            block.text(key, is_required=True)
        if "api_key" not in given:
            given["api_key"] = environ.get("ROBOFLOW_API_KEY", "")
        if not given["api_key"]:
            if "api_key" in block.values:
                raise block.missing("api_key")
            raise block.error(
                None,
                "its key is missing; set ROBOFLOW_API_KEY in the environment, or in .env beside "
                "the file",
            )
    weights = str(given.get("weights", ""))
    if weights and "://" not in weights:
        given["weights"] = placed(weights, folder)
    return {
        "target": target,
        "style": "detstream",
        "label": str(given.get("class_name") or "object"),
        "confidence_threshold": _LOWEST,
        **given,
    }


@cache
def _declared(kind: str) -> tuple[float, float, tuple[str, ...] | None]:
    """The default threshold and floor of a detector, and its settings; None for any."""
    factory = detectors.get(kind)
    usual = float(getattr(factory, "default_threshold", THRESHOLD_DEFAULT))
    floor = float(getattr(factory, "default_score_floor", 0.0))
    if kind == "python" or detectors.package(kind) is not None:
        return usual, floor, None
    names = [name for name in inspect.signature(factory).parameters if name not in _SET_BY_LAB]
    return usual, floor, tuple(names)
