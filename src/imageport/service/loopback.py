"""Addresses that nobody listens to on their way."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is this computer itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
