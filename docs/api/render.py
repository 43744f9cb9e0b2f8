"""Renders docs/api.md from the API's own description: `make api-docs`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from docs.api import examples
from docs.api.types import default_of, type_of
from imageport.service.api.app import description
from imageport.service.errors import ServiceError

PAGE = Path(__file__).parents[1] / "api.md"
_TITLES = {
    "tokens": "Tokens",
    "images": "Starting jobs",
    "jobs": "Jobs",
    "credentials": "Credentials",
    "places": "Resource locations and connectors",
    "organisation": "Clients and the audit log",
    "health": "Status, health and metrics",
    "connector protocol": "What connectors ask",
}
_EVERYWHERE = {"Citrix-CustomerId", "Idempotency-Key"}
"""Said once, at the top."""
_ALWAYS = {"400", "401", "403", "413", "422", "429", "500", "503"}

Schema = dict[str, Any]


def page() -> str:
    """All of docs/api.md."""
    api = description()
    enums = {name: each for name, each in api["components"]["schemas"].items() if "enum" in each}
    api = _inlined(api, enums)
    found = list(_operations(api))
    parts = [(Path(__file__).with_name("introduction.md")).read_text().rstrip(), "## Routes"]
    parts.append(_table(("route", "role", "what"), map(_row, found)))
    for tag, title in _TITLES.items():
        parts.append(f"## {title}")
        for route, operation in found:
            if operation["tags"] == [tag]:
                parts += _operation(route, operation, api["components"]["schemas"])
    schemas = api["components"]["schemas"]
    shown = {name for _, operation in found for name in _bodies(operation)}
    parts.append("## Documents")
    parts += _documents({name: each for name, each in schemas.items() if name not in shown})
    parts += ["## Errors", _table(("code", "status", "sentence", "remedy"), _errors())]
    return "\n\n".join(parts) + "\n"


def _inlined(node: Any, enums: Schema) -> Any:
    """The words that may be said stand where they are said; what is said beside them counts."""
    if isinstance(node, list):
        return [_inlined(each, enums) for each in node]
    if not isinstance(node, dict):
        return node
    known = enums.get(str(node.get("$ref")).rpartition("/")[2], {})
    kept = {name: each for name, each in node.items() if not known or name != "$ref"}
    return known | {name: _inlined(each, enums) for name, each in kept.items()}


def _operations(api: Schema) -> Iterator[tuple[str, Schema]]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _row(found: tuple[str, Schema]) -> tuple[str, ...]:
    route, operation = found
    return f"[`{route}`](#{anchor_of(route)})", _role(operation), _first(operation["description"])


def anchor_of(heading: str) -> str:
    """As sites that show Markdown make it."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def _role(operation: Schema) -> str:
    for needed in operation.get("security", []):
        for scheme, roles in needed.items():
            return str(roles[0] if roles else scheme)
    return "anybody"


def _operation(route: str, operation: Schema, schemas: Schema) -> Iterator[str]:
    yield f"### {route}"
    who = {"anybody": "Anybody.", "connector": "The connector itself."}
    role = _role(operation)
    yield f"{_line(operation['description'])} **{who.get(role, f'Role: {role}.')}**"
    told = [each for each in operation.get("parameters", []) if each["name"] not in _EVERYWHERE]
    if told:
        yield _table(("parameter", "in", "type", "default", "what"), map(_parameter, told))
    for name in _bodies(operation):
        form = "x-www-form-urlencoded" in str(operation["requestBody"])
        said = _line(schemas[name].get("description", ""))
        yield "A form:" if form else f"A body: **{name}**. {said}"
        yield _fields(schemas[name], asked=True)
    yield _table(("answer", "with"), _answers(operation["responses"]))
    yield from _example(route, operation["operationId"])


def _parameter(each: Schema) -> tuple[str, ...]:
    schema = each["schema"]
    said = type_of(schema).removesuffix(" or null")
    default = default_of(schema, required=each.get("required", False))
    return f"`{each['name']}`", each["in"], said, default, _line(each.get("description", ""))


def _bodies(operation: Schema) -> list[str]:
    """The documents that it may be asked with: one of several, if they are several."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        return [each["$ref"].rpartition("/")[2] for each in schema.get("oneOf", [schema])]
    return []


def _fields(schema: Schema, *, asked: bool) -> str:
    needed = schema.get("required", [])
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = (default_of(field, required=name in needed),) if asked else ()
        said = type_of(field).removesuffix(" or null") if asked else type_of(field)
        rows.append((f"`{name}`", said, *default, _line(field.get("description", ""))))
    return _table(("field", "type", *(("default",) if asked else ()), "what"), rows)


def _answers(responses: Schema) -> Iterator[tuple[str, str]]:
    for status, answer in responses.items():
        if status in _ALWAYS and "application/json" not in answer.get("content", {}):
            continue
        said = [_line(answer["description"]).replace("Successful Response", "")]
        for media, content in answer.get("content", {}).items():
            kind = type_of(content["schema"])
            said.append(kind if media.endswith("json") else f"`{media}`")
        said += [f"header `{name}`" for name in answer.get("headers", {})]
        yield status, "; ".join(each for each in said if each) or "nothing"


def _example(route: str, operation: str) -> Iterator[str]:
    request, answer = examples.request(operation), examples.answer(operation)
    if request:
        yield f"```\n{route}\n\n{json.dumps(request, indent=2)}\n```"
    if answer:
        yield f"```\n{json.dumps(answer, indent=2)}\n```"


def _documents(schemas: Schema) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        if "enum" in schema:
            continue
        yield f"### {name}"
        yield _line(schema.get("description", ""))
        yield _fields(schema, asked=False)


def _errors() -> Iterator[tuple[str, ...]]:
    known = {each.code: each for each in ServiceError.__subclasses__()}
    for code, kind in sorted(known.items()):
        remedy = kind.remedy.replace("{{", "{").replace("}}", "}")
        status = f"{kind.status} {HTTPStatus(kind.status).phrase}"
        yield f"`{code}`", status, _line(kind.sentence), _line(remedy)


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _first(text: str) -> str:
    return _line(text).partition(";")[0].rstrip(".")


if __name__ == "__main__":
    PAGE.write_text(page())
