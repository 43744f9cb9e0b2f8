r"""Network: the interfaces' addresses, and the domain that the machine is a member of."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from imageport.guest.guest import Guest
from imageport.guest.windows.hive import Key
from imageport.guest.windows.places import CONTROL, HOSTS, ROUTES, TCPIP
from imageport.guest.windows.registry import Registry
from imageport.model.guest_facts import TcpInterface
from imageport.model.windows_facts import DomainMembership

_STATIC: Final = ("IPAddress", "SubnetMask", "DefaultGateway", "DefaultGatewayMetric", "NameServer")
_POLICY: Final = r"SECURITY\Policy"
"""The local security authority's database; a value of it is the default value of a key."""
_DOMAIN_SID: Final = "PolPrDmS"
"""The primary domain's SID, empty in a workgroup ([MS-LSAD] 2.2.4.5, PolicyPrimaryDomain)."""
_DOMAIN_NAME: Final = "PolPrDmN"
"""Its NetBIOS name, or the workgroup's."""
_DNS_NAME: Final = "PolDnDDN"
"""Its DNS name ([MS-LSAD] 2.2.4.14, PolicyDnsDomain)."""
_SHORTEST_SID: Final = 12
_JOIN_INFO: Final = rf"{CONTROL}\CloudDomainJoin\JoinInfo"
"""What `dsregcmd /join` leaves: a key for each tenant, with `TenantId`."""


def interfaces(registry: Registry) -> Iterator[TcpInterface]:
    """Those that Tcpip has parameters for, also of adapters that are gone."""
    for key in registry.subkeys(rf"{TCPIP}\Interfaces"):
        left = tuple(name for name in _STATIC if key.value(name) is not None)
        addresses = tuple(a for a in key.strings("IPAddress") or () if a != "0.0.0.0")  # noqa: S104
        dhcp = key.number("EnableDHCP") != 0
        yield TcpInterface(key.name, dhcp, () if dhcp else addresses, left)


def routes(registry: Registry) -> tuple[str, ...]:
    """Persistent routes: a value each, its name is the route ("route print", Microsoft)."""
    key = registry.key(ROUTES)
    return tuple(value.name for value in key.values()) if key else ()


def hosts(guest: Guest) -> str:
    """The text of the hosts file; empty without one."""
    place = guest.find(HOSTS)
    return place.read_bytes().decode("latin-1") if place else ""


def host_name(registry: Registry) -> str | None:
    """As Tcpip has it: in full length and in the case in which it was given."""
    parameters = registry.key(TCPIP)
    return parameters.text("Hostname") if parameters else None


def domain(registry: Registry) -> DomainMembership:
    """Membership by the machine's own security policy: a DNS suffix alone makes no member."""
    sid = _policy(registry, _DOMAIN_SID)
    joined = len(sid) >= _SHORTEST_SID and sid[0] == 1
    name = _unicode(_policy(registry, _DNS_NAME)) or _unicode(_policy(registry, _DOMAIN_NAME))
    account = registry.key(rf"{CONTROL}\ComputerName\ComputerName")
    computer = (account.text("ComputerName") if account else None) or host_name(registry)
    return DomainMembership(
        joined=joined,
        name=name if joined else None,
        computer_account=f"{computer}$" if joined and computer else None,
        entra_tenant=next(_tenants(registry), None),
    )


def _tenants(registry: Registry) -> Iterator[str]:
    for join in registry.subkeys(_JOIN_INFO):
        tenant = join.text("TenantId")
        if tenant:
            yield tenant


def _policy(registry: Registry, name: str) -> bytes:
    key: Key | None = registry.key(rf"{_POLICY}\{name}")
    value = key.value("") if key else None
    return value.data if value else b""


def _unicode(stored: bytes) -> str:
    """A string as that database keeps it: length, size (16 bits each), offset (32), then UTF-16."""
    if len(stored) < 8:
        return ""
    length, _, offset = struct.unpack_from("<HHI", stored)
    return stored[offset : offset + length].decode("utf-16-le", errors="replace").strip("\0")
