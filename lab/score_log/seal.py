"""Whether a score log is what was written, and what else lies in its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.atomic_file import PART_NAME
from lab.errors import StoreError
from lab.score_log.manifest import (
    ADDED,
    NAME,
    DamagedManifest,
    check_run,
    read_manifest,
    write_manifest,
)
from lab.score_log.parts import PartProblem, added_folders, is_set_aside, part_number, parts_of
from lab.score_log.removal import check_not_removed, is_removed
from lab.score_log.writer import ScoreLogWriter

_OWN = frozenset([NAME, "lock", ADDED, "run.json", "outcome.json"])
_FOLDER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class LogState:
    """What is found in a log's folder.

    damaged: files that are missing or not what was written, and why.
    is_sealed: whether the manifest has the checksums to tell by, as it has in logs that this
        version finished.
    strays: files that are not of the log, and are never read: copies, sync conflicts.
    """

    damaged: tuple[str, ...]
    is_sealed: bool
    strays: tuple[str, ...] = ()


def log_state(folder: Path, run_id: str | None = None) -> LogState:
    """Check every byte of a log, that of added labels included.

    run_id: the run that it must be of. Raises StoreError for a log of a newer format.
    """
    try:
        manifest = read_manifest(folder)
        check_run(folder, manifest, run_id)
    except DamagedManifest:
        why = f"{NAME}: it is missing, or not what was written"
        return LogState((why,), False, tuple(_strays(folder)))
    damaged, is_sealed = _damaged_parts(folder, manifest), "parts" in manifest
    for one in added_folders(folder, manifest):
        found = _damage(one, str(manifest.get("run_id", "")) or None)
        damaged += [f"{ADDED}/{one.name}/{name}" for name in found]
        is_sealed = is_sealed and (bool(found) or _is_sealed(one))
    return LogState(tuple(damaged), is_sealed, tuple(_strays(folder, manifest)))


def quick_damage(folder: Path, run_id: str) -> str | None:
    """What is missing of a log, or has another size; None if nothing is.

    Reads no part, so that it can be asked of thousands of logs.
    """
    try:
        manifest = read_manifest(folder)
        check_run(folder, manifest, run_id)
        parts = parts_of(folder, manifest)
    except StoreError:
        return f"{NAME}: it is missing, or not what was written"
    if is_removed(manifest):
        return None
    if not parts:
        return "its parts are missing"
    return next((problem for part in parts if (problem := part.quick_problem())), None)


def damaged_added(folder: Path) -> dict[Path, list[str]]:
    """The logs of added labels that are not what was written, with the labels of each.

    The list is empty where nothing in the folder says them. Raises as `read_manifest` does.
    """
    manifest = read_manifest(folder)
    found = {}
    for one in added_folders(folder, manifest):
        if not _damage(one, manifest.get("run_id")):
            continue
        try:
            labels = read_manifest(one)["labels"]
        except DamagedManifest:
            labels = manifest.get(ADDED, {}).get(one.name, [])
        found[one] = list(labels)
    return found


def seal(folder: Path) -> bool:
    """Give a finished log of an older version its checksums; whether it had none.

    Logs of added labels that cover every sample are sealed with it. Raises StoreError if one is
    damaged, or is being written.
    """
    manifest = read_manifest(folder)
    was_open = not _is_sealed(folder)
    if was_open:
        with ScoreLogWriter(folder, manifest) as log:
            log.seal()
    for one in added_folders(folder, manifest):
        facts = read_manifest(one)
        if facts.get("complete") and not _is_sealed(one):
            with ScoreLogWriter(one, facts) as log:
                log.seal()
            was_open = True
        if facts.get("complete") and one.name not in manifest.get(ADDED, {}):
            list_added(one)
    return was_open


def list_added(folder: Path) -> None:
    """Note in a run's log that a complete log of added labels belongs to it.

    folder: of the added labels. Raises StoreError if the run's log is being written.
    """
    base = folder.parent.parent
    labels = read_manifest(folder)["labels"]
    check_not_removed(base, read_manifest(base))  # one that is damaged is not made anew here
    with ScoreLogWriter(base, {}):
        manifest = read_manifest(base)
        write_manifest(base, {**manifest, ADDED: {**manifest.get(ADDED, {}), folder.name: labels}})


def _is_sealed(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return "parts" in manifest and not manifest.get("is_open")


def _damage(folder: Path, run_id: str | None = None) -> list[str]:
    try:
        manifest = read_manifest(folder)
        check_run(folder, manifest, run_id)
    except DamagedManifest:
        return [f"{NAME}: it is missing, or not what was written"]
    return _damaged_parts(folder, manifest)


def _damaged_parts(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    found = []
    for part in parts_of(folder, manifest):
        try:
            part.check()
        except PartProblem as problem:
            found.append(str(problem))
    return found


def _strays(folder: Path, manifest: Mapping[str, Any] | None = None) -> list[str]:
    """Files and folders that are not of the log, by their names."""
    if not folder.is_dir():
        return []
    try:
        counted = {f.name for part in parts_of(folder, manifest) for f in part.files}
    except StoreError:
        counted = set()
    added = folder / ADDED
    found = [
        file.name
        for file in sorted(folder.iterdir())
        if file.name not in counted | _OWN
        and not is_set_aside(file)
        and not PART_NAME.fullmatch(file.name)
        and (file.suffix != ".part" or part_number(file) is None)
    ]
    for one in sorted(added.iterdir()) if added.is_dir() else []:
        if one.is_dir() and _FOLDER.fullmatch(one.name):
            found += [f"{ADDED}/{one.name}/{name}" for name in _strays(one)]
        else:
            found.append(f"{ADDED}/{one.name}")
    return found
