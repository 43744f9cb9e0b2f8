"""Boots of the image, watched: on the engine's machine handed over, or on one of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from imageport.host.files import write_whole
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.errors import BootFailed, BootTimeout
from imageport.jobs.watch import Evidence, verdict_of
from imageport.model.proof import Verdict
from imageport.platforms.base import DiskRef, Handover, Role

UNTOUCHED_SECONDS = 600.0
"""How long an untouched image may take to show that it boots, or does not."""
_MOST_BOOTS = 8
"""Each restart is one that a step asked for, and each step runs once: more is a mistake."""
_STILL_SECONDS = 120.0
_STILL_ENGINES = 4
"""When nothing more has happened for so long, it will show neither: in seconds, or, on a busy
computer, in times that the engine took to start on the same kind of machine."""

_ENGINE_IS_BACK = "Booting `engine'"
"""What the engine's boot loader writes to the serial port: from there on the screen is its own."""
_LAST_WORDS = "imageport first-boot: complete"
"""What the first-boot runner writes to the serial port just before it restarts the machine."""
_LOOK_SECONDS = 0.5
_ASK_SECONDS = 2.0
"""Asking an engine that is not there takes a second, in which nobody looks at the screen."""


@dataclass(frozen=True, slots=True)
class Boot:
    """How long a boot took, in seconds, and what the serial port said meanwhile."""

    seconds: float
    text: str


def boot_image(work: EngineWork, seconds: float) -> Boot:
    """Let the image's OS run on this hardware until its first-boot work has ended, and with it the
    engine is back: as often as that work asks for a restart.

    Raises BootTimeout or BootFailed when a boot does not end within `seconds`, or asks for too many
    more; the engine is back then as well. Raises EngineLost when the machine is gone.
    """
    took, text = 0.0, ""
    for boots in range(_MOST_BOOTS):
        turn = replace(work, boots=boots)
        boot = _boot_once(turn, seconds)
        took, text = took + boot.seconds, text + boot.text
        if not turn.run("look-back", {})["goes_on"]:
            return Boot(took, text)
        work.reporter.say("The image asked for a restart; it is booted again.")
    raise BootFailed(reason=f"it asked for a restart {_MOST_BOOTS} times")


def _boot_once(work: EngineWork, seconds: float) -> Boot:
    if work.platform.handover(work.firmware) is Handover.RECREATE:
        return _boot_recreated(work, seconds)
    return _boot_inside(work, seconds)


def _boot_inside(work: EngineWork, seconds: float) -> Boot:
    job = work.folder.id
    shown = len(work.platform.console(job, Role.ENGINE).text)
    began, skip = _began(work.folder.path / f"boot-{work.turn}", shown)
    evidence = Evidence(
        work.folder.evidence, "boot", skip=skip, until=_ENGINE_IS_BACK, last_words=_LAST_WORDS
    )
    id = work.command_id("boot-image")
    asked = 0.0
    with work.command("boot-image") as client:
        while time.time() - began < seconds:
            text = evidence.look(work.platform.console(job, Role.ENGINE))
            work.reporter.progress(time.time() - began, 0, last_line(text))
            work.check_alive()
            if time.monotonic() - asked >= _ASK_SECONDS:
                # Asked to begin, each time: a job that was killed in the middle finds the image at
                # work, and no engine to say so.
                status = client.try_ask(id, "boot-image", {})
                if status and status.ended:
                    return Boot(time.time() - began, text)
                asked = time.monotonic()
            time.sleep(_LOOK_SECONDS)
        text = evidence.look(work.platform.console(job, Role.ENGINE), every=0)
        work.platform.reset_engine(job)
        work.wait_up(client)
        work.reporter.say("The image did not hand the machine back; a reset brought the engine.")
        raise _too_late(seconds, text)


def _boot_recreated(work: EngineWork, seconds: float) -> Boot:
    job, platform = work.folder.id, work.platform
    said = len(platform.console(job, Role.IMAGE).text)
    began, skip = _began(work.folder.path / f"boot-{work.turn}", said)
    # New text without a machine: it ran already, and the process that had started it was killed.
    if platform.ended(job, Role.IMAGE) and said <= skip:
        platform.start(job, Role.IMAGE, work.image, work.firmware)
    evidence = Evidence(work.folder.evidence, "boot", skip=skip)
    ended = False
    while not ended and time.time() - began < seconds:
        ended = platform.ended(job, Role.IMAGE)
        text = evidence.look(platform.console(job, Role.IMAGE))
        work.reporter.progress(time.time() - began, 0, last_line(text))
        time.sleep(_LOOK_SECONDS)
    text = evidence.look(platform.console(job, Role.IMAGE), every=0)
    took = time.time() - began
    platform.stop(job, Role.IMAGE)
    work.start()
    if not ended:
        raise _too_late(seconds, text)
    return Boot(took, text)


def _began(marker: Path, shown: int) -> tuple[float, int]:
    """When the boot began (seconds since the epoch), and how much the serial port had said by then.

    Kept in a file, so that a job that was killed and goes on still knows.
    """
    if not marker.exists():
        write_whole(marker, [f"{time.time()} {shown}".encode()])
    began, skip = marker.read_text().split()
    return float(began), int(skip)


def _too_late(seconds: float, text: str) -> BootTimeout | BootFailed:
    verdict, reason = verdict_of(text)
    if verdict is Verdict.DOES_NOT_BOOT:
        return BootFailed(reason=reason)
    return BootTimeout(seconds=seconds)


def try_untouched(
    work: EngineWork, source: DiskRef, evidence: Evidence, engine_seconds: float
) -> tuple[Verdict, str, float]:
    """Start the source as it is, until it shows whether it boots: verdict, reason, seconds.

    `engine_seconds` is how long the engine took to start.
    """
    platform, job, firmware = work.platform, work.folder.id, work.firmware
    still = max(_STILL_SECONDS, _STILL_ENGINES * engine_seconds)
    platform.start(job, Role.UNTOUCHED, source, firmware)
    began = time.monotonic()
    verdict, reason = Verdict.UNDECIDED, ""
    try:
        while verdict is Verdict.UNDECIDED and _goes_on(began, evidence, still):
            ended = platform.ended(job, Role.UNTOUCHED)
            text = evidence.look(platform.console(job, Role.UNTOUCHED))
            verdict, reason = verdict_of(text)
            if ended and verdict is Verdict.UNDECIDED:
                verdict, reason = Verdict.DOES_NOT_BOOT, "the machine restarted or stopped"
            time.sleep(_LOOK_SECONDS)
        evidence.look(platform.console(job, Role.UNTOUCHED), every=0)
    finally:
        platform.stop(job, Role.UNTOUCHED)
    return verdict, reason, time.monotonic() - began


def _goes_on(began: float, evidence: Evidence, still: float) -> bool:
    now = time.monotonic()
    return now - began < UNTOUCHED_SECONDS and now - evidence.changed < still


def last_line(text: str) -> str:
    """The last line of a console that says something, for a progress line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:60] if lines else "starting"
