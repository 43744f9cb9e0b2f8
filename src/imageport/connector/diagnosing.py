"""The job that collects what a disk says of itself."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from imageport.connector.task import Task
from imageport.jobs.diagnostics import collect_diagnostics, plan_diagnostics
from imageport.jobs.ends import Ends
from imageport.jobs.report import Reporter
from imageport.model.diagnostics import Diagnostics, DiagnosticsPlan, DiagnosticsWants
from imageport.model.job import DiagnosticsRequest
from imageport.wire.images import CollectDiagnostics

_DONE = TypeAdapter(Diagnostics)
_PLAN = TypeAdapter(DiagnosticsPlan)


def _wanted(task: Task) -> tuple[DiagnosticsRequest, Ends]:
    said = task.request(CollectDiagnostics)
    wants = DiagnosticsWants(said.ce_logs, said.windows_event_logs, said.ips_data)
    source = task.place(said.input_address)
    request = DiagnosticsRequest(source, said.output_storage_location.location, wants)
    ends = Ends(task.access(said.input_storage_location), task.access(said.output_storage_location))
    return request, ends


def run(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Do it."""
    request, ends = _wanted(task)
    done: dict[str, Any] = _DONE.dump_python(
        collect_diagnostics(request, ends, reporter, task.id), mode="json"
    )
    return done


def plan(task: Task, reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    del reporter
    said: dict[str, Any] = _PLAN.dump_python(plan_diagnostics(*_wanted(task)), mode="json")
    return said
