"""Packages that only some features use, and the extra of `pyproject.toml` that brings each."""

from __future__ import annotations

import importlib.util

from lab.errors import DetectorError, LabError

# Modules whose package has another name.
_PACKAGES = {
    "markdown_it": "markdown-it-py",
    "open_clip": "open-clip-torch",
    "ultralytics": "ultralytics-opencv-headless",
}


def install(extra: str) -> str:
    """The command that brings an extra."""
    return f'pip install "sighting-lab[{extra}]"'


def need(what: str, extra: str, *modules: str, error: type[LabError] = DetectorError) -> None:
    """Raises the error, with the way out, unless all the modules are installed; imports none.

    what: what needs them, as the beginning of the message.
    """
    missing = [_PACKAGES.get(name, name) for name in modules if not _is_installed(name)]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise error(f"{what} needs the package{plural} {_listed(missing)}: {install(extra)}")


def broken(what: str, module: str, why: ImportError) -> DetectorError:
    """The error for a package that is installed and cannot be imported all the same."""
    package = _PACKAGES.get(module, module)
    return DetectorError(
        f"{what} cannot import the package {package} ({why}); run: pip install --force-reinstall {package}"
    )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # imported, without saying from where
        return True


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
