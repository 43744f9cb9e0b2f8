"""What the commands that change an image share: run the job, or print what it would do."""

from __future__ import annotations

from pydantic import TypeAdapter

from imageport.cli.screen import OUT, print_json, reporter
from imageport.cli.views import plan_view, proof_view
from imageport.jobs.ends import Ends
from imageport.model.job import MigrateRequest
from imageport.model.proof import Proof


def run_or_plan(request: MigrateRequest, ends: Ends, *, dry_run: bool, as_json: bool) -> None:
    """Raises ImageportError."""
    if dry_run:
        _dry_run(request, ends, as_json=as_json)
        return
    from imageport.jobs.run import run_migration  # noqa: PLC0415  # DBOS takes a second to import

    with reporter() as steps:
        proof = run_migration(request, steps, ends=ends)
    if as_json:
        print_json(TypeAdapter(Proof).dump_python(proof, mode="json"))
    else:
        OUT.print(proof_view(proof))


def _dry_run(request: MigrateRequest, ends: Ends, *, as_json: bool) -> None:
    from imageport.jobs.look import Look, plan_request  # noqa: PLC0415  # as above

    with reporter() as steps:
        found = plan_request(request, steps, ends)
    if as_json:
        print_json(TypeAdapter(Look).dump_python(found, mode="json"))
    else:
        OUT.print(plan_view(request, found))
