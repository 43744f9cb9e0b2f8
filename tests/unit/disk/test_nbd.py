"""The NBD client against a server that says exactly what a test wants, sound or not."""

from __future__ import annotations

import contextlib
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageport.disk.base import MIB, ExtentKind
from imageport.disk.ends.errors import (
    EndError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    UnsuitableError,
)
from imageport.disk.ends.nbd.address import NbdAddress
from imageport.disk.ends.nbd.ends import NbdReader, NbdWriter

SIZE = 4 * MIB
FLAGS = 0b1_0010_0001  # has flags, trim, several connections
GREETING = struct.pack(">QQH", 0x4E42444D41474943, 0x49484156454F5054, 3)
ACK, INFO, META, UNSUPPORTED, UNKNOWN = 1, 3, 4, 0x80000001, 0x80000006
GO, STRUCTURED, CONTEXT, EXPORT_NAME = 7, 8, 10, 1
DONE = 1

Answer = Callable[[int, int, int, int], bytes]
"""From a request's type, cookie, offset and length to the bytes of its reply."""


def option_reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data


def chunk(cookie: int, kind: int, data: bytes = b"", flags: int = DONE) -> bytes:
    return struct.pack(">IHHQI", 0x668E33EF, flags, kind, cookie, len(data)) + data


def simple(cookie: int, error: int = 0, data: bytes = b"") -> bytes:
    return struct.pack(">IIQ", 0x67446698, error, cookie) + data


class Server:
    """Negotiates, then answers requests by `answer`; options are overridden in `options`."""

    def __init__(self, path: Path, answer: Answer, options: dict[int, bytes]) -> None:
        self.requests: list[tuple[int, int, int, int]] = []
        self.greeting = GREETING
        self._answer = answer
        info = option_reply(GO, INFO, struct.pack(">HQH", 0, SIZE, FLAGS))
        sizes = option_reply(GO, INFO, struct.pack(">HIII", 3, 1, 4096, 32 * MIB))
        context = option_reply(CONTEXT, META, struct.pack(">I", 77) + b"base:allocation")
        self._options = {
            STRUCTURED: option_reply(STRUCTURED, ACK),
            CONTEXT: context + option_reply(CONTEXT, ACK),
            GO: info + sizes + option_reply(GO, ACK),
            **options,
        }
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(
                    threading.Thread(target=self._serve, args=(connection,), daemon=True)
                )
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as said, contextlib.suppress(OSError):
            connection.sendall(self.greeting)
            said.read(4)
            while len(head := said.read(16)) == 16:
                _, option, length = struct.unpack(">QII", head)
                said.read(length)
                reply = self._options.get(option, option_reply(option, UNSUPPORTED))
                connection.sendall(reply)
                if option == EXPORT_NAME or (option == GO and reply[-8:-4] == bytes((0, 0, 0, 1))):
                    break
            while len(head := said.read(28)) == 28:
                _, _, kind, cookie, offset, length = struct.unpack(">IHHQQI", head)
                if kind == 2:
                    return
                if kind == 1:
                    said.read(length)
                self.requests.append((kind, cookie, offset, length))
                connection.sendall(self._answer(kind, cookie, offset, length))


Serve = Callable[..., tuple[NbdAddress, Server]]


@contextlib.contextmanager
def served() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())

        def start(
            answer: Answer = lambda *request: b"", **options: bytes
        ) -> tuple[NbdAddress, Server]:
            numbers = {"go": GO, "structured": STRUCTURED, "context": CONTEXT, "old": EXPORT_NAME}
            path = Path(folder) / "socket"
            server = Server(path, answer, {numbers[name]: said for name, said in options.items()})
            stack.callback(server.close)
            return NbdAddress(socket=path), server

        yield start


@pytest.fixture
def serve() -> Iterator[Serve]:
    with served() as start:
        yield start


def pattern(offset: int, length: int) -> bytes:
    return bytes((offset + index) * 7 % 251 for index in range(length))


def data(offset: int, length: int) -> bytes:
    return struct.pack(">Q", offset) + pattern(offset, length)


def read(address: NbdAddress, offset: int = 512, length: int = 1024) -> bytes:
    buffer = bytearray(b"?" * length)
    # Long enough for a second try on a busy computer.
    with NbdReader(address, patience=1.5) as reader:
        reader.read_into(offset, buffer)
    return bytes(buffer)


