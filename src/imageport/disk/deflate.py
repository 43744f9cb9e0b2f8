"""Deflate (RFC 1951), with or without the zlib envelope (RFC 1950), always bounded.

Intel's ISA-L compresses near the ratio of zlib's level 1 at six times its speed; libdeflate is the
fastest to inflate what fits into memory, and lets other threads run meanwhile.
"""

from __future__ import annotations

import zlib as plain_zlib

from deflate import DeflateError, deflate_decompress, zlib_decompress
from isal import isal_zlib as zlib

LEVEL = 2
"""Within a tenth of the size that zlib makes by default; higher levels cost far more time."""


def inflate(data: bytes | memoryview, limit: int, *, zlib_header: bool) -> bytearray:
    """The plain bytes of `data`, at most `limit`; what follows the stream is ignored.

    Raises `ValueError` when the stream is damaged or holds more.
    """
    unpack = zlib_decompress if zlib_header else deflate_decompress
    try:
        plain: bytearray = unpack(data, limit)
    except DeflateError as error:
        raise ValueError(
            f"the compressed data is damaged or holds more than {limit} bytes"
        ) from error
    return plain


def deflate(data: memoryview) -> bytes:
    """`data` as a zlib stream."""
    packed: bytes = zlib.compress(data, LEVEL)
    return packed


def deflate_part(data: memoryview) -> bytes:
    """`data` as a part of a raw stream that ends at a byte: parts may be made in any order."""
    packer = zlib.compressobj(LEVEL, plain_zlib.DEFLATED, -plain_zlib.MAX_WBITS)
    return bytes(packer.compress(data) + packer.flush(plain_zlib.Z_SYNC_FLUSH))


END_OF_PARTS = b"\x03\x00"
"""An empty last block, which ends a stream of parts."""
