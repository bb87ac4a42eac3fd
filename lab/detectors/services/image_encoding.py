"""Pictures as files in base64, as services take them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from lab.detectors.services.client import ServiceError

IMAGE_FORMATS = ("jpeg", "png")


def picture_base64(image_bgr: np.ndarray, image_format: str, jpeg_quality: int) -> str:
    """`picture_file` in base64."""
    return base64.b64encode(picture_file(image_bgr, image_format, jpeg_quality)).decode()


def json_with_picture(file: bytes, **values: Any) -> bytes:
    """An object of JSON: `image`, a file in base64, and at least one other value.

    The picture is put in as it is: base64 has nothing to escape, and to look for it would take
    longer than all the rest.
    """
    rest = json.dumps(values).removeprefix("{").encode()
    return b"".join([b'{"image": "', base64.b64encode(file), b'", ', rest])


def picture_file(image_bgr: np.ndarray, image_format: str, jpeg_quality: int) -> bytes:
    """A uint8 (h, w, 3) BGR picture as a file. Raises ServiceError if that fails."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if image_format == "jpeg" else []
    try:
        done, data = cv2.imencode(".jpg" if image_format == "jpeg" else ".png", image_bgr, options)
    except cv2.error:
        done = False
    if not done:
        height, width = image_bgr.shape[:2]
        raise ServiceError(f"a picture of {width} x {height} cannot be written as {image_format}")
    return bytes(data.tobytes())
