"""Detections as an answer gives them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab.detection import Detections


def at_least(found: Detections, least: float) -> Detections:
    keep = found.confidence >= least
    if keep.all():
        return found
    chosen = np.flatnonzero(keep).tolist()
    return Detections(
        [found.labels[i] for i in chosen],
        found.confidence[keep],
        found.box_xyxy_px[keep],
        None if found.text is None else [found.text[i] for i in chosen],
    )


def rows_of(found: Detections, image: np.ndarray, least: float) -> list[dict[str, Any]]:
    """Detections as Media Analyzer writes them: boxes in fractions, from the upper left corner."""
    height, width = image.shape[:2]
    kept = at_least(found, least)
    rows = []
    for i, (label, confidence, box) in enumerate(
        zip(kept.labels, kept.confidence.tolist(), kept.box_xyxy_px.tolist(), strict=True)
    ):
        left, top, right, bottom = box
        row = {
            "label": label,
            "confidence": confidence,
            "bbox": {
                "x": left / width,
                "y": top / height,
                "width": (right - left) / width,
                "height": (bottom - top) / height,
            },
        }
        if kept.text is not None and kept.text[i] is not None:
            row["text"] = kept.text[i]
        rows.append(row)
    return rows
