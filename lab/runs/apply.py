"""One rule applied to all clips that were analysed with the same settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.counted import counted
from lab.errors import LabError, SettingError
from lab.rules.rule import Debounce, Rule
from lab.runs.run import Run
from lab.sighting import Sighting
from lab.store.current_rules import CurrentRule
from lab.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_BATCH_RUNS = 200  # saved in one transaction
_READERS = 2  # threads; more wait for each other
_MOST_LISTED = 12

Key = tuple[str, int, int]  # label, onset and offset in microseconds: what a sighting is


@dataclass(frozen=True, kw_only=True)
class ClipChange:
    """What a rule changes in one run.

    before: sightings of the rule that was current; after: of the one that is applied. changed:
    how many of them are not the same, by label, onset and offset: one that only moved counts
    once. clip: the name of its file, with the folder where other clips have that name too.
    """

    run_id: str
    media_id: str
    clip: str
    before: int
    after: int
    changed: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A run that a rule was not applied to, and why. state: of the run, such as `done`."""

    run_id: str
    clip: str
    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What `apply` did, or would do.

    previous: the rule that was current before, None if there was none. clips: one entry a run, by
    the path of its clip. is_preview: nothing was saved.
    """

    protocol_hash: str
    rule: Rule
    name: str | None
    previous: CurrentRule | None
    clips: tuple[ClipChange, ...]
    left_out: tuple[LeftOut, ...]
    is_preview: bool

    @property
    def before(self) -> int:
        """Sightings of the rule that was current, in all runs."""
        return sum(one.before for one in self.clips)

    @property
    def after(self) -> int:
        return sum(one.after for one in self.clips)

    @property
    def changed(self) -> int:
        """Sightings that are not the same as before, in all runs."""
        return sum(one.changed for one in self.clips)

    @property
    def changed_clips(self) -> int:
        """How many clips have sightings that are not the same as before."""
        return len({one.media_id for one in self.clips if one.changed})

    @property
    def clip_count(self) -> int:
        return len({one.media_id for one in self.clips})

    def to_frame(self) -> pd.DataFrame:
        """One row a run: run_id, media_id, clip, before, after, changed."""
        import pandas as pd

        names = list(ClipChange.__dataclass_fields__)
        return pd.DataFrame([vars(one) for one in self.clips], columns=names)

    def to_dict(self) -> dict[str, Any]:
        """What `lab apply --json` prints."""
        return {
            "protocol_hash": self.protocol_hash,
            "rule_hash": self.rule.rule_hash,
            "rule_name": self.name,
            "saved": not self.is_preview,
            "previous": None if self.previous is None else self.previous.to_dict(),
            "before": self.before,
            "after": self.after,
            "changed": self.changed,
            "changed_clips": self.changed_clips,
            "clips": [vars(one) for one in self.clips],
            "left_out": [vars(one) for one in self.left_out],
        }


def apply(
    store: Any,
    rule: Rule | Debounce | Mapping[str, Any],
    protocol: str | None = None,
    *,
    name: str | None = None,
    run_id: str | None = None,
    preview: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Applied:
    """Apply a rule to all finished runs of a protocol, and make it the protocol's current rule.

    store: a store, what `lab.open_store` gives, or a folder. protocol: the hash that the runs
    have in common, or the beginning of it; not needed where the store has one alone. name: of the
    rule; the rule that is current already keeps its own. run_id: the run on which it was tuned.
    preview: only say what would change. progress: is told how many runs are done, and of how many.

    Every finished run gets the rule's sightings, also where a clip has several; those of other
    rules stay saved. The rule is current when the last run is saved: whoever is stopped before
    that leaves the old one current, and can do the same again. Runs that cannot take the rule are
    in `left_out`. Raises SettingError if no run can, or the protocol is not one of the store.
    """
    store, rule = Store.coerce(store), Rule.coerce(rule)
    protocol = protocol_named(store, protocol)
    previous = store.current_rules(protocol).get(protocol)
    if name is None and previous is not None and previous.rule.rule_hash == rule.rule_hash:
        name = previous.name
    before = _saved(store, protocol, previous)
    rows = _with_clip_names(store.run_index(protocol_hash=protocol))
    left_out = [
        _left_out(row, f"it is {row['state']}, not finished")
        for row in rows
        if row["state"] != "done"
    ]
    finished = [row for row in rows if row["state"] == "done"]
    clips: list[ClipChange] = []
    waiting: dict[str, Sequence[Sighting]] = {}
    for done, (row, found) in enumerate(_each(store, rule, finished), 1):
        if isinstance(found, str):
            left_out.append(_left_out(row, found))
        else:
            waiting[row["run_id"]] = found
            clips.append(_change(row, before.get(row["run_id"], set()), found))
        if not preview and len(waiting) > _BATCH_RUNS:
            ready = dict(list(waiting.items())[:_BATCH_RUNS])
            waiting = dict(list(waiting.items())[_BATCH_RUNS:])
            store.save_sightings_of_runs(ready, rule, name)
        if progress is not None:
            progress(done, len(finished))
    if not clips:
        raise SettingError(_nothing_to_apply(protocol, left_out))
    if not preview:
        store.save_sightings_of_runs(waiting, rule, name, current_of=protocol, tuned_on=run_id)
    return Applied(
        protocol_hash=protocol,
        rule=rule,
        name=name,
        previous=previous,
        clips=tuple(clips),
        left_out=tuple(left_out),
        is_preview=preview,
    )


def undo_apply(store: Any, protocol: str | None = None) -> CurrentRule | None:
    """Take back the rule that was applied last; the one that is current then, None if none is.

    store, protocol: as of `apply`. No sightings are deleted. Raises SettingError if no rule was
    applied to the protocol.
    """
    store = Store.coerce(store)
    return store.undo_current_rule(protocol_named(store, protocol))


def protocol_named(store: Store, beginning: str | None) -> str:
    """The protocol whose hash begins so; of None the only one of the store.

    Raises SettingError if there is not just one.
    """
    known = store.protocols()
    if not beginning:  # those of failed tries alone are not meant
        known = [row for row in known if row["done"]] or known
    found = [row for row in known if row["protocol_hash"].startswith(beginning or "")]
    if len(found) == 1:
        return str(found[0]["protocol_hash"])
    if not known:
        raise SettingError(f"no run in {store.folder}; analyse a clip first")
    listed = "; ".join(
        f"{row['protocol_hash']} ({row['recipe']['detector']}, "
        f"{', '.join(row['recipe']['labels'][:3]) or 'any label'}, {counted(row['clips'], 'clip')})"
        for row in (found or known)[:_MOST_LISTED]
    )
    if beginning:
        what = "several protocols begin" if found else "no protocol begins"
        raise SettingError(f"{what} with {beginning!r} in {store.folder}; known: {listed}")
    raise SettingError(f"the store has {len(known)} protocols; name one of: {listed}")


def _with_clip_names(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs with `clip`: the name of the clip's file, with its folder where others have it too."""
    clips: dict[str, set[str]] = {}
    for row in rows:
        clips.setdefault(row["name"], set()).add(row["media_id"])
    for row in rows:
        parts = 1 if len(clips[row["name"]]) == 1 else 2
        row["clip"] = "/".join(Path(row["path"]).parts[-parts:]) if row["path"] else "?"
    return rows


