"""Clips join deployments, by folder or name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from lab.clock import Anchor, correction_s, placed, zone_named
from lab.deployment import Deployment
from lab.errors import SettingError, closest, printable
from lab.store.store import Store
from lab.study.patterns import pattern_of

_MOST_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class ClipJoin:
    """A clip that joins a deployment. site, before: its site then and now. is_outside: it begins,
    by its corrected clock, outside of the deployment's period.
    """

    media_id: str
    clip: str
    deployment_id: str
    site: str
    before: str | None
    is_outside: bool


@dataclass(frozen=True, kw_only=True)
class ClipNotJoined:
    """A clip that the pattern fits and that joins none, and why."""

    media_id: str
    clip: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What `join` did, or would do. unmatched: clips that the pattern does not fit. kept: clips
    that are in a deployment already.
    """

    joins: tuple[ClipJoin, ...]
    not_joined: tuple[ClipNotJoined, ...]
    unmatched: int
    kept: int
    is_preview: bool

    @property
    def fits_nothing(self) -> bool:
        """Whether there are clips to join, and none of them fits."""
        return bool(self.unmatched) and not self.joins and not self.not_joined

    def to_dict(self) -> dict[str, Any]:
        """What `lab deployments join --json` prints."""
        return asdict(self) | {"saved": not self.is_preview}


def join(
    store: Any,
    pattern: str,
    *,
    again: bool = False,
    preview: bool = False,
    among: Sequence[Deployment] | None = None,
) -> Joined:
    """Put clips into the deployments that their paths name, in one transaction.

    store: a store, what `lab.open_store` gives, or a folder. pattern: what the end of a path looks
    like, with `{deployment}`, `{site}` or `{camera}` for what it names, `*` for anything within a
    name, and `**/` for any folders: `{site}/{camera}_*`. again: also clips that are in one already.
    preview: only say what would change. among: deployments of this preview that are not in the
    store yet, besides its own. Where several deployments have these names, the one in
    whose period the clip begins is taken. Raises SettingError for a pattern that names nothing,
    or a store without deployments.
    """
    store = Store.coerce(store)
    wanted = pattern_of(pattern, needs=("deployment", "site", "camera"))
    if among and not preview:
        raise SettingError("deployments that are not in the store yet are for a preview alone")
    known = _Known(with_new(store.deployments(), among or ()), store.anchors())
    if not known.deployments:
        raise SettingError("the store has no deployments; first: lab deployments import FILE")
    joins, not_joined, unmatched, kept = [], [], 0, 0
    for clip in store.all_media():
        if clip["deployment_id"] is not None and not again:
            kept += 1
            continue
        named = wanted.matches(clip["path"])
        if not named:
            unmatched += 1
            continue
        shown = printable(clip["path"])
        found = known.of(named, clip)
        if isinstance(found, str):
            not_joined.append(ClipNotJoined(media_id=clip["media_id"], clip=shown, reason=found))
            continue
        at = known.begins(clip, found)
        joins.append(
            ClipJoin(
                media_id=clip["media_id"],
                clip=shown,
                deployment_id=found.deployment_id,
                site=found.site,
                before=clip["site"],
                is_outside=at is not None and not found.contains(at),
            )
        )
    if joins and not preview:
        store.join_clips({one.media_id: one.deployment_id for one in joins})
    return Joined(
        joins=tuple(joins),
        not_joined=tuple(not_joined),
        unmatched=unmatched,
        kept=kept,
        is_preview=preview,
    )


def with_new(known: Sequence[Deployment], new: Sequence[Deployment]) -> list[Deployment]:
    """Deployments after an import: those of the same id are replaced."""
    return list({one.deployment_id: one for one in (*known, *new)}.values())


class _Known:
    """The deployments of a store by what paths call them."""

    def __init__(
        self, deployments: Sequence[Deployment], anchors: Mapping[str, Sequence[Anchor]]
    ) -> None:
        self.deployments = deployments
        self._anchors = anchors
        self._called: dict[str, dict[str, list[Deployment]]] = {}
        for one in deployments:
            self._call("deployment", one.deployment_id, one)
            for name in {one.location_name, one.location_id} - {None}:
                self._call("site", str(name), one)
            if one.camera_id is not None:
                self._call("camera", one.camera_id, one)

    def _call(self, part: str, name: str, one: Deployment) -> None:
        self._called.setdefault(part, {}).setdefault(name.casefold(), []).append(one)

    def of(self, named: Sequence[Mapping[str, str]], clip: Mapping[str, Any]) -> Deployment | str:
        """The deployment that is meant, or why it cannot be told."""
        found: dict[str, Deployment] = {}
        for parts in named:
            found |= {one.deployment_id: one for one in self._with(parts)}
        if not found:
            return self._nothing_called(named[-1])
        if len(found) > 1:
            inside = {n: d for n, d in found.items() if self._holds(clip, d)}
            if len(inside) != 1:
                return _ambiguous(list(inside or found), clip, bool(inside))
            found = inside
        return next(iter(found.values()))

    def begins(self, clip: Mapping[str, Any], one: Deployment) -> datetime | None:
        """When a clip begins if it is of this deployment: UTC without tzinfo, corrected."""
        zone = zone_named(one.zone)
        local, start = clip["camera_local"], clip["start_utc"]
        start = placed(local, zone).utc if local is not None else start
        if start is None:
            return None
        anchors = self._anchors.get(one.deployment_id)
        own = clip["clock_correction_s"] or 0.0
        if anchors and (clip["correction_source"] == "anchors" or not own):
            own = correction_s(anchors, zone, start)
        elif clip["correction_source"] == "anchors":
            own = 0.0
        return start + timedelta(seconds=own)

    def _holds(self, clip: Mapping[str, Any], one: Deployment) -> bool:
        at = self.begins(clip, one)
        return at is not None and one.contains(at)

    def _with(self, parts: Mapping[str, str]) -> list[Deployment]:
        """Those that have all of the named parts."""
        named = [(part, name) for part, name in parts.items() if part != "time"]
        groups = [self._called.get(part, {}).get(name.casefold(), []) for part, name in named]
        ids = [{one.deployment_id for one in group} for group in groups[1:]]
        return [one for one in groups[0] if all(one.deployment_id in group for group in ids)]

    def _nothing_called(self, parts: Mapping[str, str]) -> str:
        named = {part: name for part, name in parts.items() if part != "time"}
        for part, name in named.items():
            called = self._called.get(part, {})
            if name.casefold() not in called:
                hint = closest(name.casefold(), list(called))
                return f"no deployment has {part} {printable(name)!r}; {hint}"
        both = " and ".join(f"{part} {printable(name)!r}" for part, name in named.items())
        return f"no deployment has {both}"


def _ambiguous(names: Sequence[str], clip: Mapping[str, Any], overlap: bool) -> str:
    listed = ", ".join(sorted(names)[:_MOST_NAMED])
    listed += f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    if overlap:
        why = "it begins in all of their periods"
    elif clip["start_utc"] is None and clip["camera_local"] is None:
        why = "its start is not known; read starts first: lab starts"
    else:
        why = "it begins in the period of none of them"
    return f"it may be of {listed}: {why}; or name one: lab media set CLIP --deployment ID"
