"""People who log in at a provider of OpenID Connect, by Streamlit's own settings for it.

`[auth]` in `.streamlit/secrets.toml` names the provider, `login_users` of `lab.toml` says whose
e-mail addresses count; without any, nobody may log in.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope
from streamlit import auth_util
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from lab.access.asker import Asker
from lab.extras import install, is_installed

_log = logging.getLogger(__name__)


class Login:
    """users: e-mail addresses, `*@example.org` for all of them."""

    def __init__(self, users: tuple[str, ...]) -> None:
        self._users = tuple(one.lower() for one in users)

    @classmethod
    def of_settings(cls, users: tuple[str, ...]) -> Login | None:
        """None unless a provider is named, Authlib is there, and somebody may come."""
        if not auth_util.get_secrets_auth_section():
            return None
        if not users:
            _log.warning("lab: a login is set up, but login_users is empty: nobody may log in")
            return None
        if not is_installed("authlib"):
            _log.warning(
                "lab: a login is set up, and nobody can log in without Authlib: %s",
                install("login"),
            )
            return None
        return cls(users)

    def begin(self) -> str:
        """Where the browser begins to log in. Raises StreamlitAuthError without Authlib."""
        return f"/auth/login?provider={auth_util.encode_provider_token('default')}"

    def asker(self, cookies: Mapping[str, str], scope: Scope, headers: Headers) -> Asker | None:
        """Who has logged in; their cookie holds for this origin alone."""
        said = _said(cookies)
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        if said.get("origin") != f"{scheme}://{headers.get('host', '')}":
            return None
        email = said.get("email")
        if said.get("is_logged_in") is not True or not isinstance(email, str):
            return None
        if said.get("email_verified") is False or not self._may_come(email.lower()):
            return None
        return Asker(name=email[:254], scope="admin")

    def _may_come(self, email: str) -> bool:
        return any(
            email.endswith(one[1:]) if one.startswith("*@") else email == one for one in self._users
        )


def _said(cookies: Mapping[str, str]) -> dict[str, Any]:
    """What Streamlit signed, else nothing."""
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        value = cookies.get(name)
        if value is None:
            return None
        return decode_signed_value(secret, name, value.encode("latin-1", "replace"))

    try:
        found = json.loads(auth_util.get_cookie_with_chunks(one, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
