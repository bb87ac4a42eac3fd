"""`/api/rules` and what rules find: `/api/runs/{run_id}/sightings`, `/api/current_rules`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from lab.app.server.access import check
from lab.app.server.api.given_rule import GivenRule, rule_given
from lab.app.server.api.route import StrictRoute
from lab.app.server.api.runs import run_row
from lab.app.server.api.shared import READS, Analyst, Here, Reader, Utc
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import NotFoundError, SettingError
from lab.jobs.upload_rules import CURRENT
from lab.rules.rule import Rule
from lab.runs.apply import apply, protocol_named, undo_apply

router = APIRouter(tags=["rules"], route_class=StrictRoute)
Name = Annotated[str, Path(min_length=1, max_length=255)]
RuleBody = Annotated[
    dict[str, Any],
    Field(description="As a file of a rule has it: `default`, `labels`, `only`; see docs/guide."),
]


class SavedRule(BaseModel):
    """A rule under a name. run_id: on which it was tuned."""

    name: str
    rule: dict[str, Any]
    rule_hash: str
    run_id: str | None
    saved_utc: Utc


class RuleToSave(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rule: RuleBody
    run_id: str | None = Field(None, max_length=255)


class CurrentRule(BaseModel):
    """The rule that was applied last to all clips of a protocol."""

    protocol_hash: str
    name: str | None
    rule_hash: str
    rule: dict[str, Any]
    run_id: str | None
    set_utc: str


class SavedRules(BaseModel):
    items: list[SavedRule]


class CurrentRules(BaseModel):
    items: list[CurrentRule]


class FoundSighting(BaseModel):
    """A sighting that a rule finds; times in seconds of media time."""

    model_config = ConfigDict(extra="allow")

    label: str
    onset_s: float
    offset_s: float
    duration_s: float
    peak_s: float
    peak_confidence: float
    alert_s: float | None


class Found(BaseModel):
    run_id: str
    rule_hash: str
    is_stored: bool
    items: list[FoundSighting]


class RuleToTry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rule: GivenRule | None = Field(None, description="The run's default rule if null.")
    name: str | None = Field(
        None,
        max_length=255,
        description="Kept with stored sightings; that of a saved rule if null.",
    )


class RuleToApply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rule: GivenRule
    protocol_hash: str | None = Field(None, max_length=255)
    name: str | None = Field(None, max_length=255)
    run_id: str | None = Field(None, max_length=255)
    preview: bool = False


class Applied(BaseModel):
    """What `lab apply --json` prints."""

    model_config = ConfigDict(extra="allow")

    protocol_hash: str
    rule_hash: str
    saved: bool
    before: int
    after: int
    changed: int


@router.get("/rules", dependencies=READS, summary="Rules that were saved, the newest first")
async def list_rules(here: Here) -> SavedRules:
    rows = await run_in_threadpool(here.store.rule_rows)
    return SavedRules(items=[SavedRule.model_validate(row) for row in rows])


@router.get("/rules/{name}", dependencies=READS, summary="One saved rule")
async def get_rule(name: Name, here: Here) -> SavedRule:
    return await run_in_threadpool(_named, here, name)


@router.put("/rules/{name}", summary="Save a rule under a name, in the place of an old one")
async def put_rule(name: Name, given: RuleToSave, here: Here, asker: Analyst) -> SavedRule:
    rule = Rule.from_dict(given.rule)
    if name.strip() == CURRENT:
        raise SettingError(f"{CURRENT!r} means the rule that is applied; choose another name")

    def save() -> SavedRule:
        if given.run_id is not None:
            run_row(here, given.run_id)
        here.store.save_rule(name, rule, given.run_id)
        return _named(here, name.strip())

    return await run_in_threadpool(save)


@router.get("/current_rules", dependencies=READS, summary="The current rule of each protocol")
async def current_rules(
    here: Here, protocol_hash: Annotated[list[str] | None, Query()] = None
) -> CurrentRules:
    found = await run_in_threadpool(here.store.current_rules, protocol_hash)
    newest = sorted(found.values(), key=lambda one: one.set_utc, reverse=True)
    return CurrentRules(items=[CurrentRule.model_validate(one.to_dict()) for one in newest])


@router.post("/current_rules", summary="Apply a rule to all runs of a protocol: lab apply")
async def apply_rule(given: RuleToApply, here: Here, asker: Analyst) -> Applied:
    def applied() -> Applied:
        protocol = protocol_named(here.store, given.protocol_hash)
        (row,) = here.store.protocols(protocol_hash=protocol)
        rule, name = rule_given(here, given.rule, row["default_threshold"])
        done = apply(
            here.store, rule, protocol, name=given.name or name, run_id=given.run_id,
            preview=given.preview,
        )  # fmt: skip
        return Applied.model_validate(done.to_dict())

    return await run_in_threadpool(applied)


@router.delete(
    "/current_rules/{protocol_hash}", summary="Go back to the rule before: lab apply --undo"
)
async def undo_rule(protocol_hash: str, here: Here, asker: Analyst) -> CurrentRules:
    """The rule that is current now, if any."""

    def undo() -> CurrentRules:
        if not here.store.current_rules(protocol_hash):
            raise NotFoundError(f"no rule is current for protocol {protocol_hash!r:.80}")
        now = undo_apply(here.store, protocol_hash)
        return CurrentRules(items=[] if now is None else [CurrentRule(**now.to_dict())])

    return await run_in_threadpool(undo)


@router.post("/runs/{run_id}/sightings", summary="What a rule finds in a run; no model runs")
async def find_sightings(
    run_id: str, given: RuleToTry, here: Here, asker: Reader, store: bool = False
) -> Found:
    """store: keep them, in the place of earlier ones of the same rule; that needs `analyse`."""
    if store:
        check(asker, "analyse")

    def find() -> Found:
        run_row(here, run_id)
        run = here.run(run_id)
        rule, name = run.default_rule, None
        if given.rule is not None:
            rule, name = rule_given(here, given.rule, run.row["default_threshold"])
        found = run.find(rule)
        if store:
            here.store.save_sightings(run_id, rule, found, given.name or name)
        items = [FoundSighting.model_validate(one.to_dict()) for one in found]
        return Found(run_id=run_id, rule_hash=rule.rule_hash, is_stored=store, items=items)

    return await run_in_threadpool(find)


def _named(here: AppState, name: str) -> SavedRule:
    for row in here.store.rule_rows():
        if row["name"] == name:
            return SavedRule.model_validate(row)
    raise NotFoundError(f"no rule {name!r:.80} is saved in this store")
