"""`/api/feeds`: what is watched. How feeds are listed is in `lab.app.server.feeds`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Path, Request, Response
from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field

from lab.app.server.api.route import StrictRoute
from lab.app.server.api.shared import READS, Analyst, Done, Here
from lab.app.server.feeds import feeds_of, shown_feed
from lab.app.server.new_feed import checked_feed
from lab.app.server.state import AppState
from lab.errors import ConflictError, NotFoundError, SettingError
from lab.feeds.commands import send
from lab.feeds.feed import FEED_ID
from lab.feeds.feed_files import FeedFiles
from lab.feeds.status import feeds_folder, watch_lock
from lab.private_files import private_folder

router = APIRouter(prefix="/feeds", tags=["feeds"], route_class=StrictRoute)
FeedId = Annotated[str, Path(min_length=1, max_length=255)]
_START_S = 30.0
_STATUS_S, _POLL_S = 5.0, 0.05


class NewFeed(BaseModel):
    """A feed as a feeds file has it (docs/guide/feeds.md); secrets are kept apart from it."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=f"^{FEED_ID.pattern}$")
    name: str | None = Field(None, max_length=100)
    source: dict[str, Any] = Field(examples=[{"type": "stream", "url": "rtsp://camera/1"}])
    detector: dict[str, Any] = Field(examples=[{"type": "yolo", "labels": ["person"]}])
    every_s: float | None = Field(None, gt=0, le=86_400)
    rule: str | dict[str, Any] | None = None
    sinks: list[str] = Field(default_factory=list, max_length=100)
    keep_hours: float | None = Field(None, ge=0, le=87_600)
    keep_gb: float | None = Field(None, gt=0, le=1_000_000)
    start: bool = True


class Feed(BaseModel):
    """A feed, as the process that watches says it; `unwatched` while there is none."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str | None
    state: str | None
    reason: str | None
    run_id: str | None


@router.get("/{feed_id}", dependencies=READS, summary="One feed")
async def get_feed(feed_id: FeedId, here: Here) -> Feed:
    return await anyio.to_thread.run_sync(_feed, here, feed_id)


@router.post("", status_code=201, summary="Watch a new feed")
async def add_feed(
    given: NewFeed, request: Request, response: Response, here: Here, asker: Analyst
) -> Feed:
    """409 if there is a feed of this id."""
    row = given.model_dump(exclude_none=True)

    def add() -> Feed:
        if given.id in feeds_of(here):
            raise ConflictError(_there_is(given.id))
        kept = checked_feed(here, asker, row)
        here.watching.ensure_started()
        try:
            send(here.store.folder, {"do": "add", "feed": kept}, _START_S)
        except SettingError:
            if given.id in {one.feed_id for one in FeedFiles(here.store).read().feeds}:
                raise ConflictError(_there_is(given.id)) from None  # somebody was quicker
            raise
        _wait(lambda: given.id in feeds_of(here))
        return _feed(here, given.id)

    feed = await anyio.to_thread.run_sync(add)
    response.headers["Location"] = f"{request.scope['root_path']}/feeds/{given.id}"
    return feed


@router.delete("/{feed_id}", summary="Watch a feed no more; its runs and recordings stay")
async def delete_feed(feed_id: FeedId, here: Here, asker: Analyst) -> Done:
    """409 while it is active: stop it first; or for a feed of a file, which is changed there."""

    def remove() -> Done:
        _feed(here, feed_id)
        try:
            if not _removed_from_file(here, feed_id):
                send(here.store.folder, {"do": "remove", "feed": feed_id}, _START_S)
        except SettingError as error:
            raise ConflictError(str(error)) from None
        _wait(lambda: feed_id not in feeds_of(here))
        return Done()

    return await anyio.to_thread.run_sync(remove)


@router.post("/{feed_id}/start", summary="Start a feed")
async def start_feed(feed_id: FeedId, here: Here, asker: Analyst) -> Feed:
    """409 for one that runs already. Its state follows within a second."""
    return await anyio.to_thread.run_sync(_commanded, here, feed_id, "start")


@router.post("/{feed_id}/stop", summary="Stop a feed")
async def stop_feed(feed_id: FeedId, here: Here, asker: Analyst) -> Feed:
    """409 where nobody watches. Its state follows within a second."""
    return await anyio.to_thread.run_sync(_commanded, here, feed_id, "stop")


@router.post("/{feed_id}/analyse_now", summary="Analyse a feed's next picture at once")
async def analyse_now(feed_id: FeedId, here: Here, asker: Analyst) -> Feed:
    """409 for one that does not run."""
    return await anyio.to_thread.run_sync(_commanded, here, feed_id, "analyse_now")


def _commanded(here: AppState, feed_id: str, do: str) -> Feed:
    _feed(here, feed_id)
    if do == "start":
        here.watching.ensure_started()
    elif here.live.get() is None:
        raise ConflictError("nobody watches the feeds of this store; start the feed first")
    _sent(here, {"do": do, "feed": feed_id})
    return _feed(here, feed_id)


def _sent(here: AppState, command: Mapping[str, Any]) -> None:
    try:
        send(here.store.folder, command, _START_S)
    except SettingError as error:
        raise ConflictError(str(error)) from None


def _wait(is_so: Callable[[], bool]) -> None:
    """Until the status says what was done, which is written once a second."""
    until = time.monotonic() + _STATUS_S
    while not is_so() and time.monotonic() < until:
        time.sleep(_POLL_S)


def _feed(here: AppState, feed_id: str) -> Feed:
    row = feeds_of(here).get(feed_id)
    if row is None:
        raise NotFoundError(f"no feed {feed_id!r:.80} is watched in this store")
    return Feed.model_validate(shown_feed(feed_id, row))


def _there_is(feed_id: str) -> str:
    return f"there is a feed {feed_id!r} already; give another id"


def _removed_from_file(here: AppState, feed_id: str) -> bool:
    """Whether nobody watches, so that the file is ours to change."""
    private_folder(feeds_folder(here.store.folder))
    try:
        with watch_lock(here.store.folder).acquire(timeout=0):
            FeedFiles(here.store).remove(feed_id)
            return True
    except Timeout:
        return False
