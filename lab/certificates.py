"""Certificates for peers on this computer and for their clients; PEM files in one folder."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from imageport.engine.certificates import Authority

_HERE = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost"))


class LabAuthority:
    """Writes `ca-cert.pem` to `folder`, and NAME-cert.pem and NAME-key.pem for what it signs.

    The names are those that QEMU and nbdkit look for.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / "ca-cert.pem"
        self._authority = Authority("imageport lab")
        self.path.write_text(self._authority.certificate)

    def sign(
        self, name: str, *, client: bool = False, hosts: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """(certificate, key) of a server on this computer, or of a client; `hosts`: more names."""
        names = (*_HERE, *map(x509.DNSName, hosts))
        paths = self.folder / f"{name}-cert.pem", self.folder / f"{name}-key.pem"
        paths[1].touch(mode=0o600)
        for path, text in zip(
            paths, self._authority.issue(name, names, client=client), strict=True
        ):
            path.write_text(text)
        return paths

    def server_context(self) -> ssl.SSLContext:
        """TLS for a server on this computer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign("server"))
        return context
