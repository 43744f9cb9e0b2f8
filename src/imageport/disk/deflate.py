"""Deflate (RFC 1951), with or without the zlib envelope (RFC 1950), always bounded."""

from __future__ import annotations

import zlib


def inflate(data: bytes, limit: int, *, zlib_header: bool) -> bytes:
    """At most `limit` plain bytes of `data`; what follows them or the stream is ignored.

    Raises `ValueError` when the stream is damaged.
    """
    stream = zlib.decompressobj(zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)
    try:
        return stream.decompress(data, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from error
