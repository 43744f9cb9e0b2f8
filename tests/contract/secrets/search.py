"""Where a secret can be seen, in any form that gives it away."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class Secret:
    """`known`: the only places that may have it; `random`: too long to be found by its hash."""

    name: str
    text: str
    known: tuple[str, ...] = ()
    random: bool = False
    also: tuple[bytes, ...] = ()
    forms: dict[str, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        forms = dict(_forms(self.text, hashed=not self.random))
        forms |= {f"also {number}": each for number, each in enumerate(self.also)}
        object.__setattr__(self, "forms", forms)


def seen(secrets: Sequence[Secret], place: str, data: bytes) -> list[str]:
    """Which secrets are in the data, and how."""
    return [
        f"{secret.name} ({form}) in {place}"
        for secret in secrets
        if not place.endswith(secret.known)
        for form, wanted in secret.forms.items()
        if wanted in data
    ]


def in_files(secrets: Sequence[Secret], *folders: Path) -> list[str]:
    """In the names and contents of all files below."""
    found: list[str] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            found += seen(secrets, "a file's name", os.fsencode(path))
            # Jobs make and remove files meanwhile; a link is not followed.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink():
                    found += seen(secrets, str(path), path.read_bytes())
    return found


def in_processes(secrets: Sequence[Secret], *, below: int) -> list[str]:
    """In the arguments and environments of all processes that descend from one."""
    found: list[str] = []
    for pid in descendants(below):
        for kind in ("cmdline", "environ"):
            # Ours keep their environment to themselves, from all but root.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                found += seen(secrets, f"{kind} of {pid}", Path(f"/proc/{pid}/{kind}").read_bytes())
    return found


def descendants(of: int) -> list[int]:
    """The process, its children, theirs, ..."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [of]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _forms(text: str, *, hashed: bool) -> Iterator[tuple[str, bytes]]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        raw = text.encode(encoding)
        yield encoding, raw
        yield f"hex of {encoding}", raw.hex().encode()
        yield f"HEX of {encoding}", raw.hex().upper().encode()
        for offset in range(3):
            piece = _base64(raw, offset)
            yield f"base64 of {encoding} at {offset}", piece
            yield f"base64url of {encoding} at {offset}", piece.translate(_URL_SAFE)
        if hashed:
            for kind in ("md5", "sha1", "sha256", "sha512"):
                digest = hashlib.new(kind, raw, usedforsecurity=False)
                yield f"{kind} of {encoding}", digest.digest()
                yield f"hex of {kind} of {encoding}", digest.hexdigest().encode()
                yield f"base64 of {kind} of {encoding}", base64.b64encode(digest.digest())
    yield "URL", quote(text, safe="").encode()
    yield "JSON", json.dumps(text)[1:-1].encode()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64(raw: bytes, offset: int) -> bytes:
    """What base64 has of it for certain when it begins `offset` bytes after a multiple of 3."""
    whole = base64.b64encode(bytes(offset) + raw)
    begin, end = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
    return whole[begin:end]
