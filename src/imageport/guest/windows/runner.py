r"""The first-boot runner of Windows guests: a service and batch files with numbered steps.

Batch, not PowerShell: it works whatever the execution policy. The service's program is cmd.exe,
which starts the runner apart and ends, because the service control manager kills a service that
does not answer within 30 seconds and cmd.exe never answers.
"""

from __future__ import annotations

from typing import Final

SERVICE: Final = "imageport-first-boot"
FOLDER: Final = r"ProgramData\imageport\first-boot"
RUN: Final = rf"{FOLDER}\run.cmd"
STEPS: Final = rf"{FOLDER}\steps"
DRIVERS: Final = rf"{FOLDER}\drivers"
FILES: Final = rf"{FOLDER}\files"
"""Installers that steps run: `%files%` in their scripts."""
REPORT: Final = r"ProgramData\imageport\first-boot.report"
IMAGE_PATH: Final = (
    r"%SystemRoot%\System32\cmd.exe /d /c start "
    r'"imageport" /b %SystemRoot%\System32\cmd.exe /d /c '
    r"%SystemDrive%\ProgramData\imageport\first-boot\run.cmd"
)

_ASK: Final = (
    'for /f "delims=" %%v in (\'powershell -NoProfile -NonInteractive -Command '
    '"{expression}" 2^>nul\') do >> "%report%" echo fact {name} %%v'
)
_RUN_LINES: Final = (
    "@echo off",
    "rem Runs the numbered steps once, writes what happened into the report, removes itself and",
    "rem restarts. Written by imageport.",
    "setlocal EnableExtensions",
    "set PATH=%SystemRoot%\\System32;%SystemRoot%;%SystemRoot%\\System32\\WindowsPowerShell\\v1.0",
    'set "here=%SystemDrive%\\ProgramData\\imageport\\first-boot"',
    'set "report=%SystemDrive%\\ProgramData\\imageport\\first-boot.report"',
    "call :say started",
    'type nul > "%report%"',
    'for /f "tokens=2 delims=[]" %%v in (\'ver\') do for /f "tokens=2" %%w in ("%%v") do '
    '>> "%report%" echo fact kernel %%w',
    '>> "%report%" echo fact root %SystemDrive%',
    _ASK.format(
        name="boot-driver",
        expression="(Get-CimInstance Win32_SCSIController).DriverName -join ','",
    ),
    "call :address",
    '>> "%report%" echo fact address %address%',
    'for /f "delims=" %%s in (\'dir /b /on "%here%\\steps\\*.cmd" 2^>nul\') do call :step "%%s"',
    _ASK.format(
        name="uptime",
        expression="[int](New-TimeSpan "
        "(Get-CimInstance Win32_OperatingSystem).LastBootUpTime).TotalSeconds",
    ),
    f"sc delete {SERVICE} > nul",
    "call :say complete, restarting",
    # One line: cmd.exe has read all of it when it deletes the file that it stands in.
    'cd /d %SystemRoot% & rd /s /q "%here%" & (>> "%report%" echo complete) '
    "& shutdown /r /f /t 0 /d p:4:1 & exit",
    "",
    ":step",
    'set "file=%~n1"',
    "rem The number is two digits.",
    'set "number=%file:~0,2%"',
    'set "name=%file:~3%"',
    "call :say step %number% %name%",
    'cmd /d /c "%here%\\steps\\%~1" > "%here%\\step.log" 2>&1',
    'set "code=%errorlevel%"',
    '>> "%report%" echo step %number% %name% %code%',
    "exit /b 0",
    "",
    ":address",
    "set address=",
    "for /l %%i in (1,1,20) do (",
    "    if not defined address (",
    '        for /f "tokens=2 delims=:" %%a in (\'ipconfig ^| findstr /c:"IPv4"\') do (',
    '            if not defined address for /f "tokens=*" %%b in ("%%a") do set "address=%%b"',
    "        )",
    "        if not defined address ping -n 2 127.0.0.1 > nul",
    "    )",
    ")",
    "exit /b 0",
    "",
    ":say",
    "echo imageport first-boot: %* > \\\\.\\COM1 2>nul",
    "exit /b 0",
)
RUN_TEXT: Final = "\r\n".join((*_RUN_LINES, ""))


def step_path(number: int, name: str) -> str:
    """Where the step `number` lies; two digits, so that names sort as numbers do."""
    return rf"{STEPS}\{number:02d}-{name}.cmd"


def step_text(script: str) -> str:
    """A step's file: echo off, CRLF line ends."""
    lines = ("@echo off", *script.strip().splitlines(), "")
    return "\r\n".join(lines)
