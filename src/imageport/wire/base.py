"""How documents are read: keys in any case, unknown ones refused with a hint, texts without tricks.

Citrix's own client sends `subscriptionId` and `VirtualNetworkName` in one body, so case is nothing.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
GUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A name that a user picks: letters, digits, `.`, `_` and `-`."""

Guid = Annotated[str, StringConstraints(pattern=GUID_PATTERN)]

Text = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=4096)
]
"""A path or another text of one line."""

Secret = Annotated[
    str, Field(min_length=1, max_length=65536, json_schema_extra={"writeOnly": True})
]

Tags = Annotated[
    dict[Name, Annotated[str, StringConstraints(max_length=256)]], Field(max_length=50)
]


class Document(BaseModel):
    """What the service says. A newer service may say more than this client knows."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    def as_json(self) -> dict[str, Any]:
        """As it goes over the wire."""
        return self.model_dump(mode="json", by_alias=True)


class Request(Document):
    """What a caller says: nothing that we do not know."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _keys_in_any_case(cls, said: Any) -> Any:
        if not isinstance(said, dict):
            return said
        known = {
            (field.alias or name).casefold(): field.alias or name
            for name, field in cls.model_fields.items()
        }
        snake = {name: field.alias or name for name, field in cls.model_fields.items()}
        read: dict[str, Any] = {}
        for key, value in said.items():
            name = known.get(str(key).casefold()) or snake.get(str(key))
            if name is None:
                raise _unknown(str(key), known)
            if name in read:
                raise PydanticCustomError("twice", "{name} is there twice", {"name": name})
            read[name] = value
        return read


def value_in_any_case(said: Any, wanted: str) -> str | None:
    """For a union, whose model is chosen before any of them reads keys."""
    if isinstance(said, BaseModel):
        return str(getattr(said, wanted))
    if not isinstance(said, dict):
        return None
    found = [value for key, value in said.items() if str(key).casefold() == wanted]
    return str(found[0]) if found else None


def _unknown(key: str, known: dict[str, str]) -> PydanticCustomError:
    close = difflib.get_close_matches(key.casefold(), known, 1)
    hint = f"did you mean {known[close[0]]}?" if close else f"known are {', '.join(known.values())}"
    # Of the key itself no more than fits a line: it is the caller's.
    shown = "".join(each if each.isprintable() else "?" for each in key[:64])
    return PydanticCustomError(
        "unknown_field", "unknown field {field}; {hint}", {"field": shown, "hint": hint}
    )
