"""The SMB end against Samba, through a relay that counts bytes and breaks connections."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imageport.disk import copy as copying
from imageport.disk.base import MIB, DiskReader, DiskWriter, ExtentKind
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    InsecureError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from imageport.disk.ends.smb import SmbFile, SmbLocation, SmbTarget, file, free_space
from imageport.disk.ends.smb.lane import Handle
from imageport.disk.errors import BackingRefusedError, TargetExistsError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import UsernamePassword
from imageport.model.target import DiskFormat
from tests.contract.ends.contract import SIZE, EndCase, EndContract, make_disk
from tests.contract.ends.faults import TcpFaults
from tests.contract.ends.samba import FULL_SIZE, Samba

NAME = "disk.raw"


@pytest.fixture(scope="session")
def signing_samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A server that requires signatures and cannot encrypt."""
    options = ("smb encrypt = off", "server signing = mandatory")
    server = Samba(tmp_path_factory.mktemp("signing"), *options, protection="sign")
    yield server
    server.kill()


class SmbCase(EndCase):
    """A raw disk on the share `data`."""

    def __init__(self, samba: Samba, state: Path, *, require_encryption: bool = True) -> None:
        self.samba, self.state = samba, state
        self.require_encryption = require_encryption
        self.relay = TcpFaults("127.0.0.1", samba.port)
        self.location = SmbLocation("127.0.0.1", "data", NAME, self.relay.port)
        for path in samba.data.iterdir():
            path.unlink()

    def target(self, size: int) -> DiskWriter:
        file = SmbTarget(
            self.location,
            self.samba.account,
            state=self.state,
            overwrite=True,
            require_encryption=self.require_encryption,
            patience=self.patience,
        )
        return create_disk(file, DiskFormat.RAW, size)

    def reader(self) -> DiskReader:
        file = SmbFile(
            self.location,
            self.samba.account,
            require_encryption=self.require_encryption,
            patience=self.patience,
        )
        return open_disk(file)

    def peers_content(self, size: int) -> bytes:
        content = self.samba.content(NAME)
        assert len(content) == size
        return content

    def left_behind(self) -> list[str]:
        return self.samba.names()

    def disturb_write(self) -> None:
        self.relay.cut_after_sent = self.relay.sent + 5 * MIB

    def disturb_read(self) -> None:
        self.relay.cut_after_received = self.relay.received + 5 * MIB

    def vanish(self) -> None:
        self.relay.gone = True
        self.relay.cut()

    def come_back(self) -> None:
        self.relay.gone = False

    def sent(self) -> int:
        return self.relay.sent


class TestSmb(EndContract):
    """Encrypted, as the server requires."""

    @pytest.fixture
    def case(self, samba: Samba, tmp_path: Path) -> Iterator[EndCase]:
        case = SmbCase(samba, tmp_path / "state")
        yield case
        case.relay.close()


class TestSmbSigned(EndContract):
    """Signed only, which the user has allowed."""

    @pytest.fixture
    def case(self, signing_samba: Samba, tmp_path: Path) -> Iterator[EndCase]:
        case = SmbCase(signing_samba, tmp_path / "state", require_encryption=False)
        yield case
        case.relay.close()


@pytest.fixture
def case(samba: Samba, tmp_path: Path) -> Iterator[SmbCase]:
    made = SmbCase(samba, tmp_path / "state")
    yield made
    made.relay.close()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "source.raw"
    make_disk(path)
    return path


def at(samba: Samba, path: str, share: str = "data") -> SmbLocation:
    return SmbLocation("127.0.0.1", share, path, samba.port)


def target_at(
    samba: Samba, state: Path, path: str, share: str = "data", **options: Any
) -> SmbTarget:
    options = {"patience": 4.0, **options}
    return SmbTarget(at(samba, path, share), samba.account, state=state, **options)


