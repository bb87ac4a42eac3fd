"""Removing what a plan says, in an order that a process may be killed in.

The catalog says first that a log or a copied clip is gone, then its files go: what a kill leaves
are files that nothing refers to, and the next removal takes them. Each is looked at again under
its lock, for a run may have begun, or a clip been annotated, since the plan was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
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
from lab.runs.leftovers import find_leftovers, remove_leftover
from lab.runs.remove import remove_copy, remove_pictures, remove_upload
from lab.score_log.manifest import DamagedManifest
from lab.score_log.removal import LogInUseError, LogRemoval
from lab.store.damage import unusable
from lab.store.store import Store
from lab.study.max_n import most_at_once_of

_BATCH = 100  # logs whose locks are held, and whose rows are marked, at once
_LAST = "retention_last.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What a removal did.

    counts, size_bytes: by kind. kept: by kind, why some were kept after all, with their number:
    words of `lab.retention.kinds.REASONS`. problems: a line about each that could not be removed.
    """

    at_utc: datetime
    counts: Mapping[str, int]
    size_bytes: Mapping[str, int]
    kept: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def total_bytes(self) -> int:
        return sum(self.size_bytes.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "at_utc": self.at_utc.isoformat() + "Z",
            "counts": dict(self.counts),
            "bytes": dict(self.size_bytes),
            "kept": {kind: dict(found) for kind, found in self.kept.items()},
            "problems": list(self.problems),
        }


@dataclass
class _Tally:
    """What was done so far."""

    total: int
    progress: Progress | None
    done: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    size_bytes: dict[str, int] = field(default_factory=dict)
    kept: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def gone(self, kind: str, size_bytes: int) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.size_bytes[kind] = self.size_bytes.get(kind, 0) + size_bytes
        self._step()

    def keep(self, kind: str, why: str) -> None:
        found = self.kept.setdefault(kind, {})
        found[why] = found.get(why, 0) + 1
        self._step()

    def fail(self, item: Item, error: OSError) -> None:
        self.problems.append(f"{item.name} cannot be removed: {error.strerror or error}")
        self._step()

    @contextmanager
    def removing(self, kind: str, item: Item) -> Iterator[None]:
        """Counts what is removed inside, or names it with the reason where it cannot be."""
        try:
            yield
        except OSError as error:
            self.fail(item, error)
        else:
            self.gone(kind, item.size_bytes)

    def _step(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)

    def removed(self) -> Removed:
        return Removed(
            at_utc=utc_now(),
            counts=self.counts,
            size_bytes=self.size_bytes,
            kept=self.kept,
            problems=tuple(self.problems),
        )


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
        tally = _Tally(plan.count, progress)
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


def _leftovers(store: Store, plan: KindPlan, tally: _Tally) -> None:
    # Found again, for a slow upload or download may have gone on.
    now = {str(one.path) for one in find_leftovers(store, load_config().models)}
    for item in plan.going:
        if item.key in now:
            with tally.removing("leftovers", item):
                remove_leftover(store, Path(item.key))
        else:
            tally.keep("leftovers", "gone")


def _pictures(store: Store, plan: KindPlan, tally: _Tally) -> None:
    _made_of_originals("pictures", remove_pictures, store, plan, tally)


def _copies(store: Store, plan: KindPlan, tally: _Tally) -> None:
    _made_of_originals("copies", remove_copy, store, plan, tally)


def _made_of_originals(
    kind: str, remove: Callable[[Store, str], Any], store: Store, plan: KindPlan, tally: _Tally
) -> None:
    """What can be made again as long as the clip's own file is there."""
    inventory = Inventory(store)
    for item in plan.going:
        if inventory.has_original(item.key):
            with tally.removing(kind, item):
                remove(store, item.key)
        else:
            tally.keep(kind, "only")


def _removed(store: Store, plan: KindPlan, tally: _Tally) -> None:
    for item in plan.going:
        with tally.removing("removed", item):
            remove_upload(Path(item.key))


def _clips(store: Store, plan: KindPlan, tally: _Tally) -> None:
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


def _logs(store: Store, plan: KindPlan, tally: _Tally) -> None:
    for begin in range(0, len(plan.going), _BATCH):
        _some_logs(store, plan.going[begin : begin + _BATCH], plan.policy.unapplied, tally)


def _some_logs(store: Store, items: Sequence[Item], unapplied: bool, tally: _Tally) -> None:
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


_REMOVERS: dict[str, Callable[[Store, KindPlan, _Tally], None]] = {
    "leftovers": _leftovers,
    "pictures": _pictures,
    "copies": _copies,
    "removed": _removed,
    "clips": _clips,
    "logs": _logs,
}
