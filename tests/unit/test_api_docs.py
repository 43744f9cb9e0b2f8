"""docs/api.md is what the code gives, and leaves nothing to guess."""

from __future__ import annotations

import re

from docs.api import examples
from docs.api.render import PAGE, anchor_of, page
from imageport.service.api.app import description

_API = description()
_OPERATIONS = [each for path in _API["paths"].values() for each in path.values()]
_OBVIOUS = {
    "createdAt", "startedAt", "endedAt", "updatedAt", "at", "id", "name", "text", "type", "version",
    "username", "password", "items", "pageSize", "status", "level", "role", "platform", "percent",
    "isCancellable", "dryRun", "overallStatus", "overallProgressPercent",
}  # fmt: skip


def test_the_page_is_what_the_code_gives() -> None:
    assert PAGE.read_text() == page(), "run `make api-docs`"


def test_every_route_is_there() -> None:
    text = PAGE.read_text()
    routes = [
        f"### {method.upper()} {path}\n" for path, all in _API["paths"].items() for method in all
    ]
    assert len(routes) > 30
    assert [route for route in routes if text.count(route) != 1] == []


def test_every_link_leads_somewhere() -> None:
    text = PAGE.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    anchors = {anchor_of(heading) for heading in headings}
    assert len(anchors) == len(headings)
    links = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert len(links) > 50
    assert links - anchors == set()


def test_every_example_is_of_a_route() -> None:
    known = {each["operationId"] for each in _OPERATIONS}
    assert not {*examples.REQUESTS, *examples.ANSWERS} - known


def test_every_field_of_what_starts_a_job_says_what_it_is() -> None:
    schemas = _API["components"]["schemas"]
    silent = [
        f"{name}.{field}"
        for name in ("MigrateImage", "ExportImage", "StorageLocation", "XdReconfigure", "Job")
        for field, said in schemas[name]["properties"].items()
        if "description" not in said and "$ref" not in said and field not in _OBVIOUS
    ]
    assert silent == []
