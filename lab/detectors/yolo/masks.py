"""Boxes of masks and of rotated boxes, without torch."""

from __future__ import annotations

import cv2
import numpy as np

_MARGIN_CELLS = 2
_BLOCK_ROWS = 512


def tight_boxes(
    box_xyxy_px: np.ndarray,
    coefficients: np.ndarray,
    prototypes: np.ndarray,
    size_px: tuple[int, int],
) -> np.ndarray:
    """The smallest box around each detection's mask; where the mask is empty, the box itself.

    A mask is where the sum of the prototypes, weighted and enlarged to the network's input, is
    positive inside the detection's box (Ultralytics, `ops.process_mask` with `upsample=True`).

    box_xyxy_px: float32 (n, 4), pixels of the network's input. coefficients: float32 (n, m).
    prototypes: float32 (m, h, w). size_px: height and width of the input. Returns (n, 4).
    """
    tight = box_xyxy_px.astype(np.float32).copy()
    for i, (box, weights) in enumerate(zip(box_xyxy_px, coefficients, strict=True)):
        found = _tight_box(box, weights, prototypes, size_px)
        if found is not None:
            tight[i] = found
    return tight


def _tight_box(
    box: np.ndarray, weights: np.ndarray, prototypes: np.ndarray, size_px: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    _, cells_high, cells_wide = prototypes.shape
    scale_y, scale_x = size_px[0] / cells_high, size_px[1] / cells_wide
    # Only what lies around the box is enlarged; the margin keeps its edges as those of the whole.
    x0, x1 = _cells(box[0], box[2], scale_x, cells_wide)
    y0, y1 = _cells(box[1], box[3], scale_y, cells_high)
    if x1 <= x0 or y1 <= y0:
        return None
    part = np.tensordot(weights, prototypes[:, y0:y1, x0:x1], 1).astype(np.float32)
    left, top = round(x0 * scale_x), round(y0 * scale_y)
    wide, high = round(x1 * scale_x) - left, round(y1 * scale_y) - top
    mask = cv2.resize(part, (wide, high), interpolation=cv2.INTER_LINEAR) > 0
    columns, rows = np.arange(left, left + wide), np.arange(top, top + high)
    mask &= ((columns >= box[0]) & (columns < box[2]))[None]
    mask &= ((rows >= box[1]) & (rows < box[3]))[:, None]
    across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(across):
        return None
    return left + across[0], top + down[0], left + across[-1] + 1, top + down[-1] + 1


def _cells(low_px: float, high_px: float, scale: float, count: int) -> tuple[int, int]:
    if not scale.is_integer():
        return 0, count
    first = max(0, int(np.floor(low_px / scale)) - _MARGIN_CELLS)
    return first, min(count, int(np.ceil(high_px / scale)) + _MARGIN_CELLS)


def upright_boxes(rotated_xywhr: np.ndarray) -> np.ndarray:
    """The smallest upright box (n, 4) xyxy around rotated ones (n, 5): centre, size, angle.

    The angle turns the width's direction, in radians, as in Ultralytics' `xywhr2xyxyxyxy`.
    """
    # A network may give a negative side; its corners are those of the positive one.
    centre, size, angle = rotated_xywhr[:, :2], np.abs(rotated_xywhr[:, 2:4]), rotated_xywhr[:, 4]
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = (
        np.stack([size[:, 0] * cos + size[:, 1] * sin, size[:, 0] * sin + size[:, 1] * cos], 1) / 2
    )
    return np.concatenate([centre - half, centre + half], 1).astype(np.float32)


def rotated_suppression(
    rotated_xywhr: np.ndarray, scores: np.ndarray, iou: float, max_boxes: int
) -> np.ndarray:
    """Positions of the rotated boxes of one class that remain, best first.

    A box goes if any stronger one overlaps it by more than `iou`, as Ultralytics does it
    (`TorchNMS.fast_nms` with `batch_probiou`: https://arxiv.org/abs/2106.06072).
    """
    order = np.argsort(-scores, kind="stable")
    boxes = rotated_xywhr[order].astype(np.float32)
    keep = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), _BLOCK_ROWS):
        block = boxes[start : start + _BLOCK_ROWS]
        overlap = _probabilistic_iou(boxes[: start + len(block)], block)
        stronger = np.arange(len(overlap))[:, None] < np.arange(start, start + len(block))[None]
        keep[start : start + len(block)] = ~((overlap > iou) & stronger).any(axis=0)
    return order[keep][:max_boxes]


def _probabilistic_iou(one: np.ndarray, other: np.ndarray, eps: float = 1e-7) -> np.ndarray:
    """(n, 5) and (m, 5) to (n, m): 1 - Hellinger distance of the boxes as Gaussians."""
    a1, b1, c1 = (v[:, None] for v in _covariance(one))
    a2, b2, c2 = (v[None] for v in _covariance(other))
    a, b, c = a1 + a2, b1 + b2, c1 + c2
    dx = other[None, :, 0] - one[:, None, 0]
    dy = one[:, None, 1] - other[None, :, 1]
    determinant = a * b - c**2
    near = (a * dy**2 + b * dx**2) / (determinant + eps) * 0.25 + c * dx * dy / (
        determinant + eps
    ) * 0.5
    spread = np.sqrt(np.maximum(a1 * b1 - c1**2, 0) * np.maximum(a2 * b2 - c2**2, 0))
    distance = near + np.log(determinant / (4 * spread + eps) + eps) * 0.5
    return 1 - np.sqrt(1 - np.exp(-np.clip(distance, eps, 100)) + eps)


def _covariance(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    return a * cos**2 + b * sin**2, a * sin**2 + b * cos**2, (a - b) * cos * sin
