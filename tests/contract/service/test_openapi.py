"""Everything that the API's own description allows, and what it does not: no 500, no surprise."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.service.replica import Replica, replica, scratch

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
_FEW = settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Case = schemathesis.Case[Any]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    with replica(scratch(tmp_path_factory.mktemp("openapi"))) as running:
        yield running


def _each_operation(service: Replica, ask: Callable[[Case], None]) -> int:
    """Some cases of every operation, valid and invalid ones; returns how many were asked."""
    asked = 0

    def counted(case: Case) -> None:
        nonlocal asked
        asked += 1
        ask(case)

    described = schemathesis.openapi.from_url(f"{service.url}/ips/openapi.json")
    for found in described.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)
            # What takes nothing cannot be asked wrongly.
            with contextlib.suppress(Unsatisfiable):
                _FEW(given(case=cases)(counted))()
    return asked


def test_with_a_token(service: Replica) -> None:
    with service.client() as client:
        headers = {"Authorization": client.headers["Authorization"]}

    def ask(case: Case) -> None:
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    assert _each_operation(service, ask) > 100


def test_without_one(service: Replica) -> None:
    def ask(case: Case) -> None:
        case.headers.pop("Authorization", None)
        answer = case.call()
        case.validate_response(answer, checks=CHECKS)
        path = case.operation.path
        if path.startswith("/ips/") and not path.endswith("$register"):
            # What cannot be read at all may be refused before anybody asks who it is.
            assert answer.status_code in (400, 401, 404, 405, 413, 422)

    assert _each_operation(service, ask) > 100
