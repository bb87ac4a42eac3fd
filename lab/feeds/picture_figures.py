"""A few numbers of a picture, cheap enough to be taken of every sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIGURES = ("brightness", "contrast", "sharpness", "colour")
EDGES_SIZE = (96, 54)
_ROWS, _PATCH_PX, _PATCHES = 108, 96, 3
_WINDOW = np.outer(np.hanning(EDGES_SIZE[1]), np.hanning(EDGES_SIZE[0])).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PictureFigures:
    """brightness: mean grey level, 0 to 255. contrast: its standard deviation. sharpness: variance
    of the Laplacian of nine patches in full resolution. colour: mean distance of the strongest from
    the weakest channel, 0 to 255; about 0 by infrared light. edges: float32 (54, 96), strength of
    the edges in a small copy of the picture, at most 1.
    """

    brightness: float
    contrast: float
    sharpness: float
    colour: float
    edges: np.ndarray

    def values(self) -> tuple[float, float, float, float]:
        """Those that are numbers, in the order of `FIGURES`."""
        return self.brightness, self.contrast, self.sharpness, self.colour


def picture_figures(image_bgr: np.ndarray) -> PictureFigures:
    """image_bgr: uint8, shape (height, width, 3), BGR."""
    import cv2

    step = max(1, image_bgr.shape[0] // _ROWS)
    small = cv2.resize(image_bgr[::step, ::step], EDGES_SIZE, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    blue, green, red = cv2.split(small)
    strongest, weakest = cv2.max(blue, cv2.max(green, red)), cv2.min(blue, cv2.min(green, red))
    brightness, contrast = (float(one[0, 0]) for one in cv2.meanStdDev(grey))
    return PictureFigures(
        brightness=brightness,
        contrast=contrast,
        sharpness=_sharpness(image_bgr),
        colour=float((strongest - weakest).mean()),
        edges=_edges(grey),
    )


def _edges(grey: np.ndarray) -> np.ndarray:
    """By their strongest ones, so that neither light nor contrast of the scene counts."""
    import cv2

    x = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    y = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(x, y)
    most = float(np.partition(strength.ravel(), -strength.size // 50)[-strength.size // 50])
    return np.minimum(strength / max(most, 1.0), 1.0)


def _sharpness(image_bgr: np.ndarray) -> float:
    import cv2

    height, width = image_bgr.shape[:2]
    tall, wide = min(_PATCH_PX, height // _PATCHES), min(_PATCH_PX, width // _PATCHES)
    found = []
    for row in range(_PATCHES):
        for column in range(_PATCHES):
            top = (height - tall) * (2 * row + 1) // (2 * _PATCHES)
            left = (width - wide) * (2 * column + 1) // (2 * _PATCHES)
            patch = image_bgr[top : top + tall, left : left + wide]
            grey = cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY)
            found.append(float(cv2.Laplacian(grey, cv2.CV_32F).var()))
    return float(np.mean(found))


def agreement(edges: np.ndarray, other: np.ndarray) -> float:
    """How well edges lie on each other: their correlation, 1 where they are the same."""
    one, two = edges.ravel() - edges.mean(), other.ravel() - other.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / size if size else 0.0


def shift_of(edges: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """How far edges moved, by phase correlation (Kuglin and Hines 1975): shares of the width to
    the right and of the height downwards.
    """
    import cv2

    # Copies: where nothing is padded, the function multiplies the window into what it is given.
    (x, y), _ = cv2.phaseCorrelate(reference.copy(), edges.copy(), _WINDOW)
    return x / EDGES_SIZE[0], y / EDGES_SIZE[1]
