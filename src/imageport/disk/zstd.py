"""Zstandard (RFC 8878), always bounded."""

from __future__ import annotations

import zstandard

MAX_WINDOW = 8 * 1024 * 1024
"""Bytes of a frame's window; units of at most 2 MiB never need more."""


def unzstd(data: bytes | memoryview, limit: int) -> bytes:
    """At most `limit` plain bytes of the first frame of `data`; what follows it is ignored.

    Raises `ValueError` when the frame is damaged.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    plain = bytearray(limit)
    done = 0
    try:
        with decompressor.stream_reader(data) as stream:
            while done < limit and (got := stream.readinto(memoryview(plain)[done:])):
                done += got
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return bytes(plain[:done])
