"""Where models run: on the CPU, unless the setting `device` says otherwise."""

from __future__ import annotations

import ctypes
import sys
from contextlib import redirect_stdout
from functools import cache
from typing import Any

from lab.config import load_config
from lab.errors import DetectorError
from lab.extras import is_installed

CUDA_BATCH = 8  # pictures that a GPU is given together
_WAY_OUT = "set device = 'cpu' (LAB_DEVICE), or make it available; `lab doctor` tells what is there"


def chosen_device() -> str:
    """`cpu` or `cuda`, from the settings."""
    return load_config().device


def device_recipe(device: str) -> dict[str, Any]:
    """What a recipe says of the device: nothing of the CPU, as before there was a choice."""
    return {} if device == "cpu" else {"device": device}


def torch_device() -> str:
    """The device for torch. Raises DetectorError if it was chosen and is not there."""
    device = chosen_device()
    if device == "cuda" and (problem := torch_problem()):
        raise DetectorError(f"device 'cuda' was chosen, but {problem}; {_WAY_OUT}")
    return device


def onnx_providers() -> list[str]:
    """Those of ONNX Runtime for the device. Raises DetectorError as `torch_device`."""
    if chosen_device() == "cpu":
        return ["CPUExecutionProvider"]
    if problem := onnx_problem():
        raise DetectorError(f"device 'cuda' was chosen, but {problem}; {_WAY_OUT}")
    _load_cuda()
    # The second one for the few steps that the first does not have.
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


@cache
def _load_cuda() -> None:
    """CUDA's libraries that came as packages: ONNX Runtime does not find them there by itself."""
    import onnxruntime

    with redirect_stdout(sys.stderr):  # it prints, and a worker answers by standard output
        onnxruntime.preload_dlls()


def check_providers(session: Any) -> None:
    """Raises DetectorError if ONNX Runtime went back to the CPU by itself."""
    if chosen_device() == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DetectorError(
            "device 'cuda' was chosen, but ONNX Runtime could not start its CUDA provider "
            f"(CUDA and cuDNN must fit its version); {_WAY_OUT}"
        )


def check_cpu(runtime: str) -> None:
    """Raises DetectorError for a runtime that runs on the CPU alone, where another was chosen."""
    if (device := chosen_device()) != "cpu":
        raise DetectorError(
            f"device {device!r} was chosen, but runtime {runtime!r} runs on the CPU here; take "
            "runtime 'onnx' or 'torch', or set device = 'cpu' (LAB_DEVICE)"
        )


def torch_problem() -> str | None:
    """Why torch cannot use CUDA; None if it can."""
    if not is_installed("torch"):
        return "torch is not installed"
    import torch

    return None if torch.cuda.is_available() else "torch finds no CUDA device"


def onnx_problem() -> str | None:
    """Why ONNX Runtime cannot use CUDA; None if it has the provider, and this machine a driver."""
    import onnxruntime

    have = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" not in have:
        return (
            f"ONNX Runtime has no CUDA provider, only {', '.join(have)} (package onnxruntime-gpu)"
        )
    driver = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(driver)
    except OSError:
        return f"NVIDIA's driver is not on this machine ({driver})"
    return None
