"""What an inspection says of a Windows guest beyond its drivers: parts of `WindowsFacts`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class WindowsRelease:
    """What Windows says it is: `CurrentVersion` of its registry, in its own words."""

    product: str = "Windows"
    """`ProductName`, corrected: Windows 11 still calls itself Windows 10 there."""
    edition: str | None = None
    """`EditionID`: `ServerStandard`, `Enterprise`."""
    display_version: str | None = None
    """`DisplayVersion` (`24H2`), or the older `ReleaseId` (`1809`)."""
    build: int = 0
    update_revision: int | None = None
    """`UBR`: 1607 of build 20348.1607."""
    installation_type: str | None = None
    """`Client`, `Server` or `Server Core`."""


@dataclass(frozen=True, slots=True)
class BootEntry:
    """An entry of the boot store (BCD) that starts a Windows."""

    identity: str
    """The object's name, a GUID in braces."""
    description: str | None
    program: str | None
    default: bool
    from_vhd: bool = False
    """True when the Windows it starts lies in a VHD file ("native boot")."""


@dataclass(frozen=True, slots=True)
class DriverPackage:
    """A driver package of the driver database that did not come with Windows (`oem3.inf`)."""

    inf: str
    label: str
    """Its folder in the driver store."""
    provider: str | None


@dataclass(frozen=True, slots=True)
class GuestAgent:
    """A platform's agent, known by its service, its product or its files."""

    name: str
    vendor: str
    version: str | None
    start: int | None
    """The `Start` of its service; None when it has no service."""


class CitrixPart(StrEnum):
    """The parts of a Citrix installation that decide how machines are made from an image."""

    VDA = "vda"
    MISA = "misa"
    """Machine Identity Service Agent."""
    MCSIO = "mcsio"
    """Storage optimisation (write cache) of Machine Creation Services."""
    PVS_TARGET = "pvs-target-device"
    UPL = "upl"
    """User Personalization Layer."""


@dataclass(frozen=True, slots=True)
class CitrixComponent:
    """One of those parts as it is installed."""

    part: CitrixPart
    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class DomainMembership:
    """Active Directory and Entra membership."""

    joined: bool = False
    name: str | None = None
    """The domain's DNS name, else its NetBIOS name."""
    computer_account: str | None = None
    """`MASTER01$`."""
    entra_tenant: str | None = None
    """The tenant's id when the machine is joined to Entra ID (Azure AD)."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """An entry of `PagingFiles`; sizes in MiB, None or 0 where Windows chooses."""

    path: str
    initial: int | None
    maximum: int | None
    drive_here: bool
    """False when its drive is no volume of this disk."""


class SetupState(StrEnum):
    """How far Windows' own setup has come (`ImageState` and `SYSTEM\\Setup`)."""

    COMPLETE = "complete"
    GENERALIZED = "generalized"
    """By sysprep: the next start asks a person to set Windows up."""
    AUDIT = "audit"
    """Sysprep's audit mode."""
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class WindowsState:
    """The state that Windows was left in."""

    setup: SetupState = SetupState.COMPLETE
    pending_updates: tuple[str, ...] = ()
    """What says that updates are half installed: keys, values or files."""
    pending_restart: tuple[str, ...] = ()
    """What says that installations wait for a restart."""
    hibernation: bool = False
    """Hibernation is on (`HibernateEnabled`) and has its file."""
    fast_startup: bool = False
    """`HiberbootEnabled` besides: shutting down then leaves the disk hibernated."""
    compact_os: bool = False
    """Windows' own files are compressed by its overlay filter (WOF)."""
    portable: bool = False
    """Windows To Go (`PortableOperatingSystem`)."""


@dataclass(frozen=True, slots=True)
class DriverPolicy:
    """Group policy on the installation of devices (`DeviceInstall\\Restrictions`)."""

    only_listed: bool = False
    """`DenyUnspecified`: devices that no other setting names get no driver."""
    allowed_ids: tuple[str, ...] = ()
    allowed_classes: tuple[str, ...] = ()
    denied_ids: tuple[str, ...] = ()
    denied_classes: tuple[str, ...] = ()
    """Class GUIDs in braces."""
    administrators_exempt: bool = False
    """`AllowAdminInstall`."""


@dataclass(frozen=True, slots=True)
class ScriptPolicy:
    """What may run: PowerShell's policy and application control."""

    execution_policy: str | None = None
    """PowerShell's, of the machine: `RemoteSigned`, `AllSigned`."""
    by_group_policy: bool = False
    constrained: bool = False
    """`__PSLockdownPolicy`: scripts run in ConstrainedLanguage mode."""
    app_locker: tuple[str, ...] = ()
    """Rule collections that AppLocker enforces: `Exe`, `Script`, `Msi`, `Dll`, `Appx`."""
    code_integrity: bool = False
    """A code integrity policy of one's own (WDAC, App Control for Business)."""
