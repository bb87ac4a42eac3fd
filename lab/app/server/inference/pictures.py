"""Pictures that came over the network, decoded with limits."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

import numpy as np

from lab.detectors.services.frame_batch import Picture
from lab.detectors.services.response import InvalidResponse

_KINDS = {"JPEG": "jpeg", "PNG": "png"}


def from_base64(value: Any) -> Picture:
    """A picture of a JSON body, with or without `data:...;base64,` before it.

    Raises InvalidResponse.
    """
    if not isinstance(value, str) or not value:
        raise InvalidResponse("image must be a picture in base64")
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return Picture("", base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidResponse("image is not base64") from None


def checked_pixels(picture: Picture, max_pixels: int) -> int:
    """How many pixels decoding makes: none of one that is not packed. Raises InvalidResponse for
    one with more than `max_pixels`, before it takes their memory, and for what is no picture.
    """
    if picture.format == "bgr":
        _check_size(picture.width_px, picture.height_px, max_pixels)
        return 0
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture.data), formats=list(_KINDS)) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InvalidResponse("the picture is neither a JPEG nor a PNG") from None
    _check_size(width, height, max_pixels)
    return width * height


def decoded(picture: Picture) -> np.ndarray:
    """uint8 (h, w, 3), BGR, of one that was checked. Raises InvalidResponse."""
    if picture.format == "bgr":
        shape = (picture.height_px, picture.width_px, 3)
        return np.frombuffer(picture.data, np.uint8).reshape(shape)
    import cv2

    # As it lies in the file, so that boxes are of the picture that was sent.
    how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    found = cv2.imdecode(np.frombuffer(picture.data, np.uint8), how)
    if found is None:
        raise InvalidResponse("the picture cannot be decoded")
    return found


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise InvalidResponse(
            f"the picture has {width} x {height} pixels; at most {max_pixels} are taken"
        )