def _saved(store: Store, protocol: str, current: CurrentRule | None) -> dict[str, set[Key]]:
    """The sightings of the current rule, by run."""
    found: dict[str, set[Key]] = {}
    if current is not None:
        for row in store.sighting_keys(protocol, current.rule.rule_hash):
            key = (row["label"], row["onset_us"], row["offset_us"])
            found.setdefault(row["run_id"], set()).add(key)
    return found


def _each(
    store: Store, rule: Rule, rows: Sequence[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], list[Sighting] | str]]:
    """The sightings of a rule in each run, or why it has none of it. Logs are not kept."""
    with ThreadPoolExecutor(_READERS) as pool:
        for begin in range(0, len(rows), _BATCH_RUNS):
            batch = rows[begin : begin + _BATCH_RUNS]
            known = store.runs_with_media([row["run_id"] for row in batch])
            yield from zip(
                batch, pool.map(lambda one: _find(store, rule, *one), known), strict=True
            )


def _find(
    store: Store, rule: Rule, row: dict[str, Any], media: dict[str, Any]
) -> list[Sighting] | str:
    run = Run(store, row["run_id"], row=row, media=media)
    try:
        return run.damage or "" if run.log.damaged else run.find(rule)
    except LabError as error:
        return str(error)


def _change(row: Mapping[str, Any], before: set[Key], found: Sequence[Sighting]) -> ClipChange:
    after = {(one.label, one.onset_us, one.offset_us) for one in found}
    return ClipChange(
        run_id=row["run_id"],
        media_id=row["media_id"],
        clip=row["clip"],
        before=len(before),
        after=len(found),
        changed=max(len(before), len(after)) - len(before & after),
    )


def _left_out(row: Mapping[str, Any], reason: str) -> LeftOut:
    return LeftOut(run_id=row["run_id"], clip=row["clip"], state=row["state"], reason=reason)


def _nothing_to_apply(protocol: str, left_out: Sequence[LeftOut]) -> str:
    refused = [one for one in left_out if one.state == "done"] or left_out
    reason = f"; {refused[0].clip}: {refused[0].reason}" if refused else ""
    return f"the rule can be applied to no run of protocol {protocol}{reason}"
