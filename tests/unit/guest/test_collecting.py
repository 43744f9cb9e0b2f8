"""What goes into the bag of diagnostics, and what never does."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from imageport.guest.collecting.bag import Bag
from imageport.guest.collecting.matching import matches
from imageport.guest.collecting.scrub import scrubbed, scrubbed_data
from imageport.guest.collecting.windows import is_private

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"before\n{KEY}\nafter", "before\n(removed)\nafter"),
        ("-----BEGIN RSA PRIVATE KEY-----\ncut off", "(removed)"),
        ("root:$6$salt$abcdefghijk./:19000", "root:(removed):19000"),
        ("root:$y$j9T$abcdefgh/.$xyz:1", "root:(removed):1"),
        ("password_pbkdf2 root grub.pbkdf2.sha512.10000.AB.CD", "password_pbkdf2 root (removed)"),
        ("login password=abc ok", "login password=(removed) ok"),
        ("PWD: 'two words', next", "PWD: (removed), next"),
        ('"adminPassword": "x y"', '"adminPassword": (removed)'),
        ("Property(C): MY_TOKEN = 1234", "Property(C): MY_TOKEN = (removed)"),
        ("the password has expired", "the password has expired"),
        ("cost $6 or $12", "cost $6 or $12"),
    ],
)
def test_secrets_are_taken_out_of_text(text: str, left: str) -> None:
    assert scrubbed(text.encode()).decode() == left


def test_secrets_are_taken_out_of_data() -> None:
    said = {"files": ({"a": f"x {KEY}"},), "DefaultPassword": "abc", "size": 3, "none": None}
    assert scrubbed_data(said) == {
        "files": [{"a": "x (removed)"}],
        "DefaultPassword": "(removed)",
        "size": 3,
        "none": None,
    }


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("System.evtx", False),
        ("Microsoft-Windows-Kernel-PnP%4Configuration.evtx", False),
        ("Security.evtx", True),
        ("SECURITY.EVTX", True),
        ("Archive-Security-2026-03-01-09-00-00-000.evtx", True),
        ("ForwardedEvents.evtx", True),
        ("Windows PowerShell.evtx", True),
        ("Microsoft-Windows-PowerShell%4Operational.evtx", True),
        ("PowerShellCore%4Operational.evtx", True),
        ("Microsoft-Windows-Sysmon%4Operational.evtx", True),
    ],
)
def test_logs_of_what_people_typed_stay(name: str, private: bool) -> None:
    assert is_private(name) is private


def bag() -> tuple[Bag, io.BytesIO]:
    stream = io.BytesIO()
    return Bag(tarfile.open(fileobj=stream, mode="w")), stream


def content(made: Bag, stream: io.BytesIO) -> dict[str, bytes]:
    made.archive.close()
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
        return found


def test_a_full_bag_says_what_it_left_out() -> None:
    made, stream = bag()
    made.room = 10
    assert made.put("a", b"123456")
    assert not made.put("b", b"123456")
    assert made.put("c", b"1234")
    assert sorted(content(made, stream)) == ["a", "c"]
    assert made.problems == ["b was left out: the diagnostics are full."]


def test_links_pipes_and_what_is_too_large_are_left_out(tmp_path: Path) -> None:
    made, stream = bag()
    (tmp_path / "large").write_bytes(bytes(2 << 20))
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    assert not made.put_file("large", tmp_path / "large", 1 << 20)
    assert not made.put_file("link", tmp_path / "link", 1 << 20)
    assert not made.put_text("pipe", tmp_path / "pipe")
    assert not made.put_text("gone", tmp_path / "gone")
    assert content(made, stream) == {}
    assert [problem.split()[0] for problem in made.problems] == ["large", "link", "pipe", "gone"]


def test_of_a_long_text_the_end_is_kept(tmp_path: Path) -> None:
    made, stream = bag()
    (tmp_path / "log").write_bytes(b"a" * (192 << 10) + b"the end")
    assert made.put_text("log", tmp_path / "log", 65 << 10)
    kept = content(made, stream)["log"]
    assert kept.startswith(b"(65536 bytes before this were left out)\naaaa")
    assert kept.endswith(b"the end")
    assert len(kept) < (65 + 64 + 1) << 10


def test_windows_text_becomes_utf_8(tmp_path: Path) -> None:
    made, stream = bag()
    (tmp_path / "log").write_bytes(b"\xff\xfe" + "pässword=geheim ü".encode("utf-16-le"))
    assert made.put_text("log", tmp_path / "log")
    assert content(made, stream)["log"].decode() == "pässword=geheim ü"


def test_patterns_never_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "Windows/Logs").mkdir(parents=True)
    (tmp_path / "Windows/Logs/a.LOG").touch()
    (tmp_path / "Windows/Logs/b.log").symlink_to("a.LOG")
    (tmp_path / "Windows/Elsewhere").symlink_to("Logs")
    (tmp_path / "Windows/Logs/c.log").mkdir()
    problems: list[str] = []
    found = list(matches(tmp_path, "windows/*/*.log", problems, fold=True))
    assert found == [tmp_path / "Windows/Logs/a.LOG"]
    assert list(matches(tmp_path, "windows/*/*.log", problems, fold=False)) == []
    assert list(matches(tmp_path, "no/*/x", problems, fold=True)) == []
    assert problems == []