class TestHandshake:
    @pytest.mark.parametrize(
        "greeting",
        [
            b"SSH-2.0-OpenSSH_9.2p1 Debian",
            GREETING[:8] + struct.pack(">Q", 0x420281861253) + bytes(200),
            GREETING[:16] + bytes(2),
        ],
        ids=["ssh", "oldstyle", "newstyle that is not fixed"],
    )
    def test_other_greetings(self, serve: Serve, greeting: bytes) -> None:
        address, server = serve()
        server.greeting = greeting
        with pytest.raises(UnsuitableError):
            read(address)

    @pytest.mark.parametrize(
        "reply",
        [
            b"x" * 20,
            option_reply(GO, ACK),
            option_reply(STRUCTURED, ACK),
            option_reply(GO, INFO, b"")[:-4] + struct.pack(">I", 1 << 31),
            option_reply(GO, INFO) * 100,
            option_reply(GO, 0x80000099, b"no such luck"),
        ],
    )
    def test_nonsense(self, serve: Serve, reply: bytes) -> None:
        address, _ = serve(go=reply)
        with pytest.raises(UnsuitableError):
            read(address)

    @pytest.mark.parametrize(
        ("minimum", "maximum", "size"),
        [(0, MIB, SIZE), (3, MIB, SIZE), (1 << 17, MIB, SIZE), (4096, 512, SIZE), (4096, MIB, 512)],
    )
    def test_impossible_block_sizes(
        self, serve: Serve, minimum: int, maximum: int, size: int
    ) -> None:
        info = option_reply(GO, INFO, struct.pack(">HQH", 0, size, FLAGS))
        sizes = option_reply(GO, INFO, struct.pack(">HIII", 3, minimum, 4096, maximum))
        address, _ = serve(go=info + sizes + option_reply(GO, ACK))
        with pytest.raises(UnsuitableError):
            read(address)

    def test_words_of_the_server(self, serve: Serve) -> None:
        address, _ = serve(go=option_reply(GO, UNKNOWN, b"try another name"))
        with pytest.raises(NotFoundError, match="try another name"):
            read(address)

    @pytest.mark.parametrize("padding", [0, 124])
    def test_server_that_knows_no_go(self, serve: Serve, padding: int) -> None:
        address, server = serve(
            lambda kind, cookie, offset, length: simple(cookie, 0, pattern(offset, length)),
            go=option_reply(GO, UNSUPPORTED),
            structured=option_reply(STRUCTURED, UNSUPPORTED),
            old=struct.pack(">QH", SIZE, FLAGS) + bytes(padding),
        )
        if padding:
            server.greeting = GREETING[:16] + b"\0\1"
        assert read(address) == pattern(512, 1024)


class TestReplies:
    def test_chunks_in_any_order_and_holes(self, serve: Serve) -> None:
        def answer(kind: int, cookie: int, offset: int, length: int) -> bytes:
            hole = struct.pack(">QI", offset + 256, 512)
            return (
                chunk(cookie, 1, data(offset + 768, length - 768), 0)
                + chunk(cookie, 2, hole, 0)
                + chunk(cookie, 1, data(offset, 256), 0)
                + chunk(cookie, 0)
            )

        address, _ = serve(answer)
        whole = pattern(512, 1024)
        assert read(address) == whole[:256] + bytes(512) + whole[768:]

    def test_replies_in_another_order(self, serve: Serve) -> None:
        held: list[bytes] = []

        def answer(kind: int, cookie: int, offset: int, length: int) -> bytes:
            held.append(chunk(cookie, 1, data(offset, length)))
            return b"" if len(held) < 3 else b"".join(reversed(held))

        address, _ = serve(answer)
        buffers = [bytearray(4096) for _ in range(3)]
        with NbdReader(address, patience=10, connections=1) as reader:
            threads = [
                threading.Thread(target=reader.read_into, args=(number * 8192, buffer))
                for number, buffer in enumerate(buffers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        assert buffers == [pattern(number * 8192, 4096) for number in range(3)]

    @pytest.mark.parametrize(
        "reply",
        [
            lambda cookie: simple(cookie, 0, pattern(512, 1024)),
            lambda cookie: simple(cookie + 1),
            lambda cookie: chunk(cookie + 1, 0),
            lambda cookie: chunk(cookie, 0),
            lambda cookie: chunk(cookie, 0, b"x"),
            lambda cookie: chunk(cookie, 1, data(512, 1023)),
            lambda cookie: chunk(cookie, 1, data(512, 1025)),
            lambda cookie: chunk(cookie, 1, data(511, 1024)),
            lambda cookie: chunk(cookie, 1, data(1 << 63, 8)),
            lambda cookie: chunk(cookie, 1, bytes(8)),
            lambda cookie: chunk(cookie, 2, struct.pack(">QI", 512, 1025)),
            lambda cookie: chunk(cookie, 2, struct.pack(">QI", 512, 0)),
            lambda cookie: chunk(cookie, 4711, bytes(12)),
            lambda cookie: struct.pack(">IHHQI", 0x668E33EF, 1, 1, cookie, 0xFFFFFFFF),
            lambda cookie: struct.pack(">IHHQI", 0x668E33EF, 1, 0x8001, cookie, 0xFFFFFFFF),
            lambda cookie: chunk(cookie, 0x8001, b"x"),
            lambda cookie: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        ],
    )
    def test_nonsense(self, serve: Serve, reply: Callable[[int], bytes]) -> None:
        address, server = serve(lambda kind, cookie, offset, length: reply(cookie))
        with pytest.raises(UnreachableError):
            read(address)
        # Tried again, on another connection.
        assert len(server.requests) > 1

    def test_words_of_the_server(self, serve: Serve) -> None:
        said = struct.pack(">IH", 4711, 5) + b"never" + bytes(8)
        address, server = serve(lambda kind, cookie, offset, length: chunk(cookie, 0x8002, said))
        with pytest.raises(RefusedError, match="never") as caught:
            read(address)
        assert caught.value.data["offset"] == 512
        assert len(server.requests) == 1

    def test_error_after_data(self, serve: Serve) -> None:
        def answer(kind: int, cookie: int, offset: int, length: int) -> bytes:
            if len(server.requests) > 1:
                return chunk(cookie, 1, data(offset, length))
            failed = chunk(cookie, 0x8001, struct.pack(">IH", 5, 0), 0)
            return (
                chunk(cookie, 1, bytes(8 - 2) + b"\2\0" + bytes(1024), 0)
                + failed
                + chunk(cookie, 0)
            )

        address, server = serve(answer)
        assert read(address) == pattern(512, 1024)
        assert len(server.requests) == 2


class TestStatus:
    @staticmethod
    def told(*extents: tuple[int, int], context: int = 77) -> Answer:
        said = struct.pack(">I", context) + b"".join(struct.pack(">II", *each) for each in extents)
        return lambda kind, cookie, offset, length: chunk(cookie, 5, said)

    def test_kinds(self, serve: Serve) -> None:
        address, _ = serve(self.told((MIB, 0), (MIB, 1), (MIB, 2), (9 * MIB, 3)))
        with NbdReader(address, patience=0.4) as reader:
            assert [(e.offset, e.length, e.kind) for e in reader.extents()] == [
                # A hole that is not said to be zeros may hold anything.
                (0, 2 * MIB, ExtentKind.DATA),
                (2 * MIB, MIB, ExtentKind.ZERO),
                (3 * MIB, MIB, ExtentKind.UNALLOCATED),
            ]
        writer = NbdWriter(address, SIZE, patience=0.4)
        assert not writer.zeroed
        writer.suspend()

    @pytest.mark.parametrize(
        "answer", [told(), told((0, 3)), told((MIB, 3), (0, 0)), told((SIZE, 3), context=78)]
    )
    def test_nonsense(self, serve: Serve, answer: Answer) -> None:
        address, _ = serve(answer)
        with NbdReader(address, patience=0.4) as reader, pytest.raises(UnreachableError):
            list(reader.extents())

    def test_another_context(self, serve: Serve) -> None:
        other = option_reply(CONTEXT, META, struct.pack(">I", 1) + b"qemu:allocation-depth")
        address, server = serve(context=other + option_reply(CONTEXT, ACK))
        with NbdReader(address, patience=0.4) as reader:
            assert [e.kind for e in reader.extents()] == [ExtentKind.DATA]
        assert server.requests == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 1, 2, 3]), st.binary(max_size=80), st.booleans())
