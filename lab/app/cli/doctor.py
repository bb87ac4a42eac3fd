"""What is installed, what works, and what is wrong with the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.config import AllowedService, Config, load_config
from lab.detectors.registered import detectors
from lab.detectors.trust import service_settings
from lab.errors import LabError, StoreError
from lab.extras import states
from lab.formats.export import exports
from lab.runs.make_detector import make_detector
from lab.score_log.recipe import environment
from lab.score_log.score_log import read_log
from lab.sinks.registered import sinks
from lab.store.store import Store
from lab.video.registered import sources

_DECODERS = ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "msmpeg4", "gif"]


def examine(folder: str | None) -> dict[str, dict[str, Any]]:
    """Sections of names and values, for people and for programs."""
    import lab

    machine = environment()
    config = load_config(store=folder)
    return {
        "versions": {"lab": lab.__version__, "python": machine["python"], **machine["packages"]},
        "settings": _settings(config),
        "extras": states(),
        "decoders": {name: _decoder(name) for name in _DECODERS},
        "detectors": _detectors(),
        "plugins": _plugins(),
        "store": _store(Store(config.store)),
    }


def _settings(config: Config) -> dict[str, Any]:
    """Each setting with its value and where it came from."""
    values = {
        "store": str(config.store),
        "models": str(config.models),
        "media_roots": [str(root) for root in config.media_roots],
        "max_upload_bytes": config.max_upload_bytes,
        "offline": config.offline,
        "services": [_service(service) for service in config.services],
    }
    rows: dict[str, Any] = {
        name: {"value": value, "origin": config.origins[name]} for name, value in values.items()
    }
    return {"file": None if config.file is None else str(config.file), **rows}


def _service(service: AllowedService) -> str:
    sent = ", ".join(f"{name} {value}" for name, value in service_settings(service).items())
    return f"{service.detector} ({sent})"


def _decoder(name: str) -> str:
    import av

    try:
        return f"ready ({av.Codec(name, 'r').long_name})"
    except ValueError:  # PyAV's UnknownCodecError
        return "missing in this build of FFmpeg"


def _detectors() -> dict[str, str]:
    """Each detector as ready, or the reason why it is not."""
    problems = detectors.problems()
    states = {name: _detector(name, problems.pop(name, None)) for name in detectors.names()}
    return states | {name: f"broken: {why}" for name, why in problems.items()}


def _plugins() -> dict[str, str]:
    """Plugins of the other kinds: where each comes from, or why it cannot be used."""
    states = {}
    for registry in (sources, sinks, exports):
        problems = registry.problems()
        for name in sorted({*registry.names(), *problems}):
            package = registry.package(name)
            if name in problems:
                states[f"{registry.kind} {name}"] = f"broken: {problems[name]}"
            elif package is not None:
                states[f"{registry.kind} {name}"] = f"from {package['name']} {package['version']}"
    return states


@contextmanager
def offline() -> Iterator[None]:
    """Downloads nothing inside this block, so that checking a detector stays local."""
    before = os.environ.get("LAB_OFFLINE")
    os.environ["LAB_OFFLINE"] = "true"
    try:
        yield
    finally:
        os.environ.pop("LAB_OFFLINE")
        if before is not None:
            os.environ["LAB_OFFLINE"] = before


def _detector(name: str, problem: str | None) -> str:

    package = detectors.package(name)
    if package is not None and problem is not None:
        return f"broken: {problem}"
    factory = None if package or name == "python" else detectors.get(name)
    example = getattr(factory, "example", {})
    try:
        with offline():
            detector = make_detector(name, **example)
    except LabError as error:
        state = f"not ready: {error}"
    else:
        state = f"ready ({_details(detector.recipe())})"
        detector.close()
    if package is not None:
        state += f", from {package['name']} {package['version']}"
    return state + (f"; note: {problem}" if problem else "")


def _details(recipe: dict[str, Any]) -> str:
    labels = f"{len(recipe['labels'])} labels" if recipe["labels"] else "any labels"
    if "weights" not in recipe:
        return labels
    return f"{recipe['weights']} on {recipe['runtime']}, {labels}"


def _store(store: Store) -> dict[str, Any]:
    section: dict[str, Any] = {"folder": str(store.folder)}
    if not store.folder.exists():
        return section | {"state": "not created yet; the first run creates it"}
    try:
        runs = store.runs()
        problems = check_health(store)
    except LabError as error:
        return section | {"problems": [str(error)]}
    unfinished = [r["run_id"] for r in runs if r["state"] in ("interrupted", "cancelled", "failed")]
    return section | {"runs": len(runs), "unfinished": unfinished, "problems": problems}


def check_health(store: Store) -> list[str]:
    """Problems of a store, one line each; empty if there are none."""

    problems = []
    for run in store.runs():
        try:
            log = read_log(store.log_folder(run["run_id"]))
            problems += [f"run {run['run_id']}: damaged part {part}" for part in log.damaged]
        except StoreError as error:
            problems.append(f"run {run['run_id']}: {error}")
    return problems
