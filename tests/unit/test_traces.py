"""Whether there are traces, and what is said of moments and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from imageport.engine.errors import EngineSilent
from imageport.traces.base import code_of, log_extra, nanoseconds
from imageport.traces.start import TracesInvalid, wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "ips"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        (
            ENDPOINT
            | {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            True,
        ),
    ],
)
def test_the_variables_say_whether(variables: dict[str, str], expected: bool) -> None:
    assert wanted(variables) is expected


@pytest.mark.parametrize(
    "more",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
    ],
)
def test_what_cannot_be_followed_is_said(more: dict[str, str]) -> None:
    with pytest.raises(TracesInvalid):
        wanted(ENDPOINT | more)


def test_moments_are_nanoseconds_since_the_epoch() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    assert nanoseconds(moment) == 1767323045678901000
    assert nanoseconds(moment.astimezone(timezone(timedelta(hours=5)))) == nanoseconds(moment)


def test_errors_are_told_by_their_codes_alone() -> None:
    assert code_of(EngineSilent(address="10.0.0.1", seconds=1)) == EngineSilent.code
    assert code_of(ValueError("secret")) == "ValueError"


def test_logs_name_the_trace_where_there_is_one() -> None:
    assert log_extra("j", None) == {"job": "j"}
    said = log_extra("j", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    assert said == {"job": "j", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
