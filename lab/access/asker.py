"""Who asks, and what they may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.errors import LabError

Scope = Literal["read", "analyse", "admin"]
# Each may do what those before it may.
SCOPES: tuple[Scope, ...] = ("read", "analyse", "admin")


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who sent a request.

    name: of the token; `app` for the start-up token and the browsers that it let in; the e-mail
    address of a login. token_id: of a token that can be revoked, else None. is_local: whether the
    request came from this machine, by no proxy.
    """

    name: str
    scope: Scope
    token_id: str | None = None
    is_local: bool = False

    @property
    def key(self) -> str:
        """By what is counted what is theirs: the token, not its name; all browsers that were let
        in by the start-up token are one.
        """
        return self.token_id or f"by name {self.name}"

    def may(self, wanted: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(wanted)


class RefusedError(LabError):
    """A request that is not served, by whom it comes from or by how many there are.

    status: of HTTP, 401, 403, 413, 429 or 503. retry_after_s: when it is worth asking again.
    """

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status, self.retry_after_s = status, retry_after_s
