"""Everything a run depends on, and its hashes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lab.video.sampling import Sampling

# 2: a sample is early by at most half a frame; with version 1, in an AVI, by a whole one.
DECODER_VERSION = 2
_RECORDED = (
    "av numpy opencv-python-headless onnxruntime onnxruntime-gpu openvino torch "
    "ultralytics-opencv-headless duckdb"
)


def make_recipe(
    media_id: str,
    detector: Mapping[str, Any],
    *,
    sampling: Sampling,
    gate: Mapping[str, Any] | None = None,
    decoded_on: str = "cpu",
) -> dict[str, Any]:
    """What a run depends on, as JSON values. gate: its settings.

    decoded_on: the device; the CPU is not named, as before there was a choice.
    """
    return {
        "media_id": media_id,
        **detector,
        "every_s": float(sampling.every_s),
        **sampling.to_dict(),
        "gate": None if gate is None else dict(gate),
        "decoder_version": DECODER_VERSION,
        **({} if decoded_on == "cpu" else {"decoded_on": decoded_on}),
    }


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Equal recipes, equal hashes: 16 hex digits of BLAKE2b over their canonical JSON."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def protocol_hash(recipe: Mapping[str, Any]) -> str:
    """The recipe without its media: runs of one protocol may be pooled."""
    return recipe_hash({k: v for k, v in recipe.items() if k != "media_id"})


@cache
def _versions() -> dict[str, str]:
    versions = {}
    for package in _RECORDED.split():
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def environment() -> dict[str, Any]:
    """What is recorded beside the recipe: it should not change a score by more than 1e-3."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "packages": dict(_versions()),
    }
