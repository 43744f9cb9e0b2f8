"""How a Linux guest configures its network: the layouts of ifupdown, netplan, systemd-networkd,
NetworkManager, wicked and ifcfg, read as far as a migration needs (interface, DHCP or static,
addresses).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator
from typing import Final

from imageport.model.guest_facts import LinuxInterface

PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "netplan": ("etc/netplan/*.yaml", "etc/netplan/*.yml"),
    "networkmanager": ("etc/NetworkManager/system-connections/*",),
    "networkd": ("etc/systemd/network/*.network",),
    "ifupdown": ("etc/network/interfaces", "etc/network/interfaces.d/*"),
    "wicked": ("etc/sysconfig/network/ifcfg-*",),
    "ifcfg": ("etc/sysconfig/network-scripts/ifcfg-*",),
}
"""Where each manager keeps its configuration, most deciding manager first."""


def interfaces(manager: str, source: str, text: str) -> tuple[LinuxInterface, ...]:
    """The interfaces that the configuration file `source` of `manager` sets up, but loopback."""
    found = (
        LinuxInterface(
            name or source.rpartition("ifcfg-")[2], manager, method, tuple(addresses), source
        )
        for name, method, addresses in _PARSERS[manager](text)
    )
    return tuple(each for each in found if each.name != "lo")


_Found = Iterator[tuple[str, str, list[str]]]


def _ifupdown(text: str) -> _Found:
    name, method = "", ""
    addresses: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "iface" and len(words) >= 4:
            if name:
                yield name, method, addresses
            name, addresses = words[1], []
            method = words[3] if words[3] in ("dhcp", "static") else "other"
        elif words[0] == "address" and name:
            addresses.append(words[1])
        elif words[0] in ("auto", "source", "mapping") or words[0].startswith("allow-"):
            if name:
                yield name, method, addresses
            name = ""
    if name:
        yield name, method, addresses


def _netplan(text: str) -> _Found:
    """YAML as netplan is written: two levels below `ethernets:`, by indentation."""
    section, name, depth = None, "", 0
    body: list[str] = []
    for line in text.splitlines():
        bare = line.split("#", 1)[0].rstrip()
        if not bare.strip():
            continue
        indent = len(bare) - len(bare.lstrip())
        if section is not None and indent <= section:
            section = None
        if bare.strip() == "ethernets:":
            section, depth = indent, 0
        elif section is not None:
            depth = depth or indent
            if indent == depth:
                if name:
                    yield _netplan_one(name, body)
                name, body = bare.strip().split(":")[0].strip("\"'"), []
            else:
                body.append(bare.strip())
    if name:
        yield _netplan_one(name, body)


def _netplan_one(name: str, body: list[str]) -> tuple[str, str, list[str]]:
    text = "\n".join(body)
    addresses = re.findall(r"\d+\.\d+\.\d+\.\d+/\d+", text)
    dhcp = re.search(r"^dhcp4:\s*(true|yes|on)", text, re.MULTILINE | re.IGNORECASE)
    return name, "dhcp" if dhcp else "static" if addresses else "other", addresses


def _ini(text: str) -> configparser.ConfigParser | None:
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, allow_no_value=True, delimiters=("=",)
    )
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return parser


def _networkd(text: str) -> _Found:
    parsed = _ini(text)
    if parsed is None:
        return
    name = parsed.get("Match", "Name", fallback=None) or parsed.get(
        "Match", "MACAddress", fallback="*"
    )
    dhcp = (parsed.get("Network", "DHCP", fallback="") or "").lower() in ("yes", "true", "ipv4")
    # A repeated Address= keeps only its last value in the parser: read them from the text.
    addresses = re.findall(r"^\s*Address\s*=\s*(\S+)", text, re.MULTILINE)
    yield name or "*", "dhcp" if dhcp else "static" if addresses else "other", addresses


def _networkmanager(text: str) -> _Found:
    parsed = _ini(text)
    if parsed is None or parsed.get("connection", "type", fallback="") not in (
        "ethernet",
        "802-3-ethernet",
    ):
        return
    method = parsed.get("ipv4", "method", fallback="auto") or "auto"
    addresses = re.findall(r"^address\d*\s*=\s*([^,\s]+)", text, re.MULTILINE)
    name = parsed.get("connection", "interface-name", fallback=None) or "*"
    yield name, {"auto": "dhcp", "manual": "static"}.get(method, "other"), addresses


def _ifcfg(text: str) -> _Found:
    values = dict(re.findall(r"^\s*(\w+)=[\"']?([^\"'\n]*)", text, re.MULTILINE))
    name = values.get("DEVICE") or values.get("NAME") or "*"
    protocol = values.get("BOOTPROTO", "none").lower()
    addresses = [v for k, v in values.items() if k.startswith("IPADDR")]
    method = "dhcp" if "dhcp" in protocol else "static" if addresses else "other"
    yield name, method, addresses


def _wicked(text: str) -> _Found:
    """SUSE's NAME is a description: the interface's own name is the file's."""
    for _, method, addresses in _ifcfg(text):
        yield "", method, addresses


_PARSERS: Final[dict[str, Callable[[str], _Found]]] = {
    "ifupdown": _ifupdown,
    "netplan": _netplan,
    "networkd": _networkd,
    "networkmanager": _networkmanager,
    "wicked": _wicked,
    "ifcfg": _ifcfg,
}
