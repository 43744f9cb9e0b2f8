"""How jobs of a service are shown; results as the commands show their own."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from rich.console import RenderableType

from imageport.cli.screen import OUT, describe, print_facts
from imageport.cli.views import plan_view, proof_view
from imageport.jobs.look import Look
from imageport.model.job import MigrateRequest
from imageport.model.proof import Proof
from imageport.model.service import JobType
from imageport.wire.documents import Job, JobSummary

_LOOK = TypeAdapter(Look)
_REQUEST = TypeAdapter(MigrateRequest)
_PROOF = TypeAdapter(Proof)


def row(job: JobSummary) -> tuple[str, ...]:
    """A line of a list."""
    state = job.overall_status.value
    if job.step and not job.overall_status.ended:
        state = f"{state} {job.overall_progress_percent:.0f} %: {job.step.title}"
    elif job.error:
        state = f"{state}: {job.error.get('sentence', '')}"
    return job.id, job.type.value, f"{job.created_at:%Y-%m-%d %H:%M}", state


def print_job(job: Job) -> None:
    """All of a job."""
    print_facts(_facts(job))
    if job.result is not None:
        OUT.print(_result(job, job.result))


def _result(job: Job, result: dict[str, Any]) -> RenderableType:
    if job.type is not JobType.MIGRATE:
        return json.dumps(result, indent=2)
    if job.dry_run:
        request = _REQUEST.validate_python(result["request"])
        return plan_view(request, _LOOK.validate_python(result))
    return proof_view(_PROOF.validate_python(result))


def _facts(job: Job) -> list[tuple[str, str]]:
    facts = [
        ("Job", job.id),
        ("Type", f"{job.type.value}{' (dry run)' if job.dry_run else ''}"),
        ("Status", job.overall_status.value),
        ("Created", f"{job.created_at:%Y-%m-%d %H:%M:%S %Z} by {job.created_by}"),
    ]
    if job.step:
        done = describe(job.step.done, job.step.total, job.step.unit, 0) if job.step.total else ""
        facts.append(("Step", f"{job.step.title} {done}"))
    if job.ended_at:
        facts.append(("Ended", f"{job.ended_at:%Y-%m-%d %H:%M:%S %Z}, attempt {job.attempt}"))
    facts += [("Warning", text.removeprefix("Warning: ")) for text in job.warnings]
    if job.error:
        facts.append(("Error", str(job.error.get("sentence"))))
        facts.append(("What to do", str(job.error.get("remedy"))))
    return facts
