"""The image is booted as often as its first-boot work asks for, on either kind of handover."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from imageport.jobs.boot import boot_image
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.errors import BootFailed
from imageport.jobs.folder import JobFolder
from imageport.jobs.report import Silent
from imageport.model.target import DiskFormat, Firmware
from imageport.platforms.base import Console, DiskRef, Handover, Platform, Role


class Recreating:
    """A platform whose image runs for one look at it, and says which boot it was."""

    def __init__(self) -> None:
        self.text = ""
        self.starts = 0
        self.running = False

    def handover(self, firmware: Firmware) -> Handover:
        return Handover.RECREATE

    def console(self, job: str, role: Role) -> Console:
        return Console(self.text, None)

    def ended(self, job: str, role: Role) -> bool:
        running, self.running = self.running, False
        return not running

    def start(self, job: str, role: Role, disk: DiskRef, firmware: Firmware) -> None:
        self.starts += 1
        self.running = True
        self.text += f"boot {self.starts}\n"

    def stop(self, job: str, role: Role) -> None:
        self.running = False


def work_on(folder: Path, platform: Recreating) -> EngineWork:
    (folder / "evidence").mkdir()
    image = DiskRef(folder / "work.qcow2", DiskFormat.QCOW2)
    job = JobFolder("job", folder)
    return EngineWork(cast("Platform", platform), job, image, Firmware.BIOS, Silent())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the commands that the engine got; it says `goes_on` to the first two."""
    ids: list[str] = []

    def run(work: EngineWork, name: str, args: dict[str, Any]) -> Any:
        ids.append(work.command_id(name))
        return {"goes_on": len(ids) < 3}

    monkeypatch.setattr(EngineWork, "run", run)
    monkeypatch.setattr(EngineWork, "start", lambda _: None)
    monkeypatch.setattr("imageport.jobs.boot._LOOK_SECONDS", 0)
    return ids


def test_until_nothing_more_is_asked_for(tmp_path: Path, asked: list[str]) -> None:
    platform = Recreating()
    boot = boot_image(work_on(tmp_path, platform), 60)
    assert platform.starts == 3
    assert asked == ["look-back-0", "look-back-0.1", "look-back-0.2"]
    assert boot.text == "boot 1\nboot 2\nboot 3\n"


def test_a_boot_that_was_seen_to_its_end_is_not_done_again(
    tmp_path: Path, asked: list[str]
) -> None:
    """The process that had started it was killed: a marker and the text are all that is left."""
    platform = Recreating()
    work = work_on(tmp_path, platform)
    (tmp_path / "boot-0").write_text("9999999999.0 0")
    platform.text = "boot 0\n"
    boot_image(work, 60)
    assert platform.starts == 2


def test_not_for_ever(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineWork, "run", lambda *_: {"goes_on": True})
    platform = Recreating()
    with pytest.raises(BootFailed) as caught:
        boot_image(work_on(tmp_path, platform), 60)
    assert platform.starts == 8
    assert "8 times" in caught.value.message
