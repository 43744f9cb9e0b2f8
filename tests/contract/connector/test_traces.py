"""Traces of jobs, as a collector gets them from service, connector and job process."""

from __future__ import annotations

import json
import logging
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imageport.traces.base import OFF, Traces
from imageport.traces.start import start
from tests.contract.connector.collector import Collector, Span
from tests.contract.connector.running import (
    Program,
    Site,
    announced,
    connector,
    ended,
    large,
    site_in,
    under_way,
)
from tests.contract.ends.samba import Samba
from tests.contract.service.replica import QUICK

JOB = "imageport.job.id"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with Collector().running() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def traces(collector: Collector) -> Iterator[Traces]:
    made = start("imageport-service")
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path, samba: Samba, own_home: Path, traces: Traces) -> Iterator[Site]:
    with site_in(tmp_path, samba, QUICK, traces) as made:
        yield made


def _named(spans: list[Span], name: str, **attributes: Any) -> Span:
    (found,) = [
        span
        for span in spans
        if span.name == name and attributes.items() <= span.attributes.items()
    ]
    return found


def _below(spans: list[Span], parent: Span) -> list[str]:
    return sorted(span.name for span in spans if span.parent == parent.id)


def test_an_export_is_one_trace(
    site: Site,
    collector: Collector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "imageport")
    monkeypatch.setenv("IMAGEPORT_LOG", "json")
    known = announced(site.admin, site.place)
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    program = Program(site.url, known, tmp_path / "connector", site.images)
    try:
        headers = {"traceparent": f"00-{trace}-{caller}-01"}
        job = site.export("master.raw", "traced", headers)
        done = ended(site.admin, job)
    finally:
        program.stop()
    assert done["overallStatus"] == "complete", done
    spans = collector.wait(lambda spans: any(span.name == "attempt" for span in spans))
    assert {(span.trace, span.attributes[JOB]) for span in spans} == {(trace, job)}

    request = _named(spans, "POST /ips/images/$export")
    assert request.parent == caller
    assert (request.kind, request.attributes["http.response.status_code"]) == ("SERVER", 202)
    assert request.attributes["imageport.customer"] == "acme"
    assert _below(spans, request) == ["attempt", "queued"]
    queued, attempt = _named(spans, "queued"), _named(spans, "attempt")
    assert queued.attributes["imageport.connector.id"] == known[0]
    assert (
        attempt.attributes
        | {
            "imageport.attempt": 1,
            "imageport.connector.id": known[0],
            "imageport.job.type": "export",
            "imageport.outcome": "complete",
        }
        == attempt.attributes
    )
    assert _below(spans, attempt) == ["copy", "look", "read-back"]
    copy, back = _named(spans, "copy"), _named(spans, "read-back")
    assert copy.attributes["imageport.step"] == "copy"
    assert request.began <= queued.began <= queued.ended <= attempt.began <= copy.began
    assert copy.began < copy.ended <= back.began < back.ended <= attempt.ended

    where = {span.name: (span.service, span.part) for span in spans}
    assert where[request.name] == where["queued"] == ("imageport-service", "imageport.service")
    assert where["attempt"] == ("imageport-connector", "imageport.connector")
    assert where["copy"] == where["read-back"] == ("imageport-connector", "imageport.job")
    assert not any(span.failed for span in spans)
    assert len(spans) == 6

    for secret in (site.samba.account.password, "master.raw", "smb://"):
        assert secret.encode() not in collector.raw
    _logs_name_the_trace(program.log.read_text(), caplog, job, trace)


def _logs_name_the_trace(
    connectors: str, services: pytest.LogCaptureFixture, job: str, trace: str
) -> None:
    lines = [json.loads(line) for line in connectors.splitlines() if line.startswith("{")]
    told = [line for line in lines if line.get("job") == job]
    assert [line["text"].split(": ")[1].split(" ")[0] for line in told] == ["claimed", "ended"]
    assert {line["trace_id"] for line in told} == {trace}
    records = [record for record in services.records if getattr(record, "job", None) == job]
    assert ["taken in" in record.message for record in records] == [True, False]
    assert {record.__dict__["trace_id"] for record in records} == {trace}


