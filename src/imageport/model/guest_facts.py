"""Facts that an inspection gathers so that a plan needs no second look at the disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from imageport.model.windows_facts import (
    BootEntry,
    CitrixComponent,
    CitrixPart,
    DomainMembership,
    DriverPackage,
    DriverPolicy,
    GuestAgent,
    PageFile,
    ScriptPolicy,
    WindowsRelease,
    WindowsState,
)


@dataclass(frozen=True, slots=True)
class EspFile:
    """A boot loader on the EFI system partition; `checksum` is a CRC-32 as eight hex digits."""

    path: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class WindowsService:
    """A driver or service of the current control set, as far as fix-ups care for it."""

    name: str
    start: int | None
    kind: int | None
    """The registry's `Type`: 1 kernel driver, 0x10 own process, 0x20 shared process."""
    image: str | None
    image_exists: bool
    start_override: bool
    """True when a subkey `StartOverride` can defeat `Start`."""
    saved_start: int | None = None
    """What `Start` was before an earlier preparation disabled the service."""


@dataclass(frozen=True, slots=True)
class DeviceDriver:
    r"""A match in the driver database: `PCI\VEN_1AF4&DEV_1004` -> `oem3.inf` -> `vioscsi`."""

    hardware_id: str
    inf: str
    service: str


@dataclass(frozen=True, slots=True)
class ClassFilter:
    """A device class's list of filter drivers; `value` is `UpperFilters` or `LowerFilters`."""

    device_class: str
    value: str
    drivers: tuple[str, ...]
    saved: tuple[str, ...] = ()
    """What the list was before an earlier preparation took drivers out of it."""


@dataclass(frozen=True, slots=True)
class InstalledProduct:
    """One entry of Windows' list of installed programs."""

    name: str
    version: str | None
    publisher: str | None
    key: str
    """The entry's key name; the product code in braces when Windows Installer installed it."""
    uninstall: str | None


@dataclass(frozen=True, slots=True)
class TcpInterface:
    """A network interface of Tcpip's parameters; `addresses` is empty with DHCP."""

    guid: str
    dhcp: bool
    addresses: tuple[str, ...]
    left_overs: tuple[str, ...] = ()
    """Names of the static values that are there."""


@dataclass(frozen=True, slots=True)
class WindowsFacts:
    """What fix-ups must know of a Windows installation."""

    folder: str
    control_set: str
    build: int
    server: bool
    services: tuple[WindowsService, ...]
    device_drivers: tuple[DeviceDriver, ...]
    class_filters: tuple[ClassFilter, ...]
    installed: tuple[InstalledProduct, ...]
    interfaces: tuple[TcpInterface, ...]
    boot_loaders: tuple[str, ...]
    """Objects of the boot store (BCD) that load Windows; empty without a boot store."""
    registry: dict[str, str] = field(default_factory=dict)
    r"""Values that fix-ups watch, as text: `SYSTEM\CurrentControlSet\...\Name` -> `dword:1`."""
    release: WindowsRelease = field(default_factory=WindowsRelease)
    boot_entries: tuple[BootEntry, ...] = ()
    boot_start: tuple[str, ...] = ()
    """Every driver that is loaded before the system volume is there (`Start` 0)."""
    driver_packages: tuple[DriverPackage, ...] = ()
    agents: tuple[GuestAgent, ...] = ()
    citrix: tuple[CitrixComponent, ...] = ()
    controllers: tuple[str, ...] = ()
    """The VDA's `ListOfDDCs`."""
    antivirus: tuple[str, ...] = ()
    """Products, other than Windows' own."""
    domain: DomainMembership = field(default_factory=DomainMembership)
    page_files: tuple[PageFile, ...] = ()
    state: WindowsState = field(default_factory=WindowsState)
    driver_policy: DriverPolicy = field(default_factory=DriverPolicy)
    script_policy: ScriptPolicy = field(default_factory=ScriptPolicy)
    drive: str = "C:"
    """The letter of the system volume."""
    routes: tuple[str, ...] = ()
    """Persistent routes as the registry names them: `10.0.0.0,255.0.0.0,10.1.1.1,1`."""
    hosts: str = ""
    """The text of `drivers\\etc\\hosts`, a character for each byte (Latin-1)."""

    def service(self, name: str) -> WindowsService | None:
        """The service `name`, in any case; None when it is not installed (or not watched)."""
        wanted = name.casefold()
        return next((each for each in self.services if each.name.casefold() == wanted), None)

    def component(self, part: CitrixPart) -> CitrixComponent | None:
        """The part of Citrix's software; None when it is not installed."""
        return next((each for each in self.citrix if each.part is part), None)


@dataclass(frozen=True, slots=True)
class LinuxKernel:
    """One installed kernel. Module names have `_` for `-`."""

    version: str
    modules: tuple[str, ...]
    """Of the modules that targets need: those that are there as files."""
    builtin: tuple[str, ...]
    """Of the modules that targets need: those that are built in."""
    initramfs: str | None
    """Its path in the guest; None when there is none or it cannot be read."""
    initramfs_modules: tuple[str, ...]
    """Of the modules that targets need: those that the initramfs holds."""
    compression: str | None = None
    """`zstd`, `gzip`, `xz`, `lz4`, ..., or None without an initramfs."""


@dataclass(frozen=True, slots=True)
class LinuxInterface:
    """A network interface as the guest's own configuration has it."""

    name: str
    manager: str
    """`ifupdown`, `networkd`, `netplan`, `networkmanager`, `wicked` or `ifcfg`."""
    method: str
    """`dhcp`, `static` or `other`."""
    addresses: tuple[str, ...]
    source: str
    """The configuration file."""


@dataclass(frozen=True, slots=True)
class LinuxFacts:
    """What fix-ups must know of a Linux installation."""

    distribution: str
    like: tuple[str, ...]
    """The distribution's id and those it says it is like: `("ubuntu", "debian")`."""
    kernels: tuple[LinuxKernel, ...]
    initramfs_tool: str | None
    """`initramfs-tools`, `dracut`, `mkinitcpio` or None."""
    network_manager: str | None
    """Which of the network managers brings up the guest's interfaces."""
    interfaces: tuple[LinuxInterface, ...]
    packages: tuple[str, ...]
    """Those installed that fix-ups care for."""
    devices: dict[str, str] = field(default_factory=dict)
    """Kernel names of this disk's partitions' numbers: `3` -> `UUID=...`."""
    files: dict[str, str] = field(default_factory=dict)
    """Text of the boot and network files that fix-ups edit, by path in the guest."""
    paths: tuple[str, ...] = ()
    """Of the paths that fix-ups create or remove: those that exist."""
    boot_loader: str | None = None
    """`grub`, `grub-bls` (its menu entries are files) or `systemd-boot`."""
    package_manager: str | None = None
    """`dpkg` or `rpm`."""
    selinux: str | None = None
    """`enforcing`, `permissive`, `disabled`, or None without SELinux."""
