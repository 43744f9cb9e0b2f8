"""What a user may ask of a guest beside its target, by Citrix's names where Citrix has one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Operation(StrEnum):
    """What a job does with an image. All but a migration write a child of it."""

    MIGRATE = "migrate"
    UPGRADE_PVS = "upgrade-pvs"

    @property
    def writes_child(self) -> bool:
        """Whether the output holds only what differs from the source."""
        return self is not Operation.MIGRATE


@dataclass(frozen=True, slots=True)
class XdParameter:
    """A switch of the VDA's reconfigure tool: Citrix's `ParameterName` and `ParameterValue`."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class GuestWishes:
    """Options of a preparation; none is on by itself."""

    install_misa: bool = False
    """`InstallMisa`: the Machine Identity Service Agent, where it is missing. Needs MCS."""
    force_misa: bool = False
    """`ForceMisa`: also where it is there."""
    install_mcsio: bool = False
    """`InstallMcsio`: MCS' storage optimisation, where it is missing. Needs MCS."""
    force_mcsio: bool = False
    install_pvs: str | None = None
    """`InstallPvs`: the version of the PVS target device to install."""
    pvs_downgrade: bool = False
    """Also where a newer one is there."""
    xd_reconfigure: tuple[XdParameter, ...] = ()
    """`XdReconfigure`."""
    domain_unjoin: bool = False
    """`DomainUnjoin`: the guest leaves its domain in its first boot."""
    unjoin_anyway: bool = False
    """The user knows that a domain controller may be reached, and what that does."""
    enable_rdp: bool = False
    """`EnableRdp`: also where the target has a console to log on at."""
    chkdsk: bool = False
    """`Chkdsk`: the system volume is checked in the first boot."""
    defrag: bool = False
    """`Defrag`: and defragmented."""
    temporary_disk: bool = False
    """Azure: the machines will have a temporary disk (D:), and their page file goes there."""
