"""What is said at the start where others than this machine can reach the app."""

from __future__ import annotations

from collections.abc import Sequence

from lab.detectors.services.address import is_loopback
from lab.errors import SettingError

_GUESSABLE_CHARACTERS = 20
_EVERY_ADDRESS = ("", "0.0.0.0", "::")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


def is_exposed(host: str) -> bool:
    """Whether a server that listens there can be reached from elsewhere. host: empty for all."""
    return host in _EVERY_ADDRESS or not is_loopback(host.lower())


def check_somebody_may_come(host: str, *, has_token: bool) -> None:
    """Raises SettingError where a server would be open to others, and nobody has a token for it."""
    if is_exposed(host) and not has_token:
        raise SettingError(
            f"{host or 'this address'} can be reached from other machines, and there is no token: "
            "make one (lab token add NAME --scope read, or analyse, or admin), or set LAB_TOKEN "
            "to a long random one, such as `openssl rand -hex 32` gives"
        )


def warnings_of(
    host: str,
    *,
    token: str | None,
    is_secure: bool,
    allowed_hosts: Sequence[str],
    login_users: Sequence[str] | None,
    has_pages: bool = True,
) -> list[str]:
    """A line for each thing that whoever starts the app should know; none where it stays on this
    machine.

    token: LAB_TOKEN. is_secure: whether it speaks TLS. login_users: None where nobody logs in.
    has_pages: whether the token is printed as part of an address.
    """
    if not is_exposed(host):
        return []
    place = "all addresses of this machine" if host in _EVERY_ADDRESS else host
    who = "the token of the address below, or one" if has_pages else "LAB_TOKEN, or a token"
    who += " of `lab token`"
    if login_users:
        who += f", or has logged in as one of {', '.join(login_users)}"
    lines = [f"the app listens on {place}: others can reach it; it lets in who has {who}"]
    if token is not None and len(token) < _GUESSABLE_CHARACTERS:
        lines.append(
            f"LAB_TOKEN has {len(token)} characters and can be guessed: take a long random one, "
            "such as `openssl rand -hex 32` gives"
        )
    if not is_secure:
        lines.append(
            "what it sends can be read on the way: put it behind a proxy with TLS"
            + (", or set server.sslCertFile" if has_pages else "")
        )
    if not set(map(str.lower, allowed_hosts)) - set(_LOOPBACK_NAMES):
        lines.append(
            "it answers to no name but localhost: add the name or address that others use to "
            "allowed_hosts in lab.toml, or LAB_ALLOWED_HOSTS"
        )
    return lines
