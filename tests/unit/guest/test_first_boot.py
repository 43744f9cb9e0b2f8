from __future__ import annotations

import subprocess
from pathlib import Path

from imageport.guest import fixups
from imageport.guest.first_boot import parse
from imageport.guest.fixup import FixUp
from imageport.guest.linux import runner as linux
from imageport.guest.windows import runner as windows
from imageport.model.guest import OsFamily


def test_report() -> None:
    report = parse(
        "fact kernel 6.1\r\nfact address \r\nfact boot-driver a b\r\nstep 010 remove-x 1603\r\n"
        "noise\r\nstep x y z\r\nstep 7\r\nstep 20 two words 0\r\ncomplete\r\n"
    )
    assert report.complete
    assert report.facts == {"kernel": "6.1", "boot-driver": "a b"}
    assert [(s.number, s.name, s.exit_code) for s in report.steps] == [
        (10, "remove-x", 1603),
        (20, "two words", 0),
    ]


def test_report_of_a_boot_that_was_cut_short() -> None:
    assert not parse("fact kernel 6.1\nstep 10 a 0\ncompl").complete


def linux_runner(tmp_path: Path) -> Path:
    """The script itself, against folders of its own instead of the system's."""
    text = linux.RUN_TEXT
    places = {
        linux.FOLDER: tmp_path / "lib",
        linux.REPORT: tmp_path / "var/report",
        "/run/imageport-step.log": tmp_path / "log",
        linux.UNIT_FILE: tmp_path / "unit",
        linux.UNIT_LINK: tmp_path / "link",
        '> "/dev/$console"': f'>> "{tmp_path}/$console"',
        '-w "/dev/$console"': f'-w "{tmp_path}/$console"',
    }
    for old, new in sorted(places.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(old, str(new))
    text = text.replace("systemctl --no-block reboot || reboot -f", f"echo reboot > {tmp_path}/end")
    text = text.replace("    sync\n", "")
    text = text.replace("PATH=/usr/sbin:/usr/bin", f"PATH={tmp_path}/bin:/usr/sbin:/usr/bin")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ip").write_text("#!/bin/sh\necho '2: eth0 inet 10.1.2.3/24 brd x'\n")
    (tmp_path / "bin/ip").chmod(0o755)
    steps = tmp_path / "lib/first-boot/steps"
    steps.mkdir(parents=True)
    for name in ("unit", "link", "console", "tty1", "ttyS0"):
        (tmp_path / name).touch()
    script = tmp_path / "lib/first-boot/run"
    script.write_text(text)
    return script


def restarted(script: Path) -> str:
    """What the report says when the script ran, to the restart that it asks for."""
    end = script.parents[2] / "end"
    end.unlink(missing_ok=True)
    subprocess.run(["sh", script], check=True, capture_output=True, timeout=60)
    assert end.exists()
    return (script.parents[2] / "var/report").read_text()


def test_linux_runner(tmp_path: Path) -> None:
    script = linux_runner(tmp_path)
    steps = script.parent / "steps"
    (steps / "20-fails").write_text("echo why; exit 3\n")
    (steps / "10-works").write_text(f"touch {tmp_path}/worked\n")
    report = parse(restarted(script))
    assert report.complete
    assert [(s.number, s.name, s.exit_code) for s in report.steps] == [
        (10, "works", 0),
        (20, "fails", 3),
    ]
    assert report.facts["address"] == "10.1.2.3"
    assert (tmp_path / "worked").exists()
    assert not (tmp_path / "lib").exists()
    assert not (tmp_path / "unit").exists()
    said = (tmp_path / "console").read_text()
    assert "imageport first-boot: step 20 fails failed with 3: why" in said
    assert said.rstrip().endswith("complete, rebooting")


def test_linux_runner_goes_on_after_a_restart_that_a_step_asks_for(tmp_path: Path) -> None:
    script = linux_runner(tmp_path)
    steps = script.parent / "steps"
    (steps / "10-once").write_text(f"echo once >> {tmp_path}/ran\n")
    (steps / "20-asks").write_text(f"echo asks >> {tmp_path}/ran; exit {linux.RESTART}\n")
    (steps / "30-last").write_text(f"echo last >> {tmp_path}/ran\n")
    first = parse(restarted(script))
    assert not first.complete
    assert [step.name for step in first.steps] == ["once", "asks"]
    report = parse(restarted(script))
    assert report.complete
    assert report.restarts == 1
    assert [(s.name, s.exit_code) for s in report.steps] == [("once", 0), ("asks", 0), ("last", 0)]
    assert report.facts["boots"] == "2"
    assert (tmp_path / "ran").read_text() == "once\nasks\nlast\n", "each once"
    assert not script.parent.exists()


def test_linux_runner_repeats_a_step_that_was_cut_short(tmp_path: Path) -> None:
    script = linux_runner(tmp_path)
    steps = script.parent / "steps"
    (steps / "10-once").write_text(f"echo once >> {tmp_path}/ran\n")
    cut = f"[ -e {tmp_path}/seen ] && exit 0; touch {tmp_path}/seen; kill -9 $PPID\n"
    (steps / "20-cut").write_text(cut)
    subprocess.run(["sh", script], check=False, capture_output=True, timeout=60)
    report = parse(restarted(script))
    assert report.complete
    assert [(s.name, s.exit_code) for s in report.steps] == [("once", 0), ("cut", 0)]
    assert (tmp_path / "ran").read_text() == "once\n"


def test_windows_runner_is_ascii_with_crlf() -> None:
    raw = windows.RUN_TEXT.encode("ascii")
    assert raw.count(b"\r\n") == raw.count(b"\n") > 20
    last = windows.RUN_TEXT.split("\r\n:facts")[0].rstrip().splitlines()[-1]
    order = [last.index(word) for word in ("rd /s /q", "echo complete", "shutdown /r")]
    assert order == sorted(order), "one line: the file that it stands in is gone when it runs"


def test_every_fixup_has_its_own_name_and_place() -> None:
    for family in OsFamily:
        names = [each.name for each in fixups.in_order(family)]
        assert len(set(names)) == len(names) > 5
        assert names[-1] == "first-boot", "its steps come from all the others"
        orders = [each.order for each in fixups.in_order(family)]
        assert orders == sorted(set(orders))
    assert all(isinstance(each, FixUp) for each in FixUp.registry.values())
