"""What decodes: the CPU, unless the setting `decoding_device` says otherwise."""

from __future__ import annotations

from typing import Any

from lab.config import load_config
from lab.errors import SourceError

_WAY_OUT = "set decoding_device = 'cpu' (LAB_DECODING_DEVICE); `lab doctor` tells what is there"


def decoding_device() -> str:
    """`cpu` or `cuda`, from the settings."""
    return load_config().decoding_device


def accelerated(device: str) -> dict[str, Any]:
    """Arguments of `av.open` for decoding on a device, with no way back to the CPU.

    Raises SourceError if this build of FFmpeg does not have it.
    """
    if device == "cpu":
        return {}
    from av.codec.hwaccel import HWAccel, hwdevices_available

    if device not in hwdevices_available():
        raise SourceError(f"this build of FFmpeg cannot decode on {device!r}; {_WAY_OUT}")
    return {"hwaccel": HWAccel(device_type=device, allow_software_fallback=False)}


def cannot_decode(path: object, device: str, error: Exception) -> SourceError:
    """Why a file that can be opened otherwise cannot be decoded on a device."""
    why = getattr(error, "strerror", None) or error
    return SourceError(
        f"{path} cannot be decoded on {device!r} ({why}): the device is not there, or cannot "
        f"decode this codec; {_WAY_OUT}"
    )


def decoding_problem(device: str, path: object) -> str | None:
    """Why a video cannot be decoded on a device; None if its first frame can."""
    import av

    try:
        with av.open(str(path), **accelerated(device)) as container:
            next(container.decode(video=0))
    except (SourceError, av.FFmpegError, RuntimeError, StopIteration, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return None
