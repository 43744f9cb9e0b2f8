"""Membership: the local security authority's database of a phony Windows, and what joining adds.

Values and their forms: [MS-LSAD] 2.2.4.5 and 2.2.4.14; a value lies in the default value of a key.
"""

from __future__ import annotations

import struct
from typing import Final

from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry_value import Value, ValueType
from lab.guests.registry_data import put
from lab.guests.windows_spec import State, WindowsMaster

DOMAIN: Final = "corp.example"
_NETBIOS: Final = "CORP"
_SID: Final = struct.pack("<BB", 1, 4) + (5).to_bytes(6, "big") + struct.pack(
    "<IIII", 21, 1004336348, 1177238915, 682003330
)  # fmt: skip
_TENANT: Final = "72f988bf-0000-4000-8000-2d7cd011db47"
_THUMBPRINT: Final = "6D2F6F0A1C3B5E4D7A8899AABBCCDDEEFF001122"


def fill_security(hive: Hive, master: WindowsMaster) -> None:
    """`SECURITY\\Policy`: who the machine trusts; in a workgroup there is a name and no SID."""
    policy = {
        "PolPrDmN": _unicode(_NETBIOS if master.joined else "WORKGROUP"),
        "PolPrDmS": _SID if master.joined else b"",
        "PolDnDDN": _unicode(DOMAIN) if master.joined else b"",
    }
    for name, data in policy.items():
        put(hive, f"Policy\\{name}", {"": Value("", ValueType.NONE, data)})
    if master.joined:
        put(hive, "Policy\\Secrets\\$MACHINE.ACC\\CurrVal", {"": bytes(64)})


def put_membership(hive: Hive, control_set: str) -> None:
    """What a domain's member has in SYSTEM."""
    services = f"{control_set}\\Services"
    put(hive, f"{services}\\Tcpip\\Parameters", {"Domain": DOMAIN, "NV Domain": DOMAIN})
    netlogon = {"Start": 2, "Type": 0x20, "ErrorControl": 1}
    image = {"ImagePath": r"%SystemRoot%\System32\lsass.exe"}
    put(hive, f"{services}\\Netlogon", {**netlogon, **image})


def put_entra(hive: Hive, control_set: str, master: WindowsMaster) -> None:
    """What `dsregcmd /join` leaves in SYSTEM."""
    if master.state is State.ENTRA_JOINED:
        join = f"{control_set}\\Control\\CloudDomainJoin\\JoinInfo\\{_THUMBPRINT}"
        put(hive, join, {"TenantId": _TENANT, "UserEmail": "admin@corp.example"})


def _unicode(text: str) -> bytes:
    encoded = text.encode("utf-16-le")
    return struct.pack("<HHI", len(encoded), len(encoded) + 2, 8) + encoded + bytes(2)
