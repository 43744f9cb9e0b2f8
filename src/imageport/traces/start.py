"""Whether there are traces: as OpenTelemetry's own variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from imageport.model.errors import ImageportError
from imageport.traces.base import OFF, Traces

_PROTOCOL = "http/protobuf"


class TracesInvalid(ImageportError):
    """A variable says what cannot be done."""

    code: ClassVar[str] = "traces.invalid"
    sentence: ClassVar[str] = "Traces cannot be sent as the OTEL_ variables say: {detail}."
    remedy: ClassVar[str] = "Correct the variable, or set OTEL_SDK_DISABLED=true."


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether they name a collector, and nothing against it. Raises TracesInvalid."""

    def said(*names: str) -> str:
        return next((variables[name].strip() for name in names if variables.get(name)), "")

    endpoint = said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = said("OTEL_TRACES_EXPORTER") or "otlp"
    disabled = said("OTEL_SDK_DISABLED").casefold() == "true"
    if not endpoint or disabled or exporter == "none":
        return False
    if exporter != "otlp":
        raise TracesInvalid(detail=f"OTEL_TRACES_EXPORTER is {exporter}, not otlp or none")
    names = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = said(*names) or _PROTOCOL
    if protocol != _PROTOCOL:
        raise TracesInvalid(detail=f"the protocol is {protocol}, not {_PROTOCOL}")
    if not endpoint.startswith(("http://", "https://")):
        raise TracesInvalid(detail="the endpoint is no http:// or https:// URL")
    return True


def start(service: str) -> Traces:
    """What takes this process' spans. `service`: its name where OTEL_SERVICE_NAME says none.

    Raises TracesInvalid.
    """
    if not wanted(os.environ):
        return OFF
    # Takes a second to import, which nobody waits for who wants no traces.
    from imageport.traces.otel import OtelTraces  # noqa: PLC0415

    try:
        return OtelTraces(service)
    except ValueError as error:
        raise TracesInvalid(detail=str(error)) from error
