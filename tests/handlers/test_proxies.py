"""Who called, with and without a proxy in between."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders

from handlers.proxies import TRUSTED_BY_DEFAULT, client_address, is_secure, networks, throttle_address


def _request(peer: str, protocol: str = "http", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(remote_ip=peer, protocol=protocol, headers=HTTPHeaders(named))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.1", "", "203.0.113.1"),
        ("203.0.113.1", "198.51.100.7", "203.0.113.1"),  # a stranger's claim
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # the client invented the first
        ("10.0.0.2", "198.51.100.7, 10.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "192.168.1.5", "192.168.1.5"),  # everybody at home
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", "198.51.100.7"),  # a Unix socket
    ],
)
def test_client_address(peer: str, forwarded: str, expected: str) -> None:
    request = _request(peer, X_Forwarded_For=forwarded)
    assert client_address(request, TRUSTED_BY_DEFAULT) == expected


def test_one_ipv6_customer_is_one_address() -> None:
    here = throttle_address(_request("2001:db8::1"), ())
    assert here == throttle_address(_request("2001:db8::ffff:1"), ())
    assert here != throttle_address(_request("2001:db8:0:1::1"), ())


def test_secure() -> None:
    assert is_secure(_request("203.0.113.1", "https"), ())
    assert is_secure(_request("127.0.0.1", X_Forwarded_Proto="https"), TRUSTED_BY_DEFAULT)
    assert is_secure(_request("127.0.0.1", X_Forwarded_Proto="http, https"), TRUSTED_BY_DEFAULT)
    assert not is_secure(_request("127.0.0.1", X_Forwarded_Proto="https, http"), TRUSTED_BY_DEFAULT)
    assert not is_secure(_request("203.0.113.1", X_Forwarded_Proto="https"), TRUSTED_BY_DEFAULT)
    assert not is_secure(_request("127.0.0.1"), networks(["127.0.0.0/8"]))
