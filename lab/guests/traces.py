"""What a machine that failed to start leaves behind, put into a guest's mounted volume."""

from __future__ import annotations

import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from lab.guests.event_log import LoggedEvent, event_log

SECRET: Final = "Hunter2-Hunter2"  # noqa: S105  # looked for in what is collected
HASH: Final = "$6$rounds=5000$saltsalt$" + "Ab1./" * 17
PRIVATE_KEY: Final = (
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{'QUJD' * 16}\n-----END OPENSSH PRIVATE KEY-----\n"
)
BUG_CHECK: Final = "0x0000007b (0xfffff880009a97e8, 0xffffffffc0000034, 0x0, 0x0)"
LONG_LOG: Final = 9 << 20
"""Bytes of a log that is too long to be taken whole."""
_BEGAN: Final = datetime(2026, 3, 1, 9, 0, 0, 250000, tzinfo=UTC)
_RECORD: Final = 1024
"""Bytes of a file's record, as mkntfs makes them."""
_LOGS: Final = "Windows/System32/winevt/Logs"
_TEMP: Final = "Users/Administrator/AppData/Local/Temp"
REPORT: Final = """\
fact kernel 10.0.20348
fact root C:
step 010 network 0
step 020 remove-vmware-tools 1603
"""


def system_events() -> list[LoggedEvent]:
    """Three starts, one bug check, an unexpected shutdown, and a service that never starts."""
    found: list[LoggedEvent] = []

    def log(level: int, provider: str, id: int, *data: tuple[str, str]) -> None:
        time = _BEGAN + timedelta(seconds=10 * len(found))
        found.append(LoggedEvent(time, level, provider, id, data))

    for start in range(3):
        log(4, "EventLog", 6005)
        for attempt in range(20):
            name = ("param1", "Spooler")
            log(2, "Service Control Manager", 7000, name, ("param2", f"%%{attempt}"))
        log(3, "Microsoft-Windows-Time-Service", 36, ("TimeDifference", "86400"))
        if start == 0:
            log(2, "BugCheck", 1001, ("param1", BUG_CHECK), ("param2", r"C:\Windows\MEMORY.DMP"))
            log(2, "EventLog", 6008, ("", "08:59:00"), ("", "01/03/2026"))
            log(1, "Microsoft-Windows-Kernel-Power", 41, ("BugcheckCode", "123"))
    return found


