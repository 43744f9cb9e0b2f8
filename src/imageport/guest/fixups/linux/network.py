"""The network: DHCP on whatever interface the target shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux.edits import RemovePath, WriteText
from imageport.model.guest import OsFamily
from imageport.model.guest_facts import LinuxFacts

_RULES = (
    "/etc/udev/rules.d/70-persistent-net.rules",
    "/etc/udev/rules.d/75-persistent-net-generator.rules",
    "/etc/udev/rules.d/75-cloud-ifupdown.rules",
)
_LINKS = "/etc/systemd/network/*.link"
"""systemd.link(5): names and settings of interfaces, often chosen by MAC address."""
_ROUTES = (
    "/etc/sysconfig/network/routes",
    "/etc/sysconfig/network/ifroute-*",
    "/etc/sysconfig/network-scripts/route-*",
    "/etc/sysconfig/network-scripts/route6-*",
)
"""Routes of the source's network, which DHCP's would stand behind."""
_GLOBAL = "/etc/sysconfig/network"
_NETPLANS = "/etc/netplan/*.yaml"
_INTERFACES = "/etc/network/interfaces"
_IFUPDOWN = """\
# Written by imageport: one interface, whatever drives it, by DHCP.
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

allow-hotplug eth0
iface eth0 inet dhcp
"""
_NETPLAN = """\
# Written by imageport: any Ethernet interface, by DHCP.
network:
  version: 2
{renderer}  ethernets:
    imageport:
      match:
        name: "e*"
      dhcp4: true
      dhcp6: true
"""
_NETWORKD = """\
# Written by imageport: any Ethernet interface, by DHCP.
[Match]
Type=ether
Kind=!*

[Network]
DHCP=yes
"""
_NETWORKMANAGER = """\
[connection]
id=imageport
type=ethernet
autoconnect=true
multi-connect=3

[ipv4]
method=auto

[ipv6]
method=auto
"""
_IFCFG = """\
DEVICE=eth0
TYPE=Ethernet
ONBOOT=yes
BOOTPROTO=dhcp
"""
_WICKED = """\
BOOTPROTO='dhcp'
STARTMODE='auto'
"""
_WRITTEN = {
    "ifupdown": (_INTERFACES, _IFUPDOWN, 0o644),
    "netplan": ("/etc/netplan/90-imageport.yaml", _NETPLAN, 0o600),
    "networkd": ("/etc/systemd/network/05-imageport.network", _NETWORKD, 0o644),
    "networkmanager": (
        "/etc/NetworkManager/system-connections/imageport.nmconnection",
        _NETWORKMANAGER,
        0o600,
    ),
    "wicked": ("/etc/sysconfig/network/ifcfg-eth0", _WICKED, 0o644),
    "ifcfg": ("/etc/sysconfig/network-scripts/ifcfg-eth0", _IFCFG, 0o644),
}


class Network(FixUp):
    """Drops what binds to the source's interface names, addresses and MACs."""

    name = "network"
    family = OsFamily.LINUX
    order = 30
    watches = (
        *(*_RULES, _LINKS, *_ROUTES, _GLOBAL, _NETPLANS),
        *(path for path, _, _ in _WRITTEN.values()),
    )

    def applies(self, task: Task) -> bool:
        """Only where a known manager brings up the network."""
        return task.linux.network_manager in _WRITTEN

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """One file of ours; the manager's other files of interfaces go."""
        facts = task.linux
        manager = facts.network_manager or ""
        path, text, mode = _WRITTEN[manager]
        edits = list(_bound_to_the_source(facts))
        old = [each for each in facts.interfaces if each.manager == manager and each.source != path]
        for source in dict.fromkeys(each.source for each in old):
            named = "; ".join(f"{e.name} {e.method}" for e in old if e.source == source)
            edits.append(RemovePath(source, f"configuration of the source's network ({named})"))
        if manager == "netplan":
            text = text.format(renderer=_renderer(task))
        edits.append(WriteText(path, text, "DHCP on any interface", mode))
        return tuple(edits)


def _bound_to_the_source(facts: LinuxFacts) -> Iterator[Edit]:
    """What chooses interfaces by their MAC addresses, or knows the source's gateways."""
    for path in facts.paths:
        by_mac = fnmatch(path, _LINKS) and "MACAddress" in facts.files.get(path, "")
        if path in _RULES or by_mac:
            yield RemovePath(path, "interface names by MAC address")
        elif any(fnmatch(path, pattern) for pattern in _ROUTES):
            yield RemovePath(path, "routes of the source's network")
    text = facts.files.get(_GLOBAL, "")
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith("GATEWAY")]
    if "".join(kept) != text:
        yield WriteText(_GLOBAL, "".join(kept), "gateway of the source's network", None)


def _renderer(task: Task) -> str:
    """netplan's renderer stays what the guest had: only that one's service is enabled."""
    texts = "\n".join(task.linux.files.values())
    found = re.search(r"^\s+renderer:\s*(\S+)\s*$", texts, re.MULTILINE)
    return f"  renderer: {found[1]}\n" if found else ""
