"""`/api/runs`: what was analysed, by which recipe, and how it ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from lab.app.server.api.route import StrictRoute
from lab.app.server.api.shared import (
    READS,
    Analyst,
    Cursor,
    Done,
    Here,
    Limit,
    Page,
    Utc,
    Words,
    cursor_of,
    key_at,
    page,
)
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import ConflictError, NotFoundError, SettingError
from lab.runs.remove import remove_runs
from lab.store.keyset import key_of, kinds_of
from lab.store.pages import RUN_KEYS

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)
State = Literal["running", "done", "failed", "cancelled", "interrupted"]
Several = Annotated[list[str] | None, Query()]


class Run(BaseModel):
    """One pass of one detector over one clip, as the catalog has it."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    media_id: str
    state: str = Field(examples=["done"])
    error: str | None = Field(description="Why it failed, if it did.")
    detector: str
    labels: list[str]
    recipe: dict[str, Any] = Field(description="All that its log depends on.")
    recipe_hash: str
    protocol_hash: str = Field(description="Of what runs over several clips have in common.")
    environment: dict[str, Any] = Field(description="Versions, machine, where weights lay.")
    default_threshold: float
    effort: dict[str, Any] | None = Field(description="What was analysed; null until it ends.")
    elapsed_s: float
    created_utc: Utc
    finished_utc: Utc | None
    pass_id: str | None
    log_removed_utc: Utc | None


@router.get("", dependencies=READS, summary="Runs, page by page")
async def list_runs(
    here: Here,
    limit: Limit = 100,
    cursor: Cursor = None,
    order: Literal["newest", "oldest"] = "newest",
    run_id: Several = None,
    media_id: Several = None,
    detector: Several = None,
    state: Annotated[list[State] | None, Query()] = None,
    protocol_hash: Several = None,
    recipe_hash: Several = None,
    label: Words = None,
    text: Words = None,
    of_feed: bool | None = None,
) -> Page[Run]:
    wanted: dict[str, Any] = {
        "run_id": run_id, "media_id": media_id, "detector": detector, "state": state,
        "protocol_hash": protocol_hash, "recipe_hash": recipe_hash, "label": label, "text": text,
        "of_feed": of_feed,
    }  # fmt: skip
    after = key_at(cursor, kinds_of(RUN_KEYS[order]), "runs", order, wanted)
    rows = await run_in_threadpool(
        lambda: here.store.page_of_runs(order, after, limit + 1, **wanted)
    )
    key = key_of(RUN_KEYS[order], rows[min(limit, len(rows)) - 1]) if rows else []
    return page(rows, limit, cursor_of(key, "runs", order, wanted))  # type: ignore[return-value]


@router.get("/{run_id}", dependencies=READS, summary="One run")
async def get_run(run_id: str, here: Here) -> Run:
    return Run.model_validate(await run_in_threadpool(run_row, here, run_id))


@router.delete("/{run_id}", summary="Remove a run with its log and its stored sightings")
async def delete_run(run_id: str, here: Here, asker: Analyst) -> Done:
    def remove() -> None:
        run_row(here, run_id)
        try:
            remove_runs(here.store, [run_id])
        except SettingError as error:
            raise ConflictError(str(error)) from None

    await run_in_threadpool(remove)
    return Done()


def run_row(here: AppState, run_id: str) -> dict[str, Any]:
    """A run by its whole id. Raises NotFoundError."""
    found = here.store.runs(run_id=run_id)
    if not found:
        raise NotFoundError(f"no run {run_id!r:.80} in this store")
    return found[0]
