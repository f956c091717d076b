"""Who may use the page: hosts, origins, frames, and the token that is needed on other hosts than this machine."""

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hfal.errors import ArgumentError
from hfal.utils.spelling import shown


LOOPBACK = ("localhost", "127.0.0.1", "::1")

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Access:
    """The rules by which requests are let in.

    Attributes:
        hosts: The names in the header `Host` that are ours. A page elsewhere whose name is made to lead here (DNS
            rebinding) has another one.
        addresses: Whether any address in numbers is ours, too.
        embed: The origins whose pages may have ours in a frame.
        token: What a visitor has to know; `None` where only this machine can ask.
    """

    hosts: frozenset[str]
    addresses: bool = False
    embed: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)

    def is_our_host(self, host: str) -> bool:
        """Whether a header `Host` names this server, at whatever port: there may be a tunnel before it."""
        name = split_host(host)[0]
        return name in self.hosts or (self.addresses and _is_address(name))

    def is_our_origin(self, origin: str, host: str) -> bool:
        """Whether a header `Origin` is that of our page.

        Args:
            origin: The header.
            host: The header `Host` of the same request.
        """
        parts = _origin_parts(origin)
        if parts is None:
            return False
        scheme, name, port = parts
        asked, asked_port = split_host(host)
        if name == asked and (port or _PORTS[scheme]) == (asked_port or _PORTS[scheme]):
            return True
        return name in self.hosts and name not in LOOPBACK and not _is_address(name)  # a proxy may change Host

    def knows_token(self, given: str) -> bool:
        """Whether a visitor has given the token."""
        return self.token is None or hmac.compare_digest(self.token.encode(), given.encode("utf-8", "replace"))

    @property
    def frame_ancestors(self) -> str:
        """The origins whose pages may have ours in a frame, as a content security policy names them."""
        return " ".join(self.embed) or "'none'"


def make_access(host: str, allow_host: Iterable[str] = (), embed: Iterable[str] = ()) -> Access:
    """Make the rules for a server on a host.

    Args:
        host: The name or the address that it listens on.
        allow_host: Other names by which it is reached, such as that of a proxy.
        embed: The origins whose pages may have ours in a frame.

    Raises:
        ArgumentError: A name or an origin is none.
    """
    names = [_checked_name(name) for name in allow_host]
    origins = tuple(_checked_origin(origin) for origin in embed)
    own = host.strip("[]").casefold()
    is_local = own in LOOPBACK or (_is_address(own) and ipaddress.ip_address(own).is_loopback)
    hosts = {*LOOPBACK, own, *names}
    if not is_local:
        hosts.add(socket.gethostname().casefold())
    # Whoever comes by a proxy comes from elsewhere, too, though the server listens to this machine alone.
    token = None if is_local and not names else secrets.token_urlsafe(32)
    return Access(frozenset(hosts), not is_local, origins, token)


def split_host(host: str) -> tuple[str, int | None]:
    """Return the name of a header `Host`, without the brackets of IPv6, and the port, if it has one."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(?::(\d{1,5}))?", host.strip())
    if match is None:
        return "", None
    return match[1].strip("[]").casefold(), None if match[2] is None else int(match[2])


def name_to_visit(host: str) -> str:
    """Return by which name others reach a server that listens on a host: of all addresses, this machine's name."""
    name = host.strip("[]")
    return socket.gethostname() if _is_address(name) and ipaddress.ip_address(name).is_unspecified else name


def in_address(host: str) -> str:
    """Return a host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _origin_parts(origin: str) -> tuple[str, str, int | None] | None:
    """Return scheme, name and port of an origin; `None` if it is none of the web."""
    try:
        parts = urlsplit(origin)
        found = parts.scheme, (parts.hostname or "").casefold(), parts.port
    except ValueError:
        return None
    rest = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return None if rest or found[0] not in _PORTS or not found[1] else found


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name.casefold()) and not _is_address(name):
        raise ArgumentError(
            f"allow_host has {shown(name)}, expected the name of a host without scheme and port: label.example.org"
        )
    return name.casefold()


def _checked_origin(origin: str) -> str:
    parts = _origin_parts(origin.removesuffix("/"))
    if parts is None or not (_NAME.fullmatch(parts[1]) or _is_address(parts[1])):
        raise ArgumentError(f"embed has {shown(origin)}, expected an origin: https://example.org, or with a port")
    scheme, name, port = parts
    return f"{scheme}://{in_address(name)}{'' if port is None else f':{port}'}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: The name or address to listen on.
        port: The port; 0 for one that is free.

    Raises:
        ArgumentError: That cannot be; the message says why.
    """
    where = f"host={host!r}, port={port}"
    try:
        found: Sequence[tuple] = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)  # asyncio sets TCP_NODELAY where the protocol is named alone
    except (OSError, UnicodeError, OverflowError) as error:
        raise ArgumentError(f"{where} is no address to listen on ({error}): take 127.0.0.1, or 0.0.0.0") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise ArgumentError(
            f"{where} cannot be listened on ({error}): take another port, or 0 for one that is free"
        ) from error
    return listener
