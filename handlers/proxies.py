"""Who really called, when a reverse proxy stands in between.

Owns the reading of X-Forwarded-For, X-Forwarded-Proto and X-Request-ID, which count only when the
peer is a trusted proxy (by default: loopback and private addresses, where a proxy normally lives).
The HTTP server must be made with `xheaders=False`, so that `request.remote_ip` is the peer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tornado.httputil import HTTPServerRequest

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
Networks = tuple[IPv4Network | IPv6Network, ...]


def networks(names: Iterable[str]) -> Networks:
    """Parse a setting such as ``127.0.0.0/8, 10.0.0.0/8``. Raises `ValueError`."""
    return tuple(ip_network(name.strip()) for name in names if name.strip())


TRUSTED_BY_DEFAULT = networks(
    ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
)


def is_trusted(address: str, trusted: Networks) -> bool:
    """A peer without an address (a Unix socket) is local, hence trusted."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in trusted)


def is_secure(request: HTTPServerRequest, trusted: Networks) -> bool:
    """Whether the browser speaks https, to this process or to a trusted proxy."""
    if request.protocol == "https":
        return True
    if not is_trusted(request.remote_ip or "", trusted):
        return False
    forwarded = request.headers.get("X-Forwarded-Proto", "")
    return forwarded.split(",")[-1].strip().lower() == "https"


def client_address(request: HTTPServerRequest, trusted: Networks) -> str:
    """The nearest address that is not a trusted proxy's, reading the chain from our end."""
    peer = request.remote_ip or ""
    if not is_trusted(peer, trusted):
        return peer
    address = peer
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        hop = hop.strip()
        try:
            ip_address(hop)
        except ValueError:
            break
        address = hop
        if not is_trusted(hop, trusted):
            break
    return address


def request_id(request: HTTPServerRequest, trusted: Networks) -> str:
    """The id that a trusted proxy gave the request, if it is well-formed; else a new one."""
    given = request.headers.get("X-Request-ID", "")
    if _REQUEST_ID.fullmatch(given) and is_trusted(request.remote_ip or "", trusted):
        return given
    return secrets.token_hex(8)


def throttle_address(request: HTTPServerRequest, trusted: Networks) -> str:
    """What a throttle counts by: an IPv4 address, or the /64 that one IPv6 customer has."""
    address = client_address(request, trusted)
    try:
        parsed = ip_address(address)
    except ValueError:
        return "local"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
