"""Removing what a plan says, in an order that a process may be killed in.

The catalog says first that a log or a copied clip is gone, then its files go: what a kill leaves
are files that nothing refers to, and the next removal takes them. Each is looked at again under
its lock, for a run may have begun, or a clip been annotated, since the plan was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lab.annotation import utc_now
from lab.atomic_file import write_atomically
from lab.config import load_config
from lab.errors import LabError, StoreError
from lab.retention.items import Inventory, Item, Uploads, waiting_paths
from lab.retention.kinds import KINDS
from lab.retention.plan import KindPlan, Plan, preview
from lab.retention.tally import Progress, Removed, Tally
from lab.runs.leftovers import find_leftovers, remove_leftover
from lab.runs.remove import remove_copy, remove_pictures, remove_upload
from lab.score_log.manifest import DamagedManifest
from lab.score_log.removal import LogInUseError, LogRemoval
from lab.store.damage import unusable
from lab.store.store import Store
from lab.study.max_n import most_at_once_of

_BATCH = 100  # logs whose locks are held, and whose rows are marked, at once
_LAST = "retention_last.json"


def apply(
    store: Any = None, plan: Plan | None = None, *, progress: Progress | None = None
) -> Removed:
    """Remove what a plan says, of which some may be kept by now.

    store: a store, what `lab.open_store` gives, or a folder. plan: as `preview` gave it; by default
    that of the store's policy, made now. progress: is told how many are done, and of how many.

    What cannot be removed is named in `problems`. Raises StoreError if the store cannot be written,
    or another removal is going on; what went until then stays gone, and the rest is as it was.
    """
    store = Store.coerce(store)
    with _alone(store):
        plan = preview(store) if plan is None else plan
        tally = Tally(plan.count, progress)
        try:
            for kind in KINDS:
                if kind in plan.kinds and plan.kinds[kind].going:
                    _REMOVERS[kind](store, plan.kinds[kind], tally)
        finally:
            done = tally.removed()
            if tally.done:
                _keep_last(store, done)
    return done


def last_removed(store: Any = None) -> dict[str, Any] | None:
    """What the last removal did, as `Removed.to_dict` gives it; None if there was none."""
    try:
        found = json.loads((Store.coerce(store).folder / _LAST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _keep_last(store: Store, done: Removed) -> None:
    with suppress(OSError):  # of a full disk: what went is gone all the same
        write_atomically(store.folder / _LAST, json.dumps(done.to_dict(), indent=1))


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """No other process removes anything meanwhile. Raises StoreError."""
    lock = FileLock(store.folder / "retention.lock")
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise StoreError(
            f"another process is removing files of {store.folder}; wait until that is done"
        ) from None
    except OSError as error:
        raise unusable(store.folder, error) from None
    try:
        yield
    finally:
        lock.release()


def _leftovers(store: Store, plan: KindPlan, tally: Tally) -> None:
    # Found again, for a slow upload or download may have gone on.
    now = {str(one.path) for one in find_leftovers(store, load_config().models)}
    for item in plan.going:
        if item.key in now:
            with tally.removing("leftovers", item):
                remove_leftover(store, Path(item.key))
        else:
            tally.keep("leftovers", "gone")


def _pictures(store: Store, plan: KindPlan, tally: Tally) -> None:
    _made_of_originals("pictures", remove_pictures, store, plan, tally)


def _copies(store: Store, plan: KindPlan, tally: Tally) -> None:
    _made_of_originals("copies", remove_copy, store, plan, tally)


def _made_of_originals(
    kind: str, remove: Callable[[Store, str], Any], store: Store, plan: KindPlan, tally: Tally
) -> None:
    """What can be made again as long as the clip's own file is there."""
    inventory = Inventory(store)
    for item in plan.going:
        if inventory.has_original(item.key):
            with tally.removing(kind, item):
                remove(store, item.key)
        else:
            tally.keep(kind, "only")


def _removed(store: Store, plan: KindPlan, tally: Tally) -> None:
    for item in plan.going:
        with tally.removing("removed", item):
            remove_upload(Path(item.key))


def _clips(store: Store, plan: KindPlan, tally: Tally) -> None:
    places, waiting = Uploads(store), waiting_paths(store)
    rows = {row["media_id"]: row for row in store.media_rows(media_id=[i.key for i in plan.going])}
    paths = {media_id: row["path"] for media_id, row in rows.items()}
    free = [key for key, path in paths.items() if path not in waiting]
    kept = {**dict.fromkeys(paths, "waiting"), **store.mark_files_removed(free, utc_now())}
    for item in plan.going:
        path, why = paths.get(item.key, ""), kept.get(item.key, "gone")
        if why is not None or places.stat(path) is None:
            tally.keep("clips", why or "gone")
        else:
            with tally.removing("clips", item):
                _remove_clip(store, item.key, Path(path))


def _remove_clip(store: Store, media_id: str, file: Path) -> None:
    remove_copy(store, media_id)
    remove_upload(file)


def _logs(store: Store, plan: KindPlan, tally: Tally) -> None:
    for begin in range(0, len(plan.going), _BATCH):
        _some_logs(store, plan.going[begin : begin + _BATCH], plan.policy.unapplied, tally)


def _some_logs(store: Store, items: Sequence[Item], unapplied: bool, tally: Tally) -> None:
    with ExitStack() as stack:
        ready: dict[str, tuple[Item, LogRemoval]] = {}
        for item in items:
            try:
                removal = stack.enter_context(LogRemoval(store.log_folder(item.key)))
            except LogInUseError:
                tally.keep("logs", "running")
            except (DamagedManifest, FileNotFoundError):
                tally.keep("logs", "damaged")
            except OSError as error:
                tally.fail(item, error)
            else:
                ready[item.key] = item, removal
        for run_id in _keep_counts(
            store, [k for k, (item, _) in ready.items() if not item.is_stopped]
        ):
            del ready[run_id]
            tally.keep("logs", "damaged")
        now = utc_now()
        kept = store.mark_logs_removed(list(ready), now, unapplied=unapplied)
        for run_id, (item, removal) in ready.items():
            why = kept[run_id]
            if why is not None:
                tally.keep("logs", why)
                continue
            try:
                with tally.removing("logs", item):
                    removal.remove(now)
            except LogInUseError:  # prompts are being added since a moment
                if not item.is_stopped:
                    store.unmark_logs_removed([run_id])
                tally.keep("logs", "running")


def _keep_counts(store: Store, run_ids: Sequence[str]) -> list[str]:
    """Count the most at once of sightings while there are boxes; the runs where that failed."""
    counts: dict[str, int] = {}
    failed = []
    for run_id, rules in store.uncounted_rules(run_ids).items():
        try:
            for rule_hash in rules:
                counts |= most_at_once_of(store, run_id, rule_hash)
        except LabError:
            failed.append(run_id)
    if counts:
        store.set_most_at_once(counts)
    return failed


_REMOVERS: dict[str, Callable[[Store, KindPlan, Tally], None]] = {
    "leftovers": _leftovers,
    "pictures": _pictures,
    "copies": _copies,
    "removed": _removed,
    "clips": _clips,
    "logs": _logs,
}
