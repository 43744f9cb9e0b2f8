"""How the service and we check that a range arrived whole."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum

# The package has no types. Its CRC-64/NVME is the CRC-64 of Azure Storage, and runs at the speed of
# memory; Microsoft's own extension package does 1 % of that, with the interpreter's lock held.
from awscrt.checksums import crc64nvme  # type: ignore[import-untyped]


class Checksum(StrEnum):
    """Transactional content validation ("Put Page" and "Get Blob", Azure Storage REST API)."""

    CRC64 = "crc64"
    MD5 = "md5"
    """For services older than version 2019-02-02 of the interface."""
    NONE = "none"

    @property
    def header(self) -> str:
        """The header that carries it, in lower case."""
        return {"crc64": "x-ms-content-crc64", "md5": "content-md5"}[self]

    @property
    def request_header(self) -> str:
        """The header by which a read asks for it."""
        return f"x-ms-range-get-content-{self}"

    def of(self, data: bytes | memoryview) -> str:
        """The value of the header for `data`."""
        if self is Checksum.MD5:
            digest = hashlib.md5(data, usedforsecurity=False).digest()
        else:
            digest = crc64nvme(data).to_bytes(8, "little")
        return base64.b64encode(digest).decode()
