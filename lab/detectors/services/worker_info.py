"""What `/ai/info` of a worker says: its model, its labels, how it writes boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lab.detectors.services.response import InvalidResponse, mapping, words
from lab.detectors.settings import check_known, wanted
from lab.errors import SettingError

BOX_FORMATS = ("xywh_fraction", "xywh_px", "xyxy_fraction", "xyxy_px")


def of_type(info: dict[str, Any], analysis_type: str) -> dict[str, Any]:
    """What a worker says of one of its analyses; what it says of itself, where it says nothing."""
    analyses = info.get("analyses")
    if not isinstance(analyses, dict):
        return info
    if analysis_type not in analyses:
        raise SettingError(
            f"the worker does not offer analysis_type {analysis_type!r}; it offers: "
            + ", ".join(map(str, analyses))
        )
    return mapping(analyses[analysis_type], f"analyses.{analysis_type} in /ai/info")


def takes_batches(info: dict[str, Any], image_format: str) -> bool:
    """Whether many pictures may be sent in one request. Raises SettingError for `bgr` if not."""
    batch = info.get("batch")
    formats = batch.get("formats") if isinstance(batch, dict) else None
    takes = isinstance(formats, list) and image_format in formats
    if image_format == "bgr" and not takes:
        raise SettingError("this worker takes files alone; give image_format as jpeg or png")
    return takes


def box_format_of(response: dict[str, Any], otherwise: str) -> str:
    given = response.get("bbox_format", otherwise)
    if given not in BOX_FORMATS:
        raise InvalidResponse(f"bbox_format is {given!r}; known: {', '.join(BOX_FORMATS)}")
    return str(given)


def labels_of(info: dict[str, Any]) -> tuple[str, ...] | None:
    if info.get("labels") is None:
        return None
    if not isinstance(info["labels"], list):
        raise InvalidResponse("labels in /ai/info is not a list")
    return (
        tuple(dict.fromkeys(words(label, "a label in /ai/info") for label in info["labels"]))
        or None
    )


def chosen_labels(labels: Sequence[str] | None, known: tuple[str, ...] | None) -> tuple[str, ...]:
    requested = wanted(labels)
    if requested is None:
        return known or ()
    if known is not None:
        check_known(requested, known, "the worker does not know")
    return tuple(requested)


def first_text(info: dict[str, Any], *names: str) -> str | None:
    """What the worker calls its model; a name or a number."""
    given = [info[name] for name in names if isinstance(info.get(name), (str, int, float))]
    return str(given[0])[:200] if given else None


def difference_of(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """In which respect two workers would not find the same, by what they say of themselves."""
    for names in (("model", "model_name", "model_identifier"), ("model_version",),
                  ("labels",), ("bbox_format",), ("score_floor",)):  # fmt: skip
        if any(one.get(name) != other.get(name) for name in names):
            return names[0]
    recipes = [json.dumps(_recipes(info), sort_keys=True) for info in (one, other)]
    return None if recipes[0] == recipes[1] else "recipe"


def _recipes(info: dict[str, Any]) -> dict[str, Any]:
    analyses = info.get("analyses")
    if not isinstance(analyses, dict):
        return {}
    return {name: one.get("recipe") for name, one in analyses.items() if isinstance(one, dict)}
