"""Taking secrets out of text that people outside may read."""

from __future__ import annotations

import codecs
import re
from typing import Any, Final

_REMOVED: Final = b"(removed)"
_KEYS: Final = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S
)
_HASHES: Final = re.compile(
    rb"\$(?:1|2[abxy]?|5|6|7|gy|y|sha1)\$[./A-Za-z0-9$=,]{8,}|grub\.pbkdf2\.[A-Za-z0-9.]+"
)
"""Of passwords, as crypt(5) and GRUB write them."""
_NAMED: Final = re.compile(
    rb"""(?i)((?:pass(?:word|wd|phrase)?|pwd|psk|secret|token|api[_-]?key)["']?[ \t]*[:=][ \t]*)"""
    rb"""(?:"[^"\r\n]+"|'[^'\r\n]+'|[^\s"',;\\]+)"""
)
_SECRET_NAME: Final = re.compile(r"(?i)(?:password|passphrase|secret|psk|token)$")
_UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def scrubbed(text: bytes) -> bytes:
    """`text` without private keys, password hashes and what follows a name such as `password=`."""
    text = _KEYS.sub(_REMOVED, text)
    text = _HASHES.sub(_REMOVED, text)
    return _NAMED.sub(rb"\1" + _REMOVED, text)


def scrubbed_data(value: Any) -> Any:
    """The same for what becomes JSON."""
    if isinstance(value, str):
        return scrubbed(value.encode(errors="surrogateescape")).decode(errors="replace")
    if isinstance(value, dict):
        return {key: _scrubbed_item(key, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed_data(each) for each in value]
    return value


def _scrubbed_item(key: Any, value: Any) -> Any:
    secret = isinstance(value, str) and _SECRET_NAME.search(str(key))
    return _REMOVED.decode() if secret else scrubbed_data(value)


def as_utf_8(content: bytes, start: bytes) -> bytes:
    """Text of Windows' in UTF-8; `start` is how its file begins, which `content` may be cut off."""
    encoding = _UTF_16.get(start[:2])
    if encoding is None:
        return content
    even = content[: len(content) // 2 * 2]
    return even.decode(encoding, "replace").lstrip("\ufeff").encode()
