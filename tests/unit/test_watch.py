"""What a console shows, and the picture that is kept of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from imageport.jobs.watch import Evidence, plain, verdict_of
from imageport.model.proof import Verdict
from imageport.platforms.base import Console


def _screen(*boxes: tuple[int, int, int, int]) -> bytes:
    image = Image.new("RGB", (640, 400))
    for box in boxes:
        image.paste((200, 200, 200), box)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


EMPTY = _screen()
CURSOR = _screen((0, 12, 8, 14))
TEXT = _screen((0, 0, 300, 40))
LOGO = _screen((0, 0, 600, 300))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("*** STOP: 0x0000007B (INACCESSIBLE_BOOT_DEVICE)", Verdict.DOES_NOT_BOOT),
        ("ALERT!  /dev/sda3 does not exist.  Dropping to a shell!", Verdict.DOES_NOT_BOOT),
        ("Kernel panic - not syncing: VFS", Verdict.DOES_NOT_BOOT),
        ("Debian GNU/Linux 12 master ttyS0\n\nmaster login: ", Verdict.BOOTS),
        ("Loading Linux ...", Verdict.UNDECIDED),
    ],
)
def test_verdict(text: str, verdict: Verdict) -> None:
    assert verdict_of(text)[0] == verdict


def test_plain_text_has_no_escapes() -> None:
    assert plain("\x1b[2J\x1b[01;01HBooting\r\n") == "Booting\n"


def test_last_full_picture_is_kept(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, "boot")
    for picture in (EMPTY, CURSOR):
        evidence.look(Console("", picture), every=0)
    assert not evidence.picture.exists()
    for picture in (TEXT, CURSOR, EMPTY):
        evidence.look(Console("", picture), every=0)
    assert evidence.picture.read_bytes() == TEXT


def test_what_comes_after_the_engine_is_back_is_not_the_boots(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, "boot", skip=6, until="BACK")
    said = evidence.look(Console("beforethe boot BACK engine", TEXT), every=0)
    assert said == "the boot "
    assert evidence.serial.read_text() == "the boot "
    assert not evidence.picture.exists()


def test_screen_of_the_last_words_is_the_last_to_be_kept(tmp_path: Path) -> None:
    """Though firmware's logo, before and after, has far more ink than a logon screen."""
    evidence = Evidence(tmp_path, "boot", last_words="complete")
    for said, picture in (("", LOGO), ("log", CURSOR), ("log", TEXT)):
        evidence.look(Console(said, picture), every=0)
    assert evidence.picture.read_bytes() == TEXT
    goodbye = _screen((0, 100, 300, 140))
    for picture in (goodbye, EMPTY, LOGO):
        evidence.look(Console("log complete", picture))
    assert evidence.picture.read_bytes() == goodbye


def test_a_boot_gone_on_with_keeps_its_picture(tmp_path: Path) -> None:
    Evidence(tmp_path, "boot", last_words="complete").look(Console("log", TEXT))
    Evidence(tmp_path, "boot", last_words="complete").look(Console("log complete", LOGO))
    assert (tmp_path / "boot.png").read_bytes() == TEXT
    Evidence(tmp_path, "other", last_words="complete").look(Console("log complete", LOGO))
    assert (tmp_path / "other.png").read_bytes() == LOGO


def test_when_something_last_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    evidence = Evidence(tmp_path, "untouched")
    seen = []
    for said, picture in (
        ("", EMPTY),
        ("", TEXT),
        ("", _screen((0, 0, 300, 40), (0, 52, 8, 54))),
        ("log", TEXT),
        ("log", TEXT),
        ("log", LOGO),
    ):
        now += 10
        evidence.look(Console(said, picture))
        seen.append(evidence.changed)
    assert seen == [0, 20, 20, 40, 40, 60], "a cursor is no news"
