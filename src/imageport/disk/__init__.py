"""Bytes: disk formats, extents, reading, copying, tree hash and the ends bytes go to."""
