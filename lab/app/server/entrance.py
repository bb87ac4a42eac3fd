"""Who is let in: by a token, or by the cookie that a browser got for one."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from lab.access.asker import Asker
from lab.access.tokens import PREFIX, Token, Tokens
from lab.app.server.token import BrowserSecret

APP = Asker(name="app", scope="admin")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class LogsIn(Protocol):
    """People who log in elsewhere, as `lab.app.server.login.Login` knows them."""

    def begin(self) -> str: ...

    def asker(self, cookies: Mapping[str, str], scope: Scope, headers: Headers) -> Asker | None: ...


class Entrance:
    """token: the start-up token. secret: what cookies are made with. tokens: those of the store.
    login: of people who log in elsewhere, None for nobody.
    """

    def __init__(
        self, token: str, secret: BrowserSecret, tokens: Tokens | None, login: LogsIn | None
    ) -> None:
        self._token, self._secret, self._tokens, self.login = token, secret, tokens, login

    def asker(self, scope: Scope, headers: Headers, in_query: str | None) -> Asker | None:
        """Who asks, None for whom nobody knows. A token in the header counts before a cookie, one
        in the query last. in_query: that one.
        """
        found = self._of_request(scope, headers, in_query)
        return None if found is None else replace(found, is_local=is_local(scope, headers))

    def is_known(self, asker: Asker) -> bool:
        """Whether who was let in still would be: the token was not revoked, nor did it end."""
        if asker.token_id is None or self._tokens is None:
            return True
        return self._tokens.valid(asker.token_id) is not None

    def has_logged_in(self, scope: Scope, headers: Headers) -> bool:
        """Whether the request has the cookie of somebody who logged in elsewhere, and may come."""
        cookies = HTTPConnection(scope).cookies
        return self.login is not None and self.login.asker(cookies, scope, headers) is not None

    def of_secret(self, sent: str) -> Asker | None:
        """Whose token it is."""
        if sent and _same(sent, self._token):
            return APP
        if self._tokens is None or not sent.startswith(PREFIX):
            return None
        token = self._tokens.check(sent)
        return None if token is None else _asker(token)

    def cookie(self, asker: Asker) -> tuple[str, str]:
        """Name and value of the cookie that lets a browser in as that one from now on."""
        if asker.token_id is None or self._tokens is None:
            return self._secret.cookie_name, self._secret.cookie
        token = self._tokens.valid(asker.token_id)
        return self._secret.cookie_name, "" if token is None else self._cookie_of(token)

    def keep(self) -> None:
        """Keep the secret of cookies, if there is a store now."""
        self._secret.keep()

    def _of_request(self, scope: Scope, headers: Headers, in_query: str | None) -> Asker | None:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.of_secret(sent.strip())
        cookies = HTTPConnection(scope).cookies
        found = self._of_cookie(cookies.get(self._secret.cookie_name, ""))
        if found is None and self.login is not None:
            found = self.login.asker(cookies, scope, headers)
        if found is None and in_query is not None:
            found = self.of_secret(in_query)
        return found

    def _of_cookie(self, sent: str) -> Asker | None:
        if _same(sent, self._secret.cookie):
            return APP
        token_id, is_of_token, _ = sent.partition(".")
        if not is_of_token or self._tokens is None:
            return None
        token = self._tokens.valid(token_id)
        if token is None or not _same(sent, self._cookie_of(token)):
            return None
        return _asker(token)

    def _cookie_of(self, token: Token) -> str:
        return f"{token.token_id}.{self._secret.derived(f'cookie of {token.sha256}')}"


def token_in_query(scope: Scope) -> str | None:
    """The token of an address; it is taken from the address, so that no log has it."""
    query = bytes(scope.get("query_string") or b"")
    if b"token=" not in query:
        return None
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    sent = [value for name, value in pairs if name == "token"]
    if not sent:
        return None
    rest = [(name, value) for name, value in pairs if name != "token"]
    scope["query_string"] = urlencode(rest).encode()
    return sent[0]


def is_local(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from this machine, and no proxy passed it on: a proxy names another
    host, or says whom it speaks for.
    """
    client = (scope.get("client") or ("", 0))[0]
    try:
        is_here = ipaddress.ip_address(client).is_loopback
    except ValueError:
        is_here = False
    name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    is_passed_on = any(
        one == "forwarded" or one == "via" or one.startswith("x-forwarded-") or one == "x-real-ip"
        for one in headers
    )
    return is_here and name.lower() in _LOOPBACK_NAMES and not is_passed_on


def _asker(token: Token) -> Asker:
    return Asker(name=token.name, scope=token.scope, token_id=token.token_id)


def _same(sent: str, expected: str) -> bool:
    return hmac.compare_digest(sent.encode("utf-8", "replace"), expected.encode())
