"""What the resources of the API have in common: the state of the app, and pages with a cursor."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field, PlainSerializer

from lab.access.asker import Asker
from lab.app.server.access import needs
from lab.app.server.api.route import as_json
from lab.app.server.state import AppState
from lab.errors import SettingError

READS = [Depends(needs("read"))]
Reader = Annotated[Asker, Depends(needs("read"))]
Analyst = Annotated[Asker, Depends(needs("analyse"))]
Item = TypeVar("Item")
_MOST_CURSOR = 4000
_MOST_NUMBER = 2**53


def _here(request: Request) -> AppState:
    here: AppState = request.app.state.here
    return here


Here = Annotated[AppState, Depends(_here)]
Cursor = Annotated[
    str | None,
    Query(description="`next_cursor` of the page before; without it the first page."),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items of a page.")]
# Times of the store, which are in UTC and name no zone.
Utc = Annotated[datetime, PlainSerializer(lambda time: time.isoformat() + "Z", return_type=str)]
Words = Annotated[str | None, Query(max_length=255)]


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next_cursor: str | None = Field(
        description="Give it as `cursor` with the same conditions; null on the last page."
    )


class Done(BaseModel):
    """Something was done that gives nothing back."""

    status: str = "ok"


def page(items: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    """items: up to one more than the page has. cursor: where the last item of the page stands."""
    return {"items": list(items[:limit]), "next_cursor": cursor if len(items) > limit else None}


def cursor_of(key: Sequence[Any], *conditions: Any) -> str:
    """An opaque text for a place in a list, and for these conditions of the list alone."""
    text = as_json([_stamp(conditions), *key])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key_at(cursor: str | None, kinds: Sequence[type], *conditions: Any) -> list[Any] | None:
    """Of what `cursor_of` gave; None without a cursor. Raises SettingError for another one.

    kinds: of the key's values; a datetime stands as text.
    """
    if cursor is None:
        return None
    try:
        if len(cursor) > _MOST_CURSOR:
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        stamp, *key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        stamp, key = "", []
    fits = len(key) == len(kinds) and all(map(_is_of, key, kinds))
    if stamp != _stamp(conditions) or not fits:
        raise SettingError(
            "cursor is not one of this list with these conditions; begin again without it"
        )
    return key


def _is_of(value: Any, kind: type) -> bool:
    """Whether a value of a key is one that `cursor_of` gives: somebody may have edited it."""
    if kind in (int, float):
        return type(value) in (int, kind) and abs(value) <= _MOST_NUMBER
    if type(value) is not str:
        return False
    try:
        value.encode()
        return kind is str or datetime.fromisoformat(value).tzinfo is None
    except ValueError:  # half of a character, or no time
        return False


def _stamp(conditions: Sequence[Any]) -> str:
    return hashlib.blake2b(as_json(list(conditions)).encode(), digest_size=6).hexdigest()


def at_utc(seconds: float | None) -> datetime | None:
    """Of seconds since 1970, as the store has times: in UTC, without a zone."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
