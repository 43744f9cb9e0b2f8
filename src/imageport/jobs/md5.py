"""MD5 of a disk's content, which Citrix's `HashDisk` and `Md5Hash` speak of."""

from __future__ import annotations

import hashlib
import time

from imageport.disk.base import MIB
from imageport.disk.ends.open import Access, open_source
from imageport.jobs.errors import Md5Differs
from imageport.jobs.report import Reporter

_CHUNK = 8 * MIB


def content_md5(source: str, access: Access, reporter: Reporter) -> str:
    """Of all bytes of the disk, first to last, whatever the format (hex). Raises `DiskError`."""
    reporter.step_started("hash", f"MD5 of {source}")
    began = time.monotonic()
    found = hashlib.md5(usedforsecurity=False)
    with open_source(source, access) as reader:
        buffer = bytearray(_CHUNK)
        for offset in range(0, reader.size, _CHUNK):
            view = memoryview(buffer)[: min(_CHUNK, reader.size - offset)]
            reader.read_into(offset, view)
            found.update(view)
            reporter.progress(offset + len(view), reader.size, "bytes")
    reporter.step_done("hash", time.monotonic() - began)
    return found.hexdigest()


def require_md5(source: str, access: Access, wanted: str, reporter: Reporter) -> None:
    """Raises Md5Differs."""
    found = content_md5(source, access, reporter)
    if found != wanted.lower():
        raise Md5Differs(path=source, found=found, wanted=wanted.lower())
