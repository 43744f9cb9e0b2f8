"""What each bad state leaves in a phony Windows: registry values, files, a boot entry's device."""

from __future__ import annotations

import os
import struct
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive
from imageport.guest.windows.overlay import WOF_TAG
from lab.guests.registry_data import Values, put
from lab.guests.windows_devices import Place
from lab.guests.windows_domain import put_entra
from lab.guests.windows_spec import State, WindowsMaster

_SET: Final = "ControlSet001"
_CONTROL: Final = rf"{_SET}\Control"
_MANAGER: Final = rf"{_CONTROL}\Session Manager"
_CURRENT: Final = r"Microsoft\Windows\CurrentVersion"
_SERVICING: Final = rf"{_CURRENT}\Component Based Servicing"
_POLICIES: Final = r"Policies\Microsoft\Windows"
_RESTRICTIONS: Final = rf"{_POLICIES}\DeviceInstall\Restrictions"
_SCSI: Final = "{4d36e97b-e325-11ce-bfc1-08002be10318}"
_OTHER_DISK: Final = b"DMIO:ID:" + uuid.UUID("d1b2f3c4-0001-4a5b-8c6d-7e8f90a1b2c3").bytes_le
_FINISH_UPDATES: Final = (
    r"C:\Windows\System32\poqexec.exe /noreset_to_sku \SystemRoot\WinSxS\pending.xml"
)
_MEMORY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Left:
    """Keys with their values, by hive; files by their path on the system volume."""

    system: dict[str, Values] = field(default_factory=dict)
    software: dict[str, Values] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


_STATES: Final = {
    State.HIBERNATED: Left(files={"hiberfil.sys": b"HIBR".ljust(_MEMORY, b"\0")}),
    State.FAST_STARTUP: Left(files={"hiberfil.sys": bytes(_MEMORY)}),
    State.PENDING_RESTART: Left(
        {_MANAGER: {"PendingFileRenameOperations": [r"\??\C:\Windows\Temp\old.dll"]}},
        {rf"{_CURRENT}\WindowsUpdate\Auto Update\RebootRequired": {}},
    ),
    State.PENDING_UPDATES: Left(
        {
            _MANAGER: {"SetupExecute": [_FINISH_UPDATES]},
            rf"{_SET}\Services\TrustedInstaller": {"Start": 2},
        },
        {rf"{_SERVICING}\RebootPending": {}, rf"{_SERVICING}\PackagesPending": {}},
        {"Windows/WinSxS/pending.xml": b'<?xml version="1.0"?><PendingTransaction/>\r\n'},
    ),
    State.DRIVERS_FORBIDDEN: Left(software={_RESTRICTIONS: {"DenyUnspecified": 1}}),
    State.DRIVERS_DENIED: Left(
        software={
            _RESTRICTIONS: {"DenyDeviceClasses": 1, "DenyDeviceIDs": 1},
            rf"{_RESTRICTIONS}\DenyDeviceClasses": {"1": _SCSI},
            rf"{_RESTRICTIONS}\DenyDeviceIDs": {"1": r"PCI\VEN_15AD&DEV_0740"},
        }
    ),
    State.SIGNED_SCRIPTS: Left(
        software={rf"{_POLICIES}\PowerShell": {"EnableScripts": 1, "ExecutionPolicy": "AllSigned"}}
    ),
    State.CONSTRAINED_LANGUAGE: Left({rf"{_MANAGER}\Environment": {"__PSLockdownPolicy": "4"}}),
    State.APPLICATION_CONTROL: Left(
        software={
            rf"{_POLICIES}\SrpV2\Script": {"EnforcementMode": 1},
            rf"{_POLICIES}\SrpV2\Script\06dce67b-934c-454f-a263-2515c8796a5d": {"Value": "<Rule/>"},
        },
        files={"Windows/System32/CodeIntegrity/SiPolicy.p7b": b"a policy"},
    ),
    State.OLD_VERSION: Left(
        software={
            r"Microsoft\Windows NT\CurrentVersion": {
                "ProductName": "Windows Server 2012 R2 Standard",
                "CurrentBuild": "9600",
                "CurrentBuildNumber": "9600",
                "DisplayVersion": "",
            }
        }
    ),
    State.SETUP_RUNNING: Left(
        {"Setup": {"SystemSetupInProgress": 1, "SetupType": 2, "CmdLine": r"oobe\windeploy.exe"}},
        {rf"{_CURRENT}\Setup\State": {"ImageState": "IMAGE_STATE_UNDEPLOYABLE"}},
    ),
    State.GENERALIZED: Left(
        {
            "Setup": {"SystemSetupInProgress": 1, "OOBEInProgress": 1, "SetupType": 2},
            r"Setup\Status\SysprepStatus": {"GeneralizationState": 3, "CleanupState": 2},
        },
        {rf"{_CURRENT}\Setup\State": {"ImageState": "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"}},
    ),
    State.AUDIT_MODE: Left(
        {r"Setup\Status": {"AuditBoot": 1}},
        {rf"{_CURRENT}\Setup\State": {"ImageState": "IMAGE_STATE_SPECIALIZE_RESEAL_TO_AUDIT"}},
    ),
    State.PAGE_FILE_ELSEWHERE: Left(
        {
            rf"{_MANAGER}\Memory Management": {"PagingFiles": [r"E:\pagefile.sys 4096 8192"]},
            "MountedDevices": {r"\DosDevices\E:": _OTHER_DISK},
        }
    ),
    State.WINDOWS_TO_GO: Left({_CONTROL: {"PortableOperatingSystem": 1}}),
}
_COMPRESSED: Final = ("System32/ntoskrnl.exe", "System32/cmd.exe", "explorer.exe")


def leave_registry(hive: Hive, name: str, master: WindowsMaster) -> None:
    """Set what the master's state has left in the hive `name` (SYSTEM or SOFTWARE)."""
    left = _STATES.get(master.state, Left())
    for path, values in (left.system if name == "SYSTEM" else left.software).items():
        put(hive, path, values)
    if name == "SYSTEM":
        put_entra(hive, _SET, master)


def leave_files(root: Path, master: WindowsMaster) -> None:
    """Write the files of the master's state into the system volume mounted at `root`."""
    for path, content in _STATES.get(master.state, Left()).files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    if master.state is State.COMPACT_OS:
        for path in _COMPRESSED:
            _compress(root / "Windows" / path)


def _compress(place: Path) -> None:
    """Make it a file of the overlay filter ([MS-FSCC] 2.1.2.1; WOF_EXTERNAL_INFO, provider "file",
    algorithm XPRESS4K). On another file system than NTFS, what ntfs-3g would show of it."""
    reparse = struct.pack("<IHHIIII", WOF_TAG, 16, 0, 1, 2, 1, 0)
    try:
        os.setxattr(place, "system.ntfs_reparse_data", reparse)
    except OSError:
        place.unlink()
        place.symlink_to(f"unsupported reparse tag 0x{WOF_TAG:08x}")


def boot_device(master: WindowsMaster, windows: Place | None) -> bytes:
    """The boot entry's device element: Windows' partition (of no disk, without one), or a file
    (type 0 with a path), here a VHD that holds the Windows."""
    if master.state is State.VHD_BOOT:
        content = "\\Images\\Windows.vhdx\0".encode("utf-16-le")
        return bytes(16) + struct.pack("<IIII", 0, 0, 16 + len(content), 0) + content
    return (windows or Place(bytes(40), b"")).element