def test_any_bytes_end_in_an_error_of_ours(where: int, noise: bytes, after: bool) -> None:
    with served() as serve:
        said = (option_reply(GO, ACK)[:12] + noise) if after else noise
        options = {["", "go", "structured", "context"][where]: said} if where else {}
        address, server = serve(lambda *request: noise + bytes(4096), **options)
        if where == 0:
            server.greeting = GREETING[: len(noise) % 19] + noise
        with pytest.raises(EndError):
            buffer = bytearray(1024)
            with NbdReader(address, patience=0.1) as reader:
                reader.read_into(0, buffer)


class TestAddress:
    @pytest.mark.parametrize(
        ("uri", "address"),
        [
            ("nbd://example.com", NbdAddress("example.com")),
            ("nbd://example.com:1/disk", NbdAddress("example.com", 1, export="disk")),
            ("nbds://[::1]//disk", NbdAddress("::1", export="/disk", secure=True)),
            ("nbd://h/hello%20world", NbdAddress("h", export="hello world")),
            ("nbd+unix:///disk?socket=/run/s", NbdAddress(socket=Path("/run/s"), export="disk")),
            ("nbds+unix:///?socket=a%20b", NbdAddress(socket=Path("a b"), secure=True)),
        ],
    )
    def test_uri(self, uri: str, address: NbdAddress) -> None:
        assert NbdAddress.parse(uri) == address
        assert NbdAddress.parse(str(address)) == address

    @pytest.mark.parametrize(
        "uri",
        [
            "nbd:///disk",
            "nbd://h/disk?tls-verify-peer=0",
            "nbd://h/?socket=/run/s",
            "nbd+unix://h/?socket=/run/s",
            "nbd+unix:///disk",
            "http://h/disk",
            "nbd://h:port/",
            "nbd://h/" + "x" * 5000,
        ],
    )
    def test_what_is_none(self, uri: str) -> None:
        with pytest.raises(UnsuitableError):
            NbdAddress.parse(uri)

    def test_password_is_not_repeated(self) -> None:
        with pytest.raises(UnsuitableError) as caught:
            NbdAddress.parse("nbd://me:hush@h/")
        assert "hush" not in str(caught.value.as_dict())