def fail_windows(root: Path) -> None:
    """Leave logs, dumps and secrets in the mounted volume of a Windows."""
    application = LoggedEvent(
        _BEGAN,
        2,
        "Application Error",
        1000,
        (("AppName", "BrokerAgent.exe"),),
        channel="Application",
    )
    typed = LoggedEvent(_BEGAN, 0, "Microsoft-Windows-Security-Auditing", 4688,
                        (("CommandLine", f"net user x {SECRET}"),), channel="Security")  # fmt: skip
    files: dict[str, bytes] = {
        f"{_LOGS}/System.evtx": event_log(system_events(), dirty=True),
        f"{_LOGS}/Application.evtx": event_log([application]),
        f"{_LOGS}/Setup.evtx": event_log([]),
        f"{_LOGS}/Security.evtx": event_log([typed]),
        f"{_LOGS}/Windows PowerShell.evtx": event_log([typed]),
        f"{_LOGS}/Microsoft-Windows-Broken%4Operational.evtx": b"ElfFile\0" + bytes(100_000),
        "Windows/Panther/setupact.log": _utf_16("Setup has begun.\r\n"),
        "Windows/Panther/unattend.xml": f"<Password><Value>{SECRET}</Value></Password>".encode(),
        "Windows/INF/setupapi.dev.log": b">>>  [Device Install]\r\n",
        "Windows/Logs/CBS/CBS.log": b"2026-03-01, Info, CBS, line\r\n" * (LONG_LOG // 29),
        "Windows/Minidump/030126-01.dmp": b"PAGEDU64" + bytes(300_000),
        "Windows/MEMORY.DMP": b"PAGEDU64" + bytes(6 << 20),
        f"{_TEMP}/Citrix/XenDesktop Installer/XenDesktop Installation.log": b"VDA: 1603\r\n",
        f"{_TEMP}/Citrix/XenDesktop Installer/MSI Log Files/IcaTS.log": _utf_16(
            f"Property(C): SVC_PASSWORD = {SECRET}\r\nReturn value 3.\r\n"
        ),
        "ProgramData/Citrix/Provisioning Services/Log/BNDevice.log": b"target device\r\n",
        "ProgramData/imageport/first-boot.report": REPORT.replace("\n", "\r\n").encode(),
        "ProgramData/imageport/first-boot.log": b"=== 020 remove-vmware-tools\r\nfailed\r\n",
        "ProgramData/imageport/first-boot/run.cmd": b"@echo off\r\n",
        "ProgramData/imageport/first-boot/steps/030-trim.cmd": f"rem {SECRET}\r\n".encode(),
        "Users/Administrator/.ssh/id_ed25519": PRIVATE_KEY.encode(),
    }
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _utf_16(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


def fail_linux(root: Path) -> None:
    """Leave a journal, logs and secrets in the mounted root of a Linux."""
    log = root / "var/log"
    journal = log / "journal" / ("c0" * 16)
    journal.mkdir(parents=True)
    write_journal(journal / "system.journal")
    (log / "installer/cdebconf").mkdir(parents=True)
    (log / "installer/syslog").write_text("installer: done\n")
    (log / "installer/autoinstall-user-data").write_text(f"password: {HASH}\n")
    (log / "installer/cdebconf/questions.dat").write_text(f"Value: {SECRET}\n")
    (log / "syslog").write_text(f"cloud: hash {HASH}\nkernel: EXT4-fs error\n")
    (log / "auth.log").write_text(f"sudo: {SECRET}\n")
    (log / "cloud-init.log").write_text(f"set password={SECRET} for x\n{PRIVATE_KEY}done\n")
    (log / "messages").symlink_to("/etc/shadow")
    (log / "boot.log").symlink_to("../../etc/shadow")
    (root / "etc/shadow").write_text(f"root:{HASH}:19000:0:99999:7:::\n")
    report = root / "var/lib/imageport/first-boot.report"
    report.parent.mkdir(parents=True)
    report.write_text("fact boots 1\nstep 10 network 1\n")


def write_journal(file: Path) -> None:
    """A journal of systemd's own making, of two boots and an error."""
    entries = [
        (0, "a" * 32, 6, "kernel", "Linux version 6.1.0"),
        (1, "a" * 32, 3, "kernel", "EXT4-fs error (device sda3): bad extent"),
        (2, "b" * 32, 6, "imageport", "first-boot: started"),
        (3, "b" * 32, 4, "agent", "login with password=changed"),
    ]
    micro = int(_BEGAN.timestamp()) * 1_000_000
    text = "\n".join(
        f"__REALTIME_TIMESTAMP={micro + second * 1_000_000}\n__MONOTONIC_TIMESTAMP={second + 1}\n"
        f"_BOOT_ID={boot}\n_MACHINE_ID={'c0' * 16}\n_HOSTNAME=master01\nPRIORITY={priority}\n"
        f"SYSLOG_IDENTIFIER={who}\nMESSAGE={message}\n"
        for second, boot, priority, who, message in entries
    )
    with tempfile.NamedTemporaryFile("w", suffix=".export") as exported:
        exported.write(f"{text}\n")
        exported.flush()
        program = "/lib/systemd/systemd-journal-remote"
        argv = [program, f"--output={file}", "--split-mode=none", exported.name]
        subprocess.run(argv, check=True, capture_output=True)


def damage_file(volume: Path, name: str) -> None:
    """Make the record of the one file of that name in an NTFS `volume` unreadable."""
    content = volume.read_bytes()
    wanted = name.encode("utf-16-le")
    place = content.find(wanted)
    while place >= 0:
        record = place // _RECORD * _RECORD
        if content[record : record + 4] == b"FILE":
            with volume.open("r+b") as file:
                file.seek(record)
                file.write(b"\xff" * _RECORD)
            return
        place = content.find(wanted, place + 1)
    raise ValueError(f"{volume} has no file {name}")
