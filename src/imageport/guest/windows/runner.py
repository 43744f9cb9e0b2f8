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
LOG: Final = r"ProgramData\imageport\first-boot.log"
"""What the steps wrote, each below a line `=== <number> <name>`."""
IMAGE_PATH: Final = (
    r"%SystemRoot%\System32\cmd.exe /d /c start "
    r'"imageport" /b %SystemRoot%\System32\cmd.exe /d /c '
    r"%SystemDrive%\ProgramData\imageport\first-boot\run.cmd"
)

RESTART: Final = 3010
"""Exit code of a step that is done and needs a restart before the next one (Windows' own
ERROR_SUCCESS_REBOOT_REQUIRED)."""
CUT_OFF: Final = 1067
"""What is reported of a step in which the machine stopped (ERROR_PROCESS_ABORTED)."""

_ASK: Final = (
    'for /f "delims=" %%v in (\'powershell -NoProfile -NonInteractive -Command '
    '"{expression}" 2^>nul\') do >> "%report%" echo fact {name} %%v'
)
"""A command is no script: no execution policy stops it, and what is asked works in
ConstrainedLanguage mode. Where nothing may run, the fact is left out."""
_RUN_LINES: Final = (
    "@echo off",
    "rem Runs the numbered steps once each, writes what happened into the report, removes itself",
    "rem and restarts. A step that needs a restart gets one: the rest follows in the next boot.",
    "rem Written by imageport.",
    "setlocal EnableExtensions",
    "set PATH=%SystemRoot%\\System32;%SystemRoot%;%SystemRoot%\\System32\\Wbem;"
    "%SystemRoot%\\System32\\WindowsPowerShell\\v1.0",
    'set "here=%SystemDrive%\\ProgramData\\imageport\\first-boot"',
    'set "files=%here%\\files"',
    'set "report=%SystemDrive%\\ProgramData\\imageport\\first-boot.report"',
    'set "log=%SystemDrive%\\ProgramData\\imageport\\first-boot.log"',
    "call :say started",
    'if not exist "%here%\\running" mkdir "%here%\\running"',
    'if not exist "%report%" call :facts',
    'for /f "delims=" %%s in (\'dir /b "%here%\\running\\*.cmd" 2^>nul\') do call :cut_off "%%s"',
    "",
    ":next",
    'set "step="',
    'for /f "delims=" %%s in (\'dir /b /on "%here%\\steps\\*.cmd" 2^>nul\') do '
    'if not defined step set "step=%%s"',
    "if not defined step goto finish",
    'call :step "%step%"',
    f'if "%code%"=="{RESTART}" goto restart',
    "goto next",
    "",
    ":restart",
    "call :say restarting, more steps follow",
    '>> "%report%" echo restart',
    "shutdown /r /f /t 0 /d p:4:1",
    "exit",
    "",
    ":finish",
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
    ":facts",
    'type nul > "%report%"',
    'for /f "tokens=2 delims=[]" %%v in (\'ver\') do for /f "tokens=2" %%w in ("%%v") do '
    '>> "%report%" echo fact kernel %%w',
    '>> "%report%" echo fact root %SystemDrive%',
    _ASK.format(
        name="boot-driver",
        expression="(Get-CimInstance Win32_SCSIController).DriverName -join ','",
    ),
    _ASK.format(name="powershell", expression="$ExecutionContext.SessionState.LanguageMode"),
    "call :address",
    '>> "%report%" echo fact address %address%',
    "exit /b 0",
    "",
    ":step",
    "call :name %1",
    "call :say step %number% %name%",
    # Out of the way before it runs: whatever happens in it, it runs once.
    'move /y "%here%\\steps\\%~1" "%here%\\running\\%~1" > nul',
    '>> "%log%" echo === %number% %name%',
    'cmd /d /c "%here%\\running\\%~1" >> "%log%" 2>&1',
    'set "code=%errorlevel%"',
    'del /q "%here%\\running\\%~1"',
    '>> "%report%" echo step %number% %name% %code%',
    "exit /b 0",
    "",
    ":cut_off",
    "call :name %1",
    'del /q "%here%\\running\\%~1"',
    f'>> "%report%" echo step %number% %name% {CUT_OFF}',
    "exit /b 0",
    "",
    ":name",
    'set "file=%~n1"',
    "rem The number is three digits.",
    'set "number=%file:~0,3%"',
    'set "name=%file:~4%"',
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
    """Where the step `number` lies; three digits, so that names sort as numbers do."""
    return rf"{STEPS}\{number:03d}-{name}.cmd"


def step_text(script: str) -> str:
    """A step's file: echo off, CRLF line ends."""
    lines = ("@echo off", *script.strip().splitlines(), "")
    return "\r\n".join(lines)
