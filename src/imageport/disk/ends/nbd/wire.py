"""A socket that fills buffers exactly, and whose every failure may be tried again."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import struct

from imageport.disk.ends.errors import DeniedError, UnsuitableError
from imageport.disk.ends.nbd.address import NbdAddress
from imageport.disk.ends.retry import TransientError


class Wire:
    """A connection; `timeout` seconds without a byte end it. Sizes in bytes."""

    def __init__(self, address: NbdAddress, timeout: float) -> None:
        """Connect. Raises `TransientError`."""
        self.name, self.secure = str(address), False
        self._timeout = timeout
        try:
            self._socket = _connected(address, timeout)
        except OSError as error:
            raise self._lost(error) from error
        self._flags: int = socket.MSG_WAITALL

    def start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        """Go on in TLS. Raises `UnsuitableError` for a server that is not to be trusted."""
        try:
            self._socket.settimeout(self._timeout)
            self._socket = context.wrap_socket(self._socket, server_hostname=hostname)
        except ssl.SSLCertVerificationError as error:
            detail = f"its certificate is not trusted ({error.verify_message})"
            raise UnsuitableError(file=self.name, detail=detail) from error
        except OSError as error:
            raise self._lost(error) from error
        self.secure, self._flags = True, 0

    def set_timeout(self, seconds: float) -> None:
        """From now on, `seconds` without a byte end the connection."""
        self._timeout = seconds
        if self.secure:
            self._socket.settimeout(seconds)
        else:
            _limit(self._socket, seconds)

    def receive(self, length: int) -> bytes:
        """Exactly `length` bytes; the caller has bounded `length`."""
        buffer = bytearray(length)
        self.fill(memoryview(buffer))
        return bytes(buffer)

    def fill(self, view: memoryview) -> None:
        """Receive into all of `view`."""
        done, length = 0, len(view)
        try:
            while done < length:
                # Without TLS this is one system call, whatever the size.
                got = self._socket.recv_into(view[done:], length - done, self._flags)
                if not got:
                    raise TransientError("the server closed the connection")
                done += got
        except OSError as error:
            raise self._lost(error) from error

    def send(self, head: bytes, data: memoryview | bytes = b"") -> None:
        """Send `head` and `data`, all of both."""
        try:
            if self.secure or not data:
                self._socket.sendall(head)
                self._socket.sendall(data)
                return
            done, length = self._socket.sendmsg([head, data]), len(head) + len(data)
            if done < len(head):
                self._socket.sendall(head[done:])
                done = len(head)
            if done < length:
                self._socket.sendall(memoryview(data)[done - len(head) :])
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Close the connection and wake who waits for it; safe to repeat."""
        # A thread may be within the socket: the descriptor stays. Not `SSLSocket.shutdown`, which
        # would let that thread go on in plain text.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Give back the descriptor, once no thread uses it."""
        self._socket.close()

    def _lost(self, error: OSError) -> TransientError | DeniedError:
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            # The server's last word about the client's certificate, often after the handshake.
            detail = f"TLS: {(error.reason or '').replace('_', ' ').lower()}"
            return DeniedError(file=self.name, detail=detail)
        if isinstance(error, TimeoutError | BlockingIOError):
            return TransientError(f"no answer for {self._timeout:g} seconds")
        return TransientError(error.strerror or type(error).__name__)


def _connected(address: NbdAddress, timeout: float) -> socket.socket:
    if address.socket is None:
        connection = socket.create_connection((address.host, address.port), timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(str(address.socket))
        except OSError:
            connection.close()
            raise
    _limit(connection, timeout)
    return connection


def _limit(connection: socket.socket, timeout: float) -> None:
    # A time limit of the kernel's: with Python's own, a socket does not block and a large receive
    # takes a dozen calls.
    connection.settimeout(None)
    fraction, seconds = math.modf(timeout)
    limit = struct.pack("@ll", int(seconds), int(fraction * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