def test_an_attempt_that_is_killed_and_the_next_are_in_one_trace(
    site: Site, collector: Collector, traces: Traces
) -> None:
    large(site.images)
    job = site.export("large.raw", "retraced")
    with connector(site.identity, site.images, traces):
        under_way(site.admin, job)
    with connector(site.identity, site.images, traces):
        assert ended(site.admin, job)["attempt"] == 2
    spans = collector.wait(lambda spans: sum(span.name == "attempt" for span in spans) == 2)
    assert len({span.trace for span in spans}) == 1
    request = _named(spans, "POST /ips/images/$export")
    assert request.parent == ""
    assert _below(spans, request) == ["attempt", "attempt", "queued", "queued"]
    first, second = (_named(spans, "attempt", **{"imageport.attempt": each}) for each in (1, 2))
    waited = _named(spans, "queued", **{"imageport.attempt": 2})
    assert waited.began >= _named(spans, "queued", **{"imageport.attempt": 1}).ended
    assert first.attributes["imageport.outcome"] == "givenBack"
    assert second.attributes["imageport.outcome"] == "complete"
    assert _below(spans, first) == ["copy", "look"]
    (cut,) = [span for span in spans if span.parent == first.id and span.name == "copy"]
    assert (cut.name, cut.failed) == ("copy", True)
    assert cut.attributes["error.type"] == "job.process-killed"
    assert _below(spans, second) == ["copy", "read-back"]


def test_an_error_is_told_by_its_code(site: Site, collector: Collector, traces: Traces) -> None:
    with connector(site.identity, site.images, traces):
        job = site.export("/etc/passwd", "stolen")
        assert ended(site.admin, job)["overallStatus"] == "error"
    spans = collector.wait(lambda spans: any(span.name == "attempt" for span in spans))
    attempt = _named(spans, "attempt")
    assert attempt.failed
    assert attempt.attributes["error.type"] == "connector.outside-folders"
    assert attempt.attributes["imageport.outcome"] == "error"
    assert b"/etc/passwd" not in collector.raw


@pytest.mark.parametrize("flags", ["00", "none", "rubbish"])
def test_whoever_asks_says_whether_there_is_a_trace(
    site: Site, collector: Collector, traces: Traces, flags: str
) -> None:
    trace = secrets.token_hex(16)
    said = {"00": f"00-{trace}-{secrets.token_hex(8)}-00", "rubbish": f"00-{trace}-zz-01"}
    headers = {"traceparent": said[flags]} if flags in said else {}
    with connector(site.identity, site.images, traces):
        job = site.export("master.raw", f"asked-{flags}", headers)
        assert ended(site.admin, job)["overallStatus"] == "complete"
    traces.close()
    assert (collector.spans == []) == (flags == "00")
    assert trace not in {span.trace for span in collector.spans}


@pytest.fixture(params=["refuses", "is silent"])
def no_collector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One that is away, or takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        if request.param == "refuses":
            listening.close()
        yield request.param.replace(" ", "-")


def test_without_its_collector_a_job_runs_as_ever(
    no_collector: str, tmp_path: Path, samba: Samba, own_home: Path
) -> None:
    traces = start("imageport-service")
    with site_in(tmp_path, samba, QUICK, traces) as site:
        program = Program(site.url, announced(site.admin, site.place), own_home, site.images)
        try:
            done = ended(site.admin, site.export("master.raw", no_collector))
            assert done["overallStatus"] == "complete", done
        finally:
            began = time.monotonic()
            program.stop()
        assert time.monotonic() - began < 15
    began = time.monotonic()
    traces.close()
    assert time.monotonic() - began < 10


def _imported(tmp_path: Path, samba: Samba, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What a connector and the process of a job of its import, while they do one."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with site_in(tmp_path, samba) as site:
        program = Program(
            site.url, announced(site.admin, site.place), tmp_path / "connector", site.images
        )
        try:
            job = site.export("master.raw", "imports")
            done = ended(site.admin, job)
        finally:
            program.stop()
    (samba.data / "imports.vhdx").unlink()
    assert done["overallStatus"] == "complete", done
    found = set(re.findall(r"^import time:.*\| +(\S+)$", program.log.read_text(), re.M))
    assert {"imageport.connector.connector", "imageport.connector.kinds"} <= found
    # The names alone (`opentelemetry.trace`) are imported by FastAPI and by Google's client.
    ours = ("opentelemetry.sdk", "opentelemetry.exporter", "imageport.traces.otel")
    return {name for name in found if name.startswith(ours)}


def test_without_the_variables_nothing_is_imported(
    tmp_path: Path, samba: Samba, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start("imageport-service") is OFF
    assert _imported(tmp_path, samba, monkeypatch) == set()


def test_with_the_variables_it_is(
    tmp_path: Path,
    samba: Samba,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
) -> None:
    assert "opentelemetry.sdk.trace" in _imported(tmp_path, samba, monkeypatch)
