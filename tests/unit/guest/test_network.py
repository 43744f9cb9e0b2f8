from __future__ import annotations

import pytest

from imageport.guest.linux.network import interfaces

NETPLAN = """\
network:
  version: 2
  renderer: networkd
  ethernets:
    ens192:
      dhcp4: no
      addresses: [10.1.2.3/24]  # static
      nameservers: {addresses: [10.0.0.1]}
    "eth1":
      dhcp4: true
  bonds:
    bond0:
      addresses: [10.9.9.9/24]
"""
NETWORKD = "[Match]\nName=ens*\n[Network]\nAddress=10.1.2.3/24\nAddress=10.1.2.4/24\nDNS=1.1.1.1\n"
KEYFILE = "[connection]\nid=a\ntype=ethernet\ninterface-name=ens3\n[ipv4]\nmethod=manual\n"
IFCFG = 'DEVICE="eth0"\nBOOTPROTO=none\nIPADDR=10.1.2.3\nPREFIX=24\n'
IFUPDOWN = (
    "auto lo ens192\niface lo inet loopback\niface ens192 inet static\n  address 10.1.2.3/24\n"
    "iface ens192 inet6 auto\nallow-hotplug eth1\niface eth1 inet dhcp\n# iface no inet dhcp\n"
)


@pytest.mark.parametrize(
    ("manager", "text", "expected"),
    [
        ("netplan", NETPLAN, [("ens192", "static", ("10.1.2.3/24",)), ("eth1", "dhcp", ())]),
        ("networkd", NETWORKD, [("ens*", "static", ("10.1.2.3/24", "10.1.2.4/24"))]),
        ("networkd", "[Match]\nType=ether\n[Network]\nDHCP=yes\n", [("*", "dhcp", ())]),
        ("networkd", "[Network\nbroken", []),
        ("networkmanager", KEYFILE + "address1=10.1.2.3/24,10.1.2.1\n",
         [("ens3", "static", ("10.1.2.3/24",))]),
        ("networkmanager", "[connection]\ntype=wifi\n", []),
        ("networkmanager", "[connection]\ntype=ethernet\n", [("*", "dhcp", ())]),
        ("ifcfg", IFCFG, [("eth0", "static", ("10.1.2.3",))]),
        ("ifcfg", "NAME=x\nBOOTPROTO=dhcp\n", [("x", "dhcp", ())]),
        ("wicked", "BOOTPROTO='static'\nIPADDR='10.1.2.3/24'\nNAME='A card'\n",
         [("x", "static", ("10.1.2.3/24",))]),
        ("wicked", "BOOTPROTO='dhcp'\n", [("x", "dhcp", ())]),
        ("ifupdown", IFUPDOWN, [
            ("ens192", "static", ("10.1.2.3/24",)), ("ens192", "other", ()), ("eth1", "dhcp", ()),
        ]),
    ],
)  # fmt: skip
def test_layouts(manager: str, text: str, expected: list[tuple[str, str, tuple[str, ...]]]) -> None:
    found = interfaces(manager, "/etc/ifcfg-x", text)
    assert [(each.name, each.method, each.addresses) for each in found] == expected
