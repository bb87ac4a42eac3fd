"""What is installed, what works, and what is wrong with the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, fields
from multiprocessing import get_context
from typing import Any

from lab.config import SAMPLES, AllowedService, Config, load_config
from lab.counted import counted
from lab.detectors.device import onnx_problem, torch_problem
from lab.detectors.registered import detectors
from lab.detectors.trust import service_settings
from lab.errors import LabError, StoreError
from lab.extras import states
from lab.formats.export import exports
from lab.runs.leftovers import remove_leftovers
from lab.runs.make_detector import make_detector
from lab.runs.run import lacking_samples
from lab.score_log.manifest import way_out
from lab.score_log.recipe import environment
from lab.score_log.score_log import read_log
from lab.score_log.seal import log_state
from lab.sinks.registered import sinks
from lab.store.backups import copied_at, copies
from lab.store.repair import damage_of, repair, restore_run_facts, unknown_runs
from lab.store.run_facts import read_run_facts
from lab.store.store import Store
from lab.video.hardware import decoding_problem
from lab.video.media import Media
from lab.video.registered import sources

_DECODERS = ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "msmpeg4", "gif"]
_MANY_RUNS = 1000
_UNFINISHED = ("interrupted", "cancelled", "failed")


def examine(folder: str | None) -> dict[str, dict[str, Any]]:
    """Sections of names and values, for people and for programs."""
    import lab

    machine = environment()
    config = load_config(store=folder)
    detector_states, store = _states_and_store(Store(config.store))
    return {
        "versions": {"lab": lab.__version__, "python": machine["python"], **machine["packages"]},
        "settings": _settings(config),
        "extras": states(),
        "decoders": {name: _decoder(name) for name in _DECODERS},
        "devices": _devices(),
        "detectors": detector_states,
        "plugins": _plugins(),
        "store": store,
    }


def _states_and_store(store: Store) -> tuple[dict[str, str], dict[str, Any]]:
    """What detectors can do, and what is in the store: of many runs at the same time, by a process
    of its own for the detectors, which take some seconds to load.
    """
    try:
        is_large = store.count_runs() > _MANY_RUNS
    except LabError:  # which is told with the store
        is_large = False
    if not is_large:
        return _detectors(), examine_store(store)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        looking = pool.submit(_detectors)
        found = examine_store(store)
        return looking.result(), found


def repair_and_examine(folder: str | None) -> dict[str, dict[str, Any]]:
    """What was put right in a store, and how it is now. Raises StoreError."""
    store = Store(load_config(store=folder).store)
    return {"repair": {"done": repair(store)}, "store": examine_store(store)}


def _settings(config: Config) -> dict[str, Any]:
    """Each setting with its value and where it came from."""
    values = {
        "store": str(config.store),
        "models": str(config.models),
        "media_roots": [str(root) for root in config.media_roots],
        "max_upload_bytes": config.max_upload_bytes,
        "offline": config.offline,
        "device": config.device,
        "decoding_device": config.decoding_device,
        "services": [_service(service) for service in config.services],
        "private_addresses": config.private_addresses,
        "allowed_addresses": list(config.allowed_addresses),
        "login_users": list(config.login_users),
        **asdict(config.limits),
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


def _devices() -> dict[str, str]:
    """What the settings `device` and `decoding_device` could choose beside the CPU."""
    clip = next(SAMPLES.glob("*.mp4"), None)
    found = {
        "torch on cuda": torch_problem(),
        "onnx on cuda": onnx_problem(),
        "decoding on cuda": decoding_problem("cuda", clip) if clip else "no sample to try it on",
    }
    return {name: "ready" if why is None else f"not there: {why}" for name, why in found.items()}


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


def examine_store(store: Store) -> dict[str, Any]:
    """What is in a store and wrong with it; removes what was left behind a day ago or more."""
    section: dict[str, Any] = {"folder": str(store.folder)}
    if not store.folder.exists():
        return section | {"state": "not created yet; the first run creates it"}
    try:
        runs = store.runs()
        problems, notes = check_logs(store, runs)
        problems = [*_catalog_problems(store), *problems]
        read_only = store.catalog.cannot_be_written
        if gone := sum(run["log_removed_utc"] is not None for run in runs):
            whose = "whose score log was removed to make room"
            notes.append(f"{counted(gone, 'run')} {whose}: what was found stays")
        if not read_only:
            notes += _restored_facts(store, runs)
        removed = [] if read_only else remove_leftovers(store, load_config().models)
    except LabError as error:
        return section | {"problems": [str(error)]}
    # A feed that was stopped has nothing to finish.
    of_clips = [run for run in runs if not run["environment"].get("feed")]
    unfinished = [r["run_id"] for r in of_clips if r["state"] in _UNFINISHED]
    return section | {
        **({"state": read_only} if read_only else {}),
        "runs": len(runs),
        "unfinished": unfinished,
        **_copies(store),
        "problems": problems,
        "notes": notes,
        "removed": removed,
    }


def _restored_facts(store: Store, runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Write again what a repair would need of runs, where it is missing; a line about it."""
    lacking = [r for r in runs if read_run_facts(store.log_folder(r["run_id"])) is None]
    ids = sorted({row["media_id"] for row in lacking})
    media = {row["media_id"]: row for row in store.media_rows(media_id=ids)} if ids else {}
    names = {f.name for f in fields(Media)}
    written = 0
    for row in lacking:
        facts = {k: v for k, v in media.get(row["media_id"], {}).items() if k in names}
        try:
            written += bool(facts) and restore_run_facts(store, row, Media(**facts))
        except (OSError, TypeError):
            continue
    return [f"run.json of {written} runs was missing or damaged, and was written again"] * (
        written > 0
    )


def _copies(store: Store) -> dict[str, str]:
    last = next(iter(copies(store.folder)), None)
    if last is None:
        return {"last copy": "none yet: the first is made when the app starts, or in some minutes"}
    return {"last copy": f"{copied_at(last):%Y-%m-%d %H:%M} UTC, {last}"}


def _catalog_problems(store: Store) -> list[str]:
    damage = damage_of(store)
    if damage is not None:
        return [damage]
    unknown = unknown_runs(store)
    if not unknown:
        return []
    return [
        f"{len(unknown)} logs have no run in the catalog ({', '.join(unknown[:3])}); "
        f"find their runs again with: lab doctor --repair --store {store.folder}"
    ]


def check_health(store: Store) -> list[str]:
    """Problems of a store, one line each; empty if there are none."""

    return check_logs(store, store.runs())[0]


def check_logs(store: Store, runs: Iterable[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Problems of the score logs, and notes, one line each.

    runs: rows of the catalog. Every byte of finished logs is compared with its checksum. Notes
    name files that are not of a log and are never read, and count logs without checksums.
    """
    problems, notes, unsealed = [], [], 0
    for run in runs:
        name, folder = f"run {run['run_id']}", store.log_folder(run["run_id"])
        try:
            found = log_state(folder, run["run_id"])
            damaged = list(found.damaged)
            if not damaged and not found.is_sealed and run["state"] == "done":
                unsealed += 1
                lacking = lacking_samples(run, len(read_log(folder).pts_us))
                damaged += [lacking] if lacking else []
        except StoreError as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name} is damaged: {one}; {way_out(run['run_id'])}" for one in damaged]
        notes += [f"{name}: {stray} is not of its log, and is not read" for stray in found.strays]
    if unsealed:
        notes.append(
            f"{counted(unsealed, 'finished run')} of an older version "
            f"{'have' if unsealed > 1 else 'has'} no checksums"
        )
    return problems, notes