@contextmanager
def held_open_for_writing(samba: Samba, name: str, folder: Path) -> Iterator[None]:
    """smbclient has the file open: it waits for what it is to put there."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=samba.client, args=("data", f'put "{pipe}" "{name}"'))
    thread.start()
    with open(pipe, "wb") as waiting:
        deadline = time.monotonic() + 20
        while not (samba.data / name).exists() or (samba.data / name).stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            yield
        finally:
            waiting.write(b"done")
    thread.join()
    pipe.unlink()


class TestWhoMayEnter:
    def test_wrong_password_is_refused_at_once(self, case: SmbCase) -> None:
        (case.samba.data / NAME).write_bytes(bytes(MIB))
        wrong = UsernamePassword(case.samba.account.username, "hunter2-wrong")
        started = time.monotonic()
        with pytest.raises(DeniedError, match="wrong account or password") as caught:
            SmbFile(case.location, wrong)
        assert time.monotonic() - started < 10
        assert "hunter2" not in str(caught.value.as_dict())

    @pytest.mark.parametrize("name", ["nobody-we-know", ""])
    def test_unknown_account_is_refused(self, case: SmbCase, name: str) -> None:
        (case.samba.data / NAME).write_bytes(bytes(MIB))
        with pytest.raises(DeniedError):
            SmbFile(case.location, UsernamePassword(name, "x"))

    def test_being_made_a_guest_is_refused(self, tmp_path: Path) -> None:
        samba = Samba(tmp_path / "samba", "map to guest = bad user", "guest account = nobody")
        try:
            (samba.data / NAME).write_bytes(bytes(MIB))
            for require in (True, False):
                with pytest.raises(DeniedError, match="guest"):
                    SmbFile(
                        at(samba, NAME, "guest"),
                        UsernamePassword("nobody-we-know", "x"),
                        require_encryption=require,
                    )
        finally:
            samba.kill()

    def test_server_that_cannot_encrypt_is_refused(
        self, signing_samba: Samba, tmp_path: Path
    ) -> None:
        (signing_samba.data / NAME).write_bytes(bytes(MIB))
        with pytest.raises(InsecureError, match="encryption"):
            SmbFile(at(signing_samba, NAME), signing_samba.account)
        with pytest.raises(InsecureError):
            target_at(signing_samba, tmp_path / "state", "new.raw").open()
        assert "new.raw.partial" not in signing_samba.names()

    def test_an_account_of_a_domain(self, case: SmbCase) -> None:
        (case.samba.data / NAME).write_bytes(bytes(MIB))
        plain = case.samba.account
        account = UsernamePassword(plain.username, plain.password, domain="WORKGROUP")
        SmbFile(case.location, account).close()

    def test_nobody_listens(self, case: SmbCase) -> None:
        with pytest.raises(UnreachableError, match="refused"):
            SmbFile(SmbLocation("127.0.0.1", "data", NAME, 1), case.samba.account, patience=0.5)

    def test_unknown_host(self, case: SmbCase) -> None:
        with pytest.raises(NotFoundError, match="host"):
            SmbFile(SmbLocation("no-such-host.invalid", "data", NAME), case.samba.account)


class TestWhatIsThere:
    @pytest.mark.parametrize(
        "share, path", [("none", NAME), ("data", NAME), ("data", f"no/{NAME}")]
    )
    def test_missing_share_file_or_folder(self, case: SmbCase, share: str, path: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            SmbFile(at(case.samba, path, share), case.samba.account)
        assert caught.value.data["file"] == at(case.samba, path, share).name

    def test_folder_is_no_image(self, case: SmbCase) -> None:
        (case.samba.data / "folder").mkdir()
        try:
            with pytest.raises(RefusedError, match="folder"):
                SmbFile(at(case.samba, "folder"), case.samba.account)
        finally:
            (case.samba.data / "folder").rmdir()

    def test_target_in_a_folder_that_is_missing(self, case: SmbCase, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            target_at(case.samba, tmp_path / "state", "no/new.raw").open()

    def test_read_only_share(self, case: SmbCase, tmp_path: Path) -> None:
        with pytest.raises(DeniedError, match="read-only"):
            target_at(case.samba, tmp_path / "state", NAME, "readonly").open()

    def test_existing_file_is_kept(self, case: SmbCase, tmp_path: Path) -> None:
        (case.samba.data / NAME).write_bytes(b"precious")
        with pytest.raises(TargetExistsError):
            target_at(case.samba, tmp_path / "state", NAME).open()
        assert case.samba.names() == [NAME]
        assert case.samba.content(NAME) == b"precious"

    def test_file_that_appears_meanwhile_is_kept(
        self, case: SmbCase, disk: Path, tmp_path: Path
    ) -> None:
        writer = create_disk(target_at(case.samba, tmp_path / "state", NAME), DiskFormat.RAW, SIZE)
        (case.samba.data / NAME).write_bytes(b"precious")
        with open_disk(disk) as source, pytest.raises(TargetExistsError):
            copy(source, writer)
        assert case.samba.names() == [NAME]
        assert case.samba.content(NAME) == b"precious"

    def test_existing_file_is_replaced_at_the_end_only(
        self, case: SmbCase, disk: Path, tmp_path: Path
    ) -> None:
        (case.samba.data / NAME).write_bytes(b"precious")
        target = target_at(case.samba, tmp_path / "state", NAME, overwrite=True)
        writer = create_disk(target, DiskFormat.RAW, SIZE)
        writer.write(0, memoryview(b"new!" * 128))
        assert case.samba.content(NAME) == b"precious"
        writer.abort()
        assert case.samba.names() == [NAME]
        with open_disk(disk) as source:
            copy(source, case.target(SIZE))
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_files_beside_it_are_parents(self, case: SmbCase, disk: Path) -> None:
        convert = ["qemu-img", "convert", "-q", "-O", "qcow2", str(disk), "base.qcow2"]
        subprocess.run(convert, cwd=case.samba.data, check=True)
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]
        subprocess.run([*create, "base.qcow2", "child.qcow2"], cwd=case.samba.data, check=True)
        write = ["qemu-io", "-c", "write -q -P 7 5M 64k", "child.qcow2"]
        subprocess.run(write, cwd=case.samba.data, check=True)
        content = bytearray(disk.read_bytes())
        content[5 * MIB : 5 * MIB + 65536] = b"\x07" * 65536
        buffer = bytearray(SIZE)
        with open_disk(SmbFile(at(case.samba, "child.qcow2"), case.samba.account)) as reader:
            assert reader.read_into(0, buffer) == SIZE
        assert buffer == content
        subprocess.run(
            [*create, "/etc/base.qcow2", "-u", "far.qcow2", "1M"], cwd=case.samba.data, check=True
        )
        with pytest.raises(BackingRefusedError):
            open_disk(SmbFile(at(case.samba, "far.qcow2"), case.samba.account))

    def test_what_is_written_is_sparse(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            copy(source, case.target(SIZE))
            data = sum(e.length for e in source.extents() if e.kind is ExtentKind.DATA)
        assert (case.samba.data / NAME).stat().st_blocks * 512 < data + MIB
        with case.reader() as reader:
            assert any(extent.kind is ExtentKind.UNALLOCATED for extent in reader.extents())


class TestOthersUseIt:
    def test_source_that_is_written_to(self, case: SmbCase, tmp_path: Path) -> None:
        with (
            held_open_for_writing(case.samba, NAME, tmp_path),
            pytest.raises(RefusedError, match="another program"),
        ):
            SmbFile(case.location, case.samba.account)
        SmbFile(case.location, case.samba.account).close()

    def test_source_may_be_read_and_not_written_meanwhile(self, case: SmbCase) -> None:
        (case.samba.data / NAME).write_bytes(b"x" * MIB)
        with case.reader():
            assert case.samba.content(NAME) == b"x" * MIB
            with pytest.raises(subprocess.CalledProcessError) as caught:
                case.samba.client("data", f'put /etc/hostname "{NAME}"')
            assert "SHARING_VIOLATION" in caught.value.stdout + caught.value.stderr

    def test_target_to_replace_that_is_in_use(self, case: SmbCase, tmp_path: Path) -> None:
        with (
            held_open_for_writing(case.samba, NAME, tmp_path),
            pytest.raises(RefusedError, match="another program"),
        ):
            target_at(case.samba, tmp_path / "state", NAME, overwrite=True).open()
        assert case.samba.content(NAME) == b"done"

    def test_target_that_comes_into_use_meanwhile(
        self, case: SmbCase, disk: Path, tmp_path: Path
    ) -> None:
        target = target_at(case.samba, tmp_path / "state", NAME, overwrite=True)
        writer = create_disk(target, DiskFormat.RAW, SIZE)
        with open_disk(disk) as source, held_open_for_writing(case.samba, NAME, tmp_path):
            with pytest.raises(RefusedError):
                copy(source, writer)
            assert case.samba.names() == [NAME]

    def test_second_copy_to_the_same_target(self, case: SmbCase, tmp_path: Path) -> None:
        first = target_at(case.samba, tmp_path / "one", NAME)
        first.open()
        first.write(0, b"first")
        with pytest.raises(RefusedError, match="another program"):
            target_at(case.samba, tmp_path / "two", NAME).open()
        with pytest.raises(RefusedError, match="another program"):
            target_at(case.samba, tmp_path / "two", NAME, resume=True).open()
        first.complete()
        assert case.samba.content(NAME) == b"first"

    @pytest.mark.parametrize("size", [MIB, 8 * MIB])
    def test_change_of_size_below_the_server(
        self, case: SmbCase, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        monkeypatch.setattr(file, "_CHECK_EVERY", 0.0)
        (case.samba.data / NAME).write_bytes(bytes(4 * MIB))
        buffer = bytearray(MIB)
        with case.reader() as reader:
            reader.read_into(0, buffer)
            os.truncate(case.samba.data / NAME, size)
            with pytest.raises(ChangedError):
                reader.read_into(2 * MIB, buffer)

    @pytest.mark.parametrize("replace", [False, True])
    def test_change_while_the_connection_was_lost(self, case: SmbCase, replace: bool) -> None:
        path = case.samba.data / NAME
        path.write_bytes(bytes(4 * MIB))
        with case.reader() as reader:
            case.relay.cut()
            time.sleep(0.5)
            if replace:
                path.rename(path.with_name("old"))
            path.write_bytes(b"x" * 4 * MIB)
            with pytest.raises(ChangedError):
                reader.read_into(0, bytearray(MIB))


class TestRoom:
    def test_disk_full(self, case: SmbCase, tmp_path: Path) -> None:
        disk = tmp_path / "large.raw"
        disk.write_bytes(os.urandom(MIB) * (FULL_SIZE + 8))
        writer = create_disk(
            target_at(case.samba, tmp_path / "state", NAME, "small"),
            DiskFormat.RAW,
            disk.stat().st_size,
        )
        with open_disk(disk) as source, pytest.raises(NoSpaceError, match="full"):
            copy(source, writer)
        assert case.samba.names("small") == []
        assert free_space(at(case.samba, "", "small"), case.samba.account) > (FULL_SIZE - 1) * MIB

    def test_free_space(self, case: SmbCase) -> None:
        account = case.samba.account
        total = os.statvfs(case.samba.data)
        near = total.f_bavail * total.f_frsize
        for path in ("", "new.raw"):
            assert abs(free_space(at(case.samba, path), account) - near) < near // 4
        assert free_space(at(case.samba, "", "small"), account) <= FULL_SIZE * MIB
        for place in (at(case.samba, "no/new.raw"), at(case.samba, "", "none")):
            with pytest.raises(NotFoundError):
                free_space(place, account)


class TestOnTheWay:
    def test_bit_flipped_upward(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            target = case.target(SIZE)
            case.relay.flip_sent_at = case.relay.sent + 3 * MIB
            copy(source, target)
        assert case.relay.flip_sent_at is None
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_bit_flipped_downward(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            manifest = copy(source, case.target(SIZE))
        with case.reader() as reader:
            case.relay.flip_received_at = case.relay.received + 3 * MIB
            assert tree_hash(reader).root == manifest.root
        assert case.relay.flip_received_at is None

    def test_slow_peer(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            target = case.target(SIZE)
            stalls = iter([1.5])

            def stall(done: int, total: int) -> None:
                if seconds := next(stalls, 0.0):
                    case.relay.flowing.clear()
                    threading.Timer(seconds, case.relay.flowing.set).start()

            copy(source, target, progress=stall)
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_nothing_readable_travels(self, samba: Samba, tmp_path: Path) -> None:
        seen = bytearray()
        case = SmbCase(samba, tmp_path / "state")
        secret = b"what nobody may read on the wire"
        (samba.data / NAME).write_bytes(secret * (MIB // len(secret)))
        case.relay.listen = seen.extend
        with case.reader() as reader:
            reader.read_into(0, bytearray(MIB))
        case.relay.close()
        assert len(seen) > MIB
        assert secret not in seen

    def test_server_that_is_started_again(self, tmp_path: Path, disk: Path) -> None:
        samba = Samba(tmp_path / "samba", "smb encrypt = required")
        restarts = iter([1])
        try:
            target = target_at(samba, tmp_path / "state", NAME, patience=60.0)
            writer = create_disk(target, DiskFormat.VHDX, SIZE)

            def restart(done: int, total: int) -> None:
                if done > total // 2 and next(restarts, 0):
                    samba.kill()
                    samba.start()

            with open_disk(disk) as source:
                manifest = copy(source, writer, progress=restart)
            assert samba.names() == [NAME]
            (samba.data / NAME).rename(samba.data / "disk.vhdx")
            with open_disk(samba.data / "disk.vhdx") as reader:
                assert tree_hash(reader).root == manifest.root
        finally:
            samba.kill()

    def test_connection_lost_just_after_the_file_is_made(
        self, case: SmbCase, disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_sparse = Handle.make_sparse
        lost: list[bool] = []

        def lose(handle: Handle) -> None:
            if not lost:
                lost.append(True)
                raise ConnectionResetError("lost")
            make_sparse(handle)

        monkeypatch.setattr(Handle, "make_sparse", lose)
        target = target_at(case.samba, case.state, NAME, resume=True)
        writer = create_disk(target, DiskFormat.RAW, SIZE)
        assert lost
        assert not target.resumed
        with open_disk(disk) as source:
            copy(source, writer)
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_answer_to_the_renaming_is_lost(
        self, case: SmbCase, disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = Handle.rename
        lost: list[str] = []

        def lose(handle: Handle, path: str, *, replace: bool) -> None:
            rename(handle, path, replace=replace)
            if not lost:
                lost.append(path)
                raise ConnectionResetError("lost")

        monkeypatch.setattr(Handle, "rename", lose)
        with open_disk(disk) as source:
            copy(source, case.target(SIZE))
        assert lost
        assert case.samba.names() == [NAME]
        assert case.samba.content(NAME) == disk.read_bytes()


def make_target(  # noqa: PLR0917  # what `copy_child` gives by name
    work: str, port: int, state: str, format: str, size: int, every: int
) -> DiskWriter:
    """The target of a copy in a process of its own; the password comes from a file."""
    copying.SYNC_EVERY = every
    lines = dict(line.split(" = ") for line in (Path(work) / "login").read_text().splitlines())
    target = SmbTarget(
        SmbLocation("127.0.0.1", "data", f"disk.{format}", port),
        UsernamePassword(lines["username"], lines["password"]),
        state=Path(state),
        resume=True,
    )
    return create_disk(target, DiskFormat(format), size)


class TestKilled:
    @pytest.mark.parametrize("format", ["raw", "vhdx"])
    def test_resumes_after_kill(self, case: SmbCase, tmp_path: Path, format: str) -> None:
        self._run(case, tmp_path, format, 128 * MIB, every=8 * MIB)

    @pytest.mark.slow
    @pytest.mark.timeout(1200)
    def test_resumes_after_kill_of_4_gib(self, case: SmbCase, tmp_path: Path) -> None:
        self._run(case, tmp_path, "vhdx", 4096 * MIB, every=256 * MIB)

    def _run(self, case: SmbCase, tmp_path: Path, format: str, size: int, every: int) -> None:
        disk = tmp_path / "large.raw"
        with open(disk, "wb") as out:
            for _ in range(0, size, MIB):
                out.write(os.urandom(MIB))
        job = {
            "source": str(disk),
            "make": "tests.contract.ends.test_smb:make_target",
            "args": {
                "work": str(case.samba.work),
                "port": case.relay.port,
                "state": str(tmp_path / "state"),
                "format": format,
                "size": size,
                "every": every,
            },
            "journal": str(tmp_path / "journal"),
        }
        argv = [sys.executable, "-m", "tests.contract.ends.copy_child", json.dumps(job)]
        first = subprocess.Popen(argv)
        while case.relay.sent < size // 2:
            assert first.poll() is None
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert case.samba.names() == [f"disk.{format}.partial"]
        before, read = case.relay.sent, case.relay.received
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        # What was durable is read back, and not sent again.
        assert case.relay.sent - before < size // 2 + 4 * every + MIB
        assert case.relay.received - read > size // 2 - 4 * every
        assert case.samba.names() == [f"disk.{format}"]
        assert not (tmp_path / "state").exists()
        with open_disk(disk) as source, open_disk(case.samba.data / f"disk.{format}") as reader:
            root = tree_hash(reader).root
            assert root == tree_hash(source).root
        assert root.hex() == done.stdout.strip()
