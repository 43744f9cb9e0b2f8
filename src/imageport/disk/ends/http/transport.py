"""Connections to web servers, kept open between requests, through the environment's proxies.

It is `http.client` that speaks here, since its responses are read by the socket straight into the
caller's buffer: more than twice the rate of a client that passes pieces on.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from imageport.disk.ends.errors import DeniedError, UnsuitableError
from imageport.disk.ends.http.address import HttpAddress
from imageport.disk.ends.retry import TransientError

_Origin = tuple[str, str, int]
_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class HttpTransport:
    """Sends requests from any thread; a connection serves one at a time and is then kept."""

    def __init__(self, ca: Path | None, timeout: float) -> None:
        """`ca` is a PEM file of the only authorities to trust; None for the system's.

        `timeout` seconds without a byte end a connection. Raises `UnsuitableError`.
        """
        self._timeout = timeout
        self._context = _context(ca)
        self._idle: dict[_Origin, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def get(
        self, address: HttpAddress, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, of which the block reads what it wants.

        Raises `TransientError`, `DeniedError` (a proxy), `UnsuitableError` (a certificate).
        """
        origin = address.scheme, address.host, address.port
        with _mapped(address.name):
            connection, response = self._exchange(origin, address, headers)
            try:
                yield response
            except BaseException:
                connection.close()
                raise
            finally:
                whole = response.isclosed()
                response.close()
            # A body that was not read to its end would be taken for the next answer.
            if not whole or response.will_close:
                connection.close()
                return
        with self._lock:
            self._idle.setdefault(origin, []).append(connection)

    def close(self) -> None:
        """Close the connections that nobody uses; safe to repeat."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _exchange(
        self, origin: _Origin, address: HttpAddress, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                kept = idle.pop() if idle else None
            connection = kept or self._connection(address)
            try:
                connection.request("GET", self._asked(address), headers=self._all(address, headers))
                return connection, connection.getresponse()
            except BaseException as error:
                connection.close()
                # The server may close what is kept at any time: that is no failure.
                if kept is None or not isinstance(error, _STALE):
                    raise

    def _connection(self, address: HttpAddress) -> http.client.HTTPConnection:
        proxy = _proxy(address)
        host, port = (address.host, address.port) if proxy is None else (proxy.host, proxy.port)
        if address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection = http.client.HTTPSConnection(
            host, port, timeout=self._timeout, context=self._context
        )
        if proxy is not None:
            connection.set_tunnel(address.host, address.port, headers=proxy.headers)
        return connection

    def _asked(self, address: HttpAddress) -> str:
        """A proxy is asked for the whole address, when what passes it is not a tunnel."""
        plain = address.scheme == "http"
        return address.url if plain and _proxy(address) is not None else address.target

    def _all(self, address: HttpAddress, headers: Mapping[str, str]) -> dict[str, str]:
        proxy = _proxy(address) if address.scheme == "http" else None
        return {"Host": address.authority, **headers, **(proxy.headers if proxy else {})}


class _Proxy:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.headers: dict[str, str] = {}
        if parts.scheme != "http" or not self.host:
            detail = f"a proxy of the kind {parts.scheme}:// is not supported"
            raise UnsuitableError(file=self.host or "the proxy", detail=detail)
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            words = base64.b64encode(user.encode()).decode()
            self.headers["Proxy-Authorization"] = f"Basic {words}"


def _proxy(address: HttpAddress) -> _Proxy | None:
    """What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say of the address."""
    proxies = getproxies()
    url = proxies.get(address.scheme) or proxies.get("all")
    if not url or proxy_bypass(f"{address.host}:{address.port}"):
        return None
    return _Proxy(url)


def _context(ca: Path | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    # Nothing in the environment may add to the file that was given, or take its place.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        detail = f"no certificates can be read from it ({error.strerror or error})"
        raise UnsuitableError(file=str(ca), detail=detail) from error
    return context


@contextlib.contextmanager
def _mapped(name: str) -> Iterator[None]:
    """Turn what goes wrong on the way to and from a server into our errors."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        detail = f"its certificate is not trusted ({error.verify_message})"
        raise UnsuitableError(file=name, detail=detail) from error
    except http.client.HTTPException as error:
        raise TransientError(f"no sound answer ({type(error).__name__})") from error
    except TimeoutError as error:
        raise TransientError("no answer in time") from error
    except OSError as error:
        said = error.strerror or str(error)
        if said.startswith("Tunnel connection failed: 407"):
            raise DeniedError(file=name, detail="the proxy wants credentials") from error
        raise TransientError(said) from error
