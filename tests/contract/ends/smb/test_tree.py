"""A folder of small files on a share, against Samba."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from imageport.disk.ends.errors import DeniedError, NoSpaceError, NotFoundError
from imageport.disk.ends.smb import SmbLocation, SmbTree
from imageport.disk.errors import DiskError
from tests.contract.ends.samba import FULL_SIZE, Samba
from tests.contract.ends.smb.case import SmbCase

MIB = 1 << 20


@contextmanager
def folder(samba: Samba, path: str = "", share: str = "data", **options: Any) -> Iterator[SmbTree]:
    options = {"patience": 4.0, **options}
    port = options.pop("port", samba.port)
    location = SmbLocation("127.0.0.1", share, path, port)
    with SmbTree(location, samba.account, **options) as opened:
        yield opened


@pytest.fixture
def support(case: SmbCase) -> Iterator[Samba]:
    """A server with an empty folder `support`."""
    samba = case.samba
    (samba.data / "support").mkdir()
    yield samba
    samba.client("data", "deltree support")
    assert samba.names() == []


def test_a_tree_is_written_named_and_removed(support: Samba) -> None:
    large = bytes(range(256)) * (10 << 10)
    with folder(support, "support") as place:
        assert place.exists()
        assert not place.exists("new")
        place.make("new.partial")
        place.make("new.partial")
        place.make("new.partial/sub folder")
        for name, content in (("a%4b.txt", b""), ("ü.bin", large)):
            place.write(f"new.partial/sub folder/{name}", io.BytesIO(content))
        place.write("new.partial/sub folder/a%4b.txt", io.BytesIO(b"twice"))
        place.rename("new.partial", "new")
        assert place.read("new/sub folder/ü.bin") == large
        assert not place.exists("new.partial")
    assert support.content("support/new/sub folder/a%4b.txt") == b"twice"
    with folder(support, "support") as place:
        place.remove("new")
        place.remove("new")
        assert not place.exists("new")


def test_many_entries_are_all_removed(support: Samba) -> None:
    crowded = support.data / "support/crowded"
    for number in range(700):
        (crowded / f"folder with a long name {number % 7}").mkdir(parents=True, exist_ok=True)
        name = f"file with quite a long name, so that one answer cannot list them all {number}"
        (crowded / f"folder with a long name {number % 7}" / name).touch()
        (crowded / name).touch()
    with folder(support, "support") as place:
        place.remove("crowded")
    assert not crowded.exists()


def test_a_renaming_replaces_nothing(support: Samba) -> None:
    with folder(support, "support") as place:
        place.make("old")
        place.make("new")
        place.write("new/precious", io.BytesIO(b"precious"))
        with pytest.raises(DiskError):
            place.rename("old", "new")
        with pytest.raises(NotFoundError):
            place.rename("none", "other")
    assert support.content("support/new/precious") == b"precious"


def test_connections_that_break_are_made_again(support: Samba, case: SmbCase) -> None:
    content = bytes(range(256)) * (32 << 10)
    with folder(support, "support", port=case.relay.port) as place:
        place.make("kept")
        case.relay.cut_after_sent = case.relay.sent + 5 * MIB
        place.write("kept/file", io.BytesIO(content))
        case.relay.cut()
        assert place.read("kept/file") == content
        case.relay.cut()
        place.rename("kept", "named")
    assert support.content("support/named/file") == content


def test_what_is_refused(support: Samba) -> None:
    with folder(support, "none") as place:
        assert not place.exists()
        with pytest.raises(NotFoundError):
            place.make("folder")
    with folder(support, share="none") as place, pytest.raises(NotFoundError):
        place.make("folder")
    with folder(support, share="readonly") as place, pytest.raises(DeniedError):
        place.make("folder")
    with folder(support, share="small") as place:
        with pytest.raises(NoSpaceError):
            place.write("full", io.BytesIO(b"x" * (FULL_SIZE + 1) * MIB))
        place.remove("full")
