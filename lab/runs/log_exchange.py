"""Giving finished runs to another store, by way of an object store or a shared disk.

What is given is the log with what lies beside it: recipe, facts of the clip, outcome. Each run has
a folder of its own there, and its manifest is written last: a run without one is not whole yet.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError, SettingError, StoreError
from lab.extras import need
from lab.runs.run import Run
from lab.score_log.manifest import NAME as MANIFEST
from lab.score_log.manifest import read_manifest
from lab.score_log.parts import added_folders, parts_of
from lab.score_log.seal import log_state
from lab.store.repair import put_back
from lab.store.run_facts import NAME as FACTS
from lab.store.run_facts import read_run_facts
from lab.store.store import Store
from lab.video.remote_store import file_system, is_remote, told


@dataclass
class Exchanged:
    """Ids of runs: given or taken, there already, and left out, with the reason."""

    done: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"done": self.done, "there": self.there, "left_out": self.left_out}


def push_logs(store: Store, place: str, run_ids: Iterable[str] | None = None) -> Exchanged:
    """Copy finished runs to an address or a folder; None: all of the store.

    A run that is not finished, or is damaged, is left out. Raises SettingError for a wrong address
    or id, StoreError if nothing can be written there.
    """
    files, base = _opened(place)
    ids = list(run_ids) if run_ids is not None else [r["run_id"] for r in store.runs()]
    found = Exchanged()
    for run in Run.many(store, ids):
        folder = store.log_folder(run.run_id)
        if run.state != "done":
            found.left_out[run.run_id] = f"it is {run.state}; lab analyze --resume {run.run_id}"
            continue
        if damaged := log_state(folder, run.run_id).damaged:
            found.left_out[run.run_id] = f"it is damaged: {damaged[0]}"
            continue
        target = f"{base}/{run.run_id}"
        with told(f"{place}/{run.run_id}", StoreError):
            if _is_same(files, f"{target}/{MANIFEST}", folder / MANIFEST):
                found.there.append(run.run_id)
                continue
            for name in files_of_log(folder):
                if not is_remote(place):  # there it would make a bucket whose name is misspelt
                    files.makedirs(f"{target}/{name}".rpartition("/")[0], exist_ok=True)
                files.put_file(str(folder / name), f"{target}/{name}")
        found.done.append(run.run_id)
    return found


def pull_logs(store: Store, place: str) -> Exchanged:
    """Take all runs that lie at an address or in a folder, and that the store does not have.

    Each is checked against its checksums before it counts. Raises SettingError for a wrong
    address, StoreError if nothing can be read there or written here.
    """
    files, base = _opened(place)
    with told(place, StoreError):
        names = sorted(name for name in files.find(base) if name.endswith(f"/{MANIFEST}"))
    ids = [parts[0] for name in names if len(parts := _below(name, base)) == 2]
    if not ids:
        raise StoreError(f"no run at {place}; give some there with: lab logs push {place}")
    found = Exchanged()
    known = {row["run_id"] for row in store.runs()}
    with store.catalog.transaction():
        pass  # before the first log: logs without a catalog are what a lost one leaves
    for run_id in ids:
        if run_id in known:
            found.there.append(run_id)
            continue
        try:
            if not store.log_folder(run_id).exists():  # else: of a process that was killed
                _take(store, files, f"{base}/{run_id}", run_id)
            put_back(store, run_id)
        except (LabError, KeyError, TypeError) as error:
            found.left_out[run_id] = str(error)
        else:
            found.done.append(run_id)
    return found


def _take(store: Store, files: Any, source: str, run_id: str) -> None:
    if not run_id or run_id != Path(run_id).name or run_id.startswith("."):
        raise StoreError("its name is not that of a run")
    folder = store.log_folder(run_id)
    part = folder.with_name(f".{run_id}.{uuid.uuid4().hex[:8]}.part")
    try:
        part.mkdir(parents=True)
        with told(source, StoreError):
            for name in files.find(source):
                inside = _below(name, source)
                if not inside or ".." in inside:
                    continue
                target = part.joinpath(*inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(name, str(target))
        if damaged := log_state(part, run_id).damaged:
            raise StoreError(f"it is not whole: {damaged[0]}; push it again")
        if read_run_facts(part) is None:
            raise StoreError(f"{FACTS} is missing or damaged; push it again")
        part.rename(folder)
    except OSError as error:
        raise StoreError(f"it cannot be written here: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_place(place: str) -> None:
    """Raises SettingError for a wrong address, StoreError if its packages are missing."""
    _opened(place)


def _opened(place: str) -> tuple[Any, str]:
    if is_remote(place):
        return file_system(place, StoreError)
    if "://" in place:
        raise SettingError(f"logs go to s3://, gs:// or a folder, got {place!r}")
    need("exchanging logs", "remote", "fsspec", error=StoreError)
    import fsspec

    return fsspec.filesystem("file"), os.path.abspath(place)


def files_of_log(folder: Path) -> Iterator[str]:
    """What belongs to a log, the manifest of the run last."""
    logs = [*added_folders(folder, read_manifest(folder)), folder]
    for log in logs:
        for part in parts_of(log):
            yield from (str(file.relative_to(folder)) for file in part.files)
        if log != folder:
            yield str((log / MANIFEST).relative_to(folder))
    for name in (FACTS, "outcome.json", MANIFEST):
        if (folder / name).exists():
            yield name


def _is_same(files: Any, there: str, here: Path) -> bool:
    try:
        return bool(files.cat_file(there) == here.read_bytes())
    except FileNotFoundError:
        return False


def _below(name: str, base: str) -> Sequence[str]:
    """The parts of a name below a folder."""
    return name.removeprefix(base.rstrip("/") + "/").split("/")
