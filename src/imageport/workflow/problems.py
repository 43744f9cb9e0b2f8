"""What pydantic finds in a document, by the lines of its file, and never with a value of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imageport.workflow.document import Lines, Place, plain_key
from imageport.workflow.errors import Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECRETS = ("password", "secret", "username", "token", "accesskey", "privatekey", "sas")
_PATTERNS = {
    "location": "must be a folder of a share, such as smb://files/images/, and names no account",
    "image": "must be a file's name, without extension",
}


def problems_of(
    found: Sequence[ErrorDetails], lines: Lines, place: Place = (), otherwise: Place = ()
) -> list[Problem]:
    """All that is wrong at `place`; what is not written there comes from `otherwise`."""
    return [_problem(each, lines, place, otherwise) for each in found]


def key_of(found: ErrorDetails) -> str | None:
    """The field of the object that is wrong."""
    return _named_key(found) if not found["loc"] else str(found["loc"][0])


def _problem(found: ErrorDetails, lines: Lines, place: Place, otherwise: Place) -> Problem:
    where: Place = tuple(found["loc"])
    key = _named_key(found)
    inside = (*where, key) if key else where
    if inside and not lines.has((*place, inside[0])) and lines.has((*otherwise, inside[0])):
        place = otherwise
    path = ".".join(str(each + 1) if isinstance(each, int) else each for each in (*place, *where))
    text = _text(found, key)
    return Problem(lines.of((*place, *inside)), f"{path}: {text}" if path else text)


def _named_key(found: ErrorDetails) -> str | None:
    """The key that an error is about, which is found at the object that has it."""
    said: dict[str, Any] = found.get("ctx", {})
    name = said.get("field") or said.get("name")
    return name if found["type"] in ("unknown_field", "twice") else None


def _text(found: ErrorDetails, key: str | None) -> str:
    kind = found["type"]
    last = str(found["loc"][-1]) if found["loc"] else ""
    if kind == "unknown_field" and key and any(each in plain_key(key) for each in _SECRETS):
        return (
            f"{key}: secrets have no place in this file; keep them with `imageport credential "
            "add`, and give the credential's name"
        )
    if kind == "string_type":
        return "must be a text; in quotes, if it looks like a number or a date"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(last, "has characters that it may not have")
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return "must have fields of its own"
    if kind == "missing":
        return "is missing"
    return found["msg"]
