"""Putting a damaged catalog right: the last good copy, and runs found again from their logs."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from lab.counted import counted
from lab.errors import StoreDamagedError, StoreError
from lab.score_log.manifest import read_manifest
from lab.score_log.parts import added_folders
from lab.score_log.removal import removed_utc
from lab.store.backups import copied_at, copies, expect_copies, read_copy
from lab.store.catalog import Catalog
from lab.store.damage import first_line, unusable
from lab.store.migrations import migrate
from lab.store.outcomes import put_outcome, read_outcome
from lab.store.retention import put_log_removed
from lab.store.run_facts import read_run_facts, write_run_facts
from lab.store.store import NewRun, Store
from lab.video.media import Media

_UNKNOWN_THRESHOLD = 0.5
_SINCE = "sightings, annotations, saved rules, notes and what was typed about clips"


def repair(store: Store) -> list[str]:
    """Restore a damaged catalog, and find again the runs that it does not know.

    Returns what was done, and what could not be, one line each. Deletes nothing: the damaged files
    are moved to `damaged/`. Raises StoreError.
    """
    said = []
    problem = damage_of(store)
    if problem is not None:
        said += _restore(store, problem)
    elif not store.catalog.exists:
        said += _restore(store, "there is no catalog")
    else:
        said.append("the catalog is whole")
    found, lost = _find_runs(store)
    if found:
        said.append(f"found again from their logs: {_listed(found)}")
    said += lost
    store.catalog.make_copy()
    return said


def damage_of(store: Store) -> str | None:
    """What is wrong with the catalog, after reading all of it; None if nothing is."""
    try:
        with store.catalog.reading() as db:
            if db is None:
                return None
            for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                # Of all values, for a mere count or maximum comes from the statistics.
                db.execute(f'SELECT bit_xor(hash(t)) FROM "{name}" t').fetchall()
    except StoreDamagedError as error:
        return str(error)
    return None


def unknown_runs(store: Store) -> list[str]:
    """Ids of logs with samples that the catalog knows no run of."""
    known = {row["run_id"] for row in store.catalog.rows("SELECT run_id FROM runs")}
    logs = store.folder / "logs"
    names = sorted(f.name for f in logs.iterdir()) if logs.is_dir() else []
    return [n for n in names if n not in known and _has_samples(logs / n)]


def _has_samples(folder: Path) -> bool:
    if next(folder.glob("samples-*.parquet"), None) is not None:
        return True
    return _removed_utc(folder) is not None


def _removed_utc(folder: Path) -> str | None:
    """When the log was removed to make room; None if it was not."""
    try:
        return removed_utc(read_manifest(folder))
    except StoreError:
        return None


def _restore(store: Store, problem: str) -> list[str]:
    catalog = store.catalog
    with catalog.closed():
        try:
            part, copy, said = _rebuilt(catalog)
            aside = _set_aside(catalog)
            part.replace(catalog.path)
            expect_copies(store.folder)
            # Whoever has annotations in memory reads them again.
            store.annotations_version_file.write_text(uuid.uuid4().hex)
        except OSError as error:
            raise unusable(store.folder, error) from None
    _bring_up_to_date(store)
    if aside is not None:
        said.append(f"the damaged file is kept in {aside} ({problem.split('; ')[0]})")
    if copy is None:
        said.append(f"there was no copy to restore: {_SINCE} are lost")
    else:
        said.append(
            f"restored the copy of {copied_at(copy):%Y-%m-%d %H:%M} UTC; {_SINCE} of after it "
            "cannot be restored"
        )
    return said


def _rebuilt(catalog: Catalog) -> tuple[Path, Path | None, list[str]]:
    """A whole database beside the catalog, the copy that it is of, and what was said."""
    said: list[str] = []
    for copy in copies(catalog.folder):
        try:
            return _made(catalog, copy), copy, said
        except (duckdb.Error, OSError) as error:
            said.append(f"the copy {copy} cannot be read ({first_line(error)})")
    return _made(catalog, None), None, said


def _made(catalog: Catalog, copy: Path | None) -> Path:
    part = catalog.path.with_suffix(".new")
    for left in (part, part.with_suffix(".new.wal")):
        left.unlink(missing_ok=True)
    with duckdb.connect(str(part)) as db:
        if copy is not None:
            read_copy(db, copy)
        migrate(db, catalog.path)
    return part


def _set_aside(catalog: Catalog) -> Path | None:
    files = [f for f in (catalog.path, Path(f"{catalog.path}.wal")) if f.exists()]
    if not files:
        return None
    name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:4]
    aside = catalog.folder / "damaged" / name
    aside.mkdir(parents=True)
    for file in files:
        shutil.move(file, aside / file.name)
    return aside


def restore_run_facts(store: Store, row: Mapping[str, Any], media: Media) -> bool:
    """Write again, from the catalog, what the repair needs of a run; whether it was missing.

    row: of the run. Raises OSError.
    """
    folder = store.log_folder(row["run_id"])
    if not folder.is_dir() or read_run_facts(folder) is not None:
        return False
    run = NewRun(row["run_id"], row["recipe"], row["default_threshold"], row["environment"])
    write_run_facts(folder, run, media, row["created_utc"])
    return True


def _find_runs(store: Store) -> tuple[list[str], list[str]]:
    """Ids of runs that were found again, and lines about those that could not be."""
    found, lost = [], []
    for run_id in unknown_runs(store):
        try:
            put_back(store, run_id)
            found.append(run_id)
        except StoreError as error:
            lost.append(f"the log of run {run_id} is left where it is: {error}")
        except (KeyError, TypeError):
            lost.append(f"the log of run {run_id} is left where it is: its manifest is not whole")
    return found, lost


def put_back(store: Store, run_id: str) -> None:
    """Register the run of a log that lies in its place. Raises StoreError, KeyError, TypeError."""
    folder = store.log_folder(run_id)
    manifest, facts = read_manifest(folder), read_run_facts(folder)
    recipe = _with_added(manifest["recipe"], folder)
    known = store.catalog.rows("SELECT 1 FROM media WHERE media_id = ?", [recipe["media_id"]])
    if facts is None and not known:
        raise StoreError("its clip is not known; lab analyze CLIP names it, then repair again")
    if facts is None:
        store.create_runs([NewRun(run_id, recipe, _UNKNOWN_THRESHOLD)])
    else:
        new = NewRun(run_id, recipe, facts["threshold"], facts["environment"])
        store.create_runs([new], media=() if known else [facts["media"]])
    with store.catalog.transaction() as db:
        if facts is not None:
            db.execute(
                "UPDATE runs SET created_utc = ? WHERE run_id = ?", [facts["created_utc"], run_id]
            )
        outcome = read_outcome(folder)
        if outcome is not None:
            put_outcome(db, run_id, outcome)
        put_log_removed(db, run_id, removed_utc(manifest))


def _bring_up_to_date(store: Store) -> None:
    """Runs that were gone on with after the copy."""
    with store.catalog.transaction() as db:
        rows = db.execute("SELECT run_id, finished_utc FROM runs WHERE state <> 'done'").fetchall()
        for run_id, finished_utc in rows:
            outcome = read_outcome(store.log_folder(run_id))
            if outcome and (finished_utc is None or outcome["finished_utc"] > finished_utc):
                db.execute("UPDATE runs SET state = 'running' WHERE run_id = ?", [run_id])
                put_outcome(db, run_id, outcome)
        done = db.execute("SELECT run_id FROM runs WHERE state = 'done'").fetchall()
        for (run_id,) in done:
            if store.log_folder(run_id).is_dir():
                put_log_removed(db, run_id, _removed_utc(store.log_folder(run_id)))


def _with_added(recipe: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe with the labels that were added later; as `Store.extend_recipe`."""
    whole = dict(recipe)
    for manifest in map(read_manifest, added_folders(folder)):
        if not manifest.get("complete"):
            continue
        added = manifest["recipe"]
        whole["labels"] = sorted({*whole["labels"], *added["labels"]})
        if "text_features" in whole:
            whole["text_features"] = {**whole["text_features"], **added["text_features"]}
    return whole


def _listed(run_ids: Sequence[str]) -> str:
    shown = ", ".join(run_ids[:5])
    return f"{counted(len(run_ids), 'run')} ({shown}{', ...' if len(run_ids) > 5 else ''})"
