"""Packages that only some features use, and the extra of `pyproject.toml` that brings each."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from lab.errors import DetectorError, LabError

# What the extras bring beside the core, as modules.
EXTRAS = {
    "app": (
        "anyio",
        "astral",
        "click",
        "fastapi",
        "fastapi_offline",
        "jinja2",
        "markdown_it",
        "nbformat",
        "plotly",
        "pydantic",
        "starlette",
        "streamlit",
        "uvicorn",
    ),
    "live": (
        "PIL",
        "apprise",
        "deno",
        "httpx2",
        "paho",
        "prometheus_client",
        "redis",
        "websockets",
        "yt_dlp",
        "yt_dlp_ejs",
    ),
    "login": ("authlib",),
    "notebook": ("astral", "ipykernel", "jinja2", "markdown_it", "nbformat", "plotly"),
    "ocr": ("rapidocr", "regex"),
    "openvino": ("openvino",),
    "prompts": ("onnx", "open_clip", "torch", "torchvision", "ultralytics"),
    "ray": ("ray",),
    "remote": ("aiohttp", "fsspec", "gcsfs", "s3fs"),
    "serve": (
        "PIL",
        "anyio",
        "fastapi",
        "fastapi_offline",
        "prometheus_client",
        "pydantic",
        "starlette",
        "uvicorn",
        "websockets",
    ),
    "torch": ("torch", "torchvision", "ultralytics"),
}
# Modules that have another name than their package.
_PACKAGES = {
    "PIL": "pillow",
    "fastapi_offline": "fastapi-offline",
    "markdown_it": "markdown-it-py",
    "open_clip": "open-clip-torch",
    "paho": "paho-mqtt",
    "prometheus_client": "prometheus-client",
    "ultralytics": "ultralytics-opencv-headless",
    "yt_dlp": "yt-dlp",
    "yt_dlp_ejs": "yt-dlp-ejs",
}


def install(extra: str) -> str:
    """The command that brings an extra."""
    return f'pip install "sighting-lab[{extra}]"'


def need(what: str, extra: str, *modules: str, error: type[LabError] = DetectorError) -> None:
    """Check that modules are installed, without importing them.

    what: what needs them, as the beginning of the message. Raises the error, which says how to
    install those that are missing.
    """
    if missing := _missing(modules):
        plural = "s" if len(missing) > 1 else ""
        raise error(f"{what} needs the package{plural} {_listed(missing)}: {install(extra)}")


def states() -> dict[str, str]:
    """The state of each extra: `installed`, or what is missing and how to install it."""
    return {extra: _state(extra, _missing(modules)) for extra, modules in EXTRAS.items()}


def _state(extra: str, missing: list[str]) -> str:
    return (
        f"not installed (without {_listed(missing)}): {install(extra)}" if missing else "installed"
    )


def _missing(modules: Iterable[str]) -> list[str]:
    return [package(name) for name in modules if not is_installed(name)]


def broken(what: str, module: str, why: ImportError) -> DetectorError:
    """The error for a package that is installed and cannot be imported all the same."""
    name = package(module)
    return DetectorError(
        f"{what} cannot import the package {name} ({why}); "
        f"run: pip install --force-reinstall {name}"
    )


def package(module: str) -> str:
    """The package that a module comes from."""
    return _PACKAGES.get(module, module)


def is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # imported, without saying from where
        return True


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
