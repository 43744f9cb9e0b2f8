"""Says in the description which field of a body tells several kinds of it apart."""

from __future__ import annotations

from typing import Any

_PREFIX = "#/components/schemas/"


def tell_apart(api: dict[str, Any]) -> None:
    """Add OpenAPI's `discriminator` to every body that is one of several documents."""
    documents = api["components"]["schemas"]
    for path in api["paths"].values():
        for operation in path.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "oneOf" in content["schema"]:
                    names = [
                        each["$ref"].removeprefix(_PREFIX) for each in content["schema"]["oneOf"]
                    ]
                    content["schema"]["discriminator"] = _discriminator(documents, names)


def _discriminator(documents: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """By the one field that has another constant in each of the documents."""
    constants = [
        {
            field: said["const"]
            for field, said in documents[name]["properties"].items()
            if "const" in said
        }
        for name in names
    ]
    (field,) = (
        field
        for field in constants[0]
        if len({each.get(field) for each in constants} - {None}) == len(names)
    )
    mapping = {each[field]: _PREFIX + name for each, name in zip(constants, names, strict=True)}
    return {"propertyName": field, "mapping": mapping}
