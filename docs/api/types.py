"""Types of the OpenAPI document, in a few words each."""

from __future__ import annotations

from typing import Any

from imageport.wire.base import GUID_PATTERN, NAME_PATTERN

_PATTERNS = {
    GUID_PATTERN: "GUID",
    NAME_PATTERN: "name (letters, digits, `.`, `_`, `-`)",
    r"^[A-Za-z0-9+/]{43}=$": "base64 of 32 bytes",
    r"^[0-9]{1,9}\.[0-9]{1,9}$": "position",
}
_PLAIN = {"string": "text", "boolean": "true or false", "object": "object", "null": "null"}


def type_of(schema: dict[str, Any]) -> str:
    """Such as `list of [Job](#job)`, or `integer, 60 to 604800`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(type_of, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        words = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{word}`" for word in words)
    return _by_kind(schema)


def _by_kind(schema: dict[str, Any]) -> str:
    kind: str = schema.get("type", "anything")
    if kind == "array":
        return f"list of {type_of(schema['items'])}"
    if kind in ("integer", "number"):
        return kind + _bounds(schema)
    if kind == "object":
        return _object(schema)
    return _text(schema) if kind == "string" else _PLAIN.get(kind, kind)


def default_of(schema: dict[str, Any], *, required: bool) -> str:
    """What counts when it is left out."""
    if required:
        return "required"
    value = schema.get("default")
    if value in (None, "", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _text(schema: dict[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "time (RFC 3339)"
    said = _PATTERNS.get(schema.get("pattern", ""), "text")
    return f"{said}, never sent back" if schema.get("writeOnly") else said


def _object(schema: dict[str, Any]) -> str:
    values = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
    found = next((each for each in values if isinstance(each, dict)), None)
    said = f"object of {type_of(found)}" if found else "object"
    return f"{said}, never sent back" if schema.get("writeOnly") else said


def _bounds(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None or most is None:
        return "" if least is None else f", {least:g} or more"
    return f", {_number(least)} to {_number(most)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
