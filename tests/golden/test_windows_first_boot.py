"""The first boot of Windows from both sides: what the runner leaves, what the engine reads."""

from __future__ import annotations

from pathlib import Path

from imageport.guest.first_boot import collect, goes_on, installed, judged
from imageport.guest.fixup import Step
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.prepare import prepare
from imageport.guest.windows import runner
from imageport.model.guest import PrepareOptions
from imageport.model.target import PROFILES, Target
from lab.guests.phony_nt import first_boot as phony
from lab.guests.windows_spec import WindowsMaster
from tests.golden.trees import windows_tree

STEPS = Path("ProgramData/imageport/first-boot/steps")


def waiting(folder: Path) -> Guest:
    guest = windows_tree(folder, WindowsMaster())
    prepare(guest, inspect(guest), PROFILES[Target.AZURE], PrepareOptions(), lambda *_: None)
    return guest


def again(guest: Guest) -> bool:
    return goes_on(guest, inspect(guest))


def test_a_step_may_ask_for_a_restart(tmp_path: Path) -> None:
    guest = waiting(tmp_path)
    planned = sorted(path.stem.split("-", 1)[1] for path in (guest.root / STEPS).iterdir())
    text = runner.step_text(f"exit /b {runner.RESTART}")
    (guest.root / STEPS / "005-first.cmd").write_text(text, newline="")
    assert not again(guest), "it has not run yet"
    assert phony.perform(guest.root, {"kernel": "10.0"})[-2:] == ["step 5 first 3010", "restart"]
    assert again(guest)
    assert installed(guest)
    assert phony.perform(guest.root, {"kernel": "10.0"})[-1] == "complete"
    assert not again(guest)
    report = collect(guest)
    assert report is not None
    assert report.complete
    assert report.restarts == 1
    assert report.facts == {"kernel": "10.0"}
    assert report.steps[0].name == "first"
    assert sorted(step.name for step in report.steps[1:]) == planned, "each once"
    assert not (guest.root / "ProgramData/imageport").exists()


def test_a_restart_without_a_runner_does_not_go_on(tmp_path: Path) -> None:
    guest = waiting(tmp_path)
    (guest.root / "ProgramData/imageport/first-boot.report").write_text("restart\r\n")
    (guest.root / "ProgramData/imageport/first-boot/run.cmd").unlink()
    assert not again(guest)


def test_the_log_is_collected_with_the_steps_that_wrote_it(tmp_path: Path) -> None:
    guest = waiting(tmp_path)
    phony.perform(guest.root, {})
    log = guest.root / "ProgramData/imageport/first-boot.log"
    log.write_bytes(b"=== 010 one\r\nfirst\r\nlines \xff\r\n=== 020 two\r\n" + b"x" * 5000)
    report = collect(guest)
    assert report is not None
    outputs = {step.number: step.output for step in report.steps}
    assert outputs[10] == "first\nlines \ufffd"
    assert outputs[20] == "x" * 2000
    assert not log.exists()


def test_what_the_image_can_do_without_is_marked(tmp_path: Path) -> None:
    guest = waiting(tmp_path)
    phony.perform(guest.root, {})
    report = collect(guest)
    assert report is not None
    marked = judged(report, [Step("power", "", required=False), Step("remote-desktop", "")])
    required = {step.name: step.required for step in marked.steps}
    assert required["power"] is False
    assert required["remote-desktop"] is True


def test_every_step_has_its_place_in_order() -> None:
    names = [runner.step_path(10 * number, "x").rsplit("\\", 1)[1] for number in range(1, 30)]
    assert names == sorted(names), "by name as by number"
    assert {name.index("-") for name in names} == {3}, "as the runner takes them apart"
