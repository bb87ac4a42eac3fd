"""Where this program may connect to for somebody else: names, numbers, and what they lead to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lab.errors import SettingError, SourceError

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "rtsp": 554, "rtsps": 322}
# IPv6 addresses that hold one of IPv4, by the bits at which it begins.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")


# The setting of a source or a sink that a page writes for whom these rules hold.
PUBLIC_ONLY = "public_only"


class AddressError(SourceError, SettingError):
    """An address that the rules of this program do not let it connect to."""


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """What may be connected to.

    allows_private: whether that may be this machine, or one of its networks. allowed: hosts that
    may be so all the same: a name, `*.example.org` for all below it, an address or a network such
    as 192.168.1.0/24. A name that is not allowed must lead to public addresses alone.
    """

    allows_private: bool = True
    allowed: tuple[str, ...] = ()

    @classmethod
    def public(cls, allowed: Collection[str]) -> AddressRules:
        """Public addresses, and those that the settings allow."""
        return cls(allows_private=False, allowed=tuple(allowed))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> AddressRules:
        return cls(
            allows_private=bool(value["allows_private"]), allowed=tuple(map(str, value["allowed"]))
        )

    def to_dict(self) -> dict[str, Any]:
        return {"allows_private": self.allows_private, "allowed": list(self.allowed)}

    def check(self, url: str, *, schemes: Collection[str]) -> tuple[str, int]:
        """Host and port of an address that may be connected to now.

        Asks the name service, so it may take seconds. What a name leads to may change: whoever
        connects does so by `connect`. Raises AddressError, or SourceError for a name that leads
        nowhere; neither shows user or password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise AddressError("that is no address; give one such as https://host/path") from None
        if parts.scheme not in schemes:
            known = ", ".join(f"{one}://" for one in sorted(schemes))
            raise AddressError(f"an address must begin with {known}, got {parts.scheme!r:.40}")
        if not host:
            raise AddressError("an address must name a host")
        port = port if port is not None else _PORTS.get(parts.scheme, 0)
        self.addresses(host, port)
        return host, port

    def addresses(self, host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        """Family and socket address of all that a host leads to, each of which is allowed.

        Raises AddressError; SourceError for a name that leads nowhere.
        """
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise SourceError(f"there is no host {host!r:.80}; check the spelling") from None
        if not self.allows_private and not self._is_allowed_name(host):
            for *_, where in found:
                ip = _ip(str(where[0]))
                if not is_public(ip) and not self._is_allowed_network(ip):
                    raise AddressError(
                        f"{host!r:.80} is on this machine or in a private network, to which "
                        "addresses that come from elsewhere may not lead; whoever runs the app can "
                        "add it to allowed_addresses"
                    )
        return [(family, where) for family, *_, where in found]

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """A connection to what was checked, and not to what the name leads to a moment later.

        Raises AddressError or SourceError, OSError if nothing answers.
        """
        failure: OSError = ConnectionError("nothing answers")
        for family, where in self.addresses(host, port):
            made = socket.socket(family, socket.SOCK_STREAM)
            made.settimeout(timeout_s)
            try:
                made.connect(where)
            except OSError as error:
                made.close()
                failure = error
            else:
                return made
        raise failure

    def _is_allowed_name(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        return any(
            name.endswith(one[1:]) if one.startswith("*.") else name == one
            for one in map(str.lower, self.allowed)
        )

    def _is_allowed_network(self, ip: Ip) -> bool:
        for one in self.allowed:
            try:
                network = ipaddress.ip_network(one, strict=False)
            except ValueError:
                continue
            if _embedded(ip) in network or ip in network:
                return True
        return False


def is_public(ip: Ip) -> bool:
    """Whether anybody on the internet could reach it: no loopback, private, shared (CGNAT),
    link-local, multicast or reserved address, nor one of IPv6 that holds such a one of IPv4.
    """
    inner = _embedded(ip)
    if inner != ip:
        return is_public(inner)
    if ip.version == 6 and (ip in _SITE_LOCAL or ip in _NAT64_LOCAL):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _embedded(ip: Ip) -> Ip:
    """The IPv4 address that one of IPv6 leads to, by any of the ways to write it; else itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _ip(text: str) -> Ip:
    return ipaddress.ip_address(text.partition("%")[0])
