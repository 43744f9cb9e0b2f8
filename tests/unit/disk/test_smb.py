"""The parts of the SMB end that need no server."""

from __future__ import annotations

import os
import socket
import struct
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidTag

from imageport.disk.ends.errors import (
    AddressError,
    DeniedError,
    InUseError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
)
from imageport.disk.ends.retry import TransientError
from imageport.disk.ends.smb import packets
from imageport.disk.ends.smb.channel import Channel, StatusError
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.packets import TAG, Address, Sealer, Ticket
from imageport.disk.ends.smb.status import translated
from imageport.disk.errors import TargetExistsError

TO = Address(session=7, tree=5, file=b"f" * 16)


class TestLocation:
    def test_parses_and_prints(self) -> None:
        place = SmbLocation.parse("smb://nas.example:1445/My%20Share/folder/disk.vhdx")
        assert place == SmbLocation("nas.example", "My Share", "folder/disk.vhdx", 1445)
        assert place.windows_path == "folder\\disk.vhdx"
        assert place.name == "smb://nas.example:1445/My Share/folder/disk.vhdx"
        assert place.beside("b.vhdx").path == "folder/b.vhdx"
        assert place.parent.path == "folder"

    def test_folder_and_root_and_ipv6(self) -> None:
        assert SmbLocation.parse("smb://h/s/folder/").path == "folder"
        assert SmbLocation.parse("smb://h/s").path == ""
        assert SmbLocation.parse("smb://h/s/x").beside("y").path == "y"
        assert SmbLocation.parse("smb://[::1]/s/x").name == "smb://[::1]/s/x"

    @pytest.mark.parametrize(
        "address",
        [
            "smb://h",
            "smb:///s/x",
            "http://h/s/x",
            "smb://h/s/../x",
            "smb://h/s/a//x",
            "smb://h/s/x:stream",
            "smb://h/s/a%5Cb",
            "smb://h/s/%00x",
            "smb://h:port/s/x",
            "smb://h/s/x?y",
        ],
    )
    def test_refuses(self, address: str) -> None:
        with pytest.raises(AddressError):
            SmbLocation.parse(address)

    @pytest.mark.parametrize("address", ["smb://me:hunter2@h/s/x", "smb://me:hunter2@h:x/s"])
    def test_never_repeats_a_password(self, address: str) -> None:
        with pytest.raises(AddressError) as caught:
            SmbLocation.parse(address)
        assert "hunter2" not in str(caught.value.as_dict())
        assert "hunter2" not in str(caught.value.__cause__)


class TestSealer:
    def pair(self) -> tuple[Sealer, Sealer]:
        one, two = os.urandom(16), os.urandom(16)
        return Sealer(7, one, two), Sealer(7, two, one)

    def received(self, packet: memoryview) -> bytearray:
        assert packets.LENGTH.unpack_from(packet)[0] == len(packet) - 4
        return bytearray(packet[4:]) + bytearray(TAG)

    @pytest.mark.parametrize("size", [16, 511, 70000])
    def test_opens_what_it_sealed(self, size: int) -> None:
        client, server = self.pair()
        data = memoryview(os.urandom(size))
        room = memoryview(bytearray(packets.WRITE_OFFSET + size))
        length = packets.pack_write(room, TO, Ticket(3, 2, 9), 1 << 40, data)
        packet = client.seal(room[:length])
        assert bytes(data) not in bytes(packet)
        opened = server.open(memoryview(self.received(packet)))
        assert opened == room[:length]
        assert packets.unpack_header(opened).message == 3

    @pytest.mark.parametrize("at", [0, 5, 25, 45, 52, 120])
    def test_notices_every_change(self, at: int) -> None:
        client, server = self.pair()
        packet = self.received(client.seal(memoryview(bytearray(100))))
        packet[at] ^= 1
        with pytest.raises((ValueError, InvalidTag)):
            server.open(memoryview(packet))

    def test_no_nonce_twice(self) -> None:
        client, _ = self.pair()
        message = memoryview(bytearray(100))
        assert len({bytes(client.seal(message)[24:36]) for _ in range(100)}) == 100


class TestAnswers:
    def answer(self, body: bytes, status: int = 0) -> memoryview:
        head = struct.pack("<4sHHIHHIIQ", b"\xfeSMB", 64, 0, status, 8, 1, 1, 0, 3)
        return memoryview(head.ljust(64, b"\0") + body)

    def test_reads_data(self) -> None:
        body = struct.pack("<HBxIII", 17, 80, 5, 0, 0) + b"hello"
        assert bytes(packets.read_data(self.answer(body))) == b"hello"

    @pytest.mark.parametrize("offset, length", [(80, 6), (255, 1), (80, 0xFFFFFFFF)])
    def test_data_that_is_not_there(self, offset: int, length: int) -> None:
        body = struct.pack("<HBxIII", 17, offset, length, 0, 0) + b"hello"
        with pytest.raises(ValueError, match="shorter"):
            packets.read_data(self.answer(body))

    def test_nonsense(self) -> None:
        for message in (b"", b"\xfeSMB", b"x" * 100):
            with pytest.raises(ValueError, match="message"):
                packets.unpack_header(memoryview(message))
        for parse in (packets.read_data, packets.written):
            with pytest.raises(ValueError, match="shorter"):
                parse(self.answer(b""))

    def test_costs(self) -> None:
        assert [packets.charge(n) for n in (0, 1, 65536, 65537, 1 << 20)] == [1, 1, 1, 2, 16]


class TestProtection:
    """What a man in the middle sends in the clear is not believed."""

    @pytest.mark.parametrize("encrypted", [True, False])
    def test_plain_answer_is_refused(self, encrypted: bool) -> None:
        near, far = socket.socketpair()
        with near, far:
            channel = Channel.__new__(Channel)
            channel.transport = SimpleNamespace(_sock=near)
            channel._prepared = channel._secured = True
            channel._encrypted, channel._sealer = encrypted, None
            channel._packet = bytearray()
            message = TestAnswers().answer(bytes(16))
            far.sendall(packets.LENGTH.pack(len(message)) + message)
            expected = "not encrypted" if encrypted else "not signed"
            with pytest.raises(ValueError, match=expected):
                channel._next_message()

    def test_length_that_no_message_has(self) -> None:
        near, far = socket.socketpair()
        with near, far:
            channel = Channel.__new__(Channel)
            channel.transport = SimpleNamespace(_sock=near)
            channel._prepared = True
            far.sendall(b"\xff\xff\xff\xff")
            with pytest.raises(ValueError, match="no SMB message"):
                channel._receive_packet()


@pytest.mark.parametrize(
    "status, kind",
    [
        (0xC000006D, DeniedError),
        (0xC0000022, DeniedError),
        (0xC00000CC, NotFoundError),
        (0xC0000034, NotFoundError),
        (0xC0000043, InUseError),
        (0xC000007F, NoSpaceError),
        (0xC0000044, NoSpaceError),
        (0xC0000033, RefusedError),
        (0xC0000035, TargetExistsError),
        (0xC00000C9, TransientError),
        (0xC0000203, TransientError),
        (0xC0DEC0DE, RefusedError),
    ],
)
def test_status(status: int, kind: type[Exception]) -> None:
    error = translated(StatusError(status), "smb://h/s/x", 5)
    assert type(error) is kind
    if not isinstance(error, (TransientError, TargetExistsError)):
        assert f"{status:#010x}" in error.message
