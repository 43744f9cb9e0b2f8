"""Diagnostics that are there already: found again by their job, never replaced by another."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from imageport import __version__
from imageport.disk.create import create_disk
from imageport.jobs.diagnostics import collect_diagnostics, plan_diagnostics
from imageport.jobs.ends import HERE
from imageport.jobs.errors import OutputExists, OutputFolder
from imageport.jobs.folder import job_id
from imageport.jobs.report import Silent
from imageport.model.diagnostics import Diagnostics, DiagnosticsWants
from imageport.model.job import DiagnosticsRequest
from imageport.model.target import DiskFormat


@pytest.fixture
def wanted(own_home: Path, tmp_path: Path) -> DiagnosticsRequest:
    del own_home
    create_disk(tmp_path / "failed.qcow2", DiskFormat.QCOW2, 1 << 20).finish()
    (tmp_path / "output").mkdir()
    wants = DiagnosticsWants(system_logs=False)
    return DiagnosticsRequest(str(tmp_path / "failed.qcow2"), str(tmp_path / "output"), wants)


def delivered(request: DiagnosticsRequest, job: str) -> Diagnostics:
    folder = Path(request.output) / f"failed-diagnostics-{job}"
    done = Diagnostics(job, __version__, request.source, str(folder), ("Windows",), (), ())
    folder.mkdir()
    (folder / "diagnostics.json").write_bytes(TypeAdapter(Diagnostics).dump_json(done))
    return done


def test_a_job_that_has_ended_is_found(wanted: DiagnosticsRequest) -> None:
    """Its caller did not come to hear of it: no engine starts."""
    done = delivered(wanted, "job-1")
    assert collect_diagnostics(wanted, HERE, Silent(), "job-1") == done


def test_what_is_there_is_kept(wanted: DiagnosticsRequest) -> None:
    delivered(wanted, job_id(wanted))
    for asked in (
        lambda: collect_diagnostics(wanted, HERE, Silent()),
        lambda: plan_diagnostics(wanted, HERE),
    ):
        with pytest.raises(OutputExists):
            asked()
    assert len(list(Path(wanted.output).iterdir())) == 1


def test_a_result_that_makes_no_sense_is_none(wanted: DiagnosticsRequest) -> None:
    delivered(wanted, "job-1")
    (Path(wanted.output) / "failed-diagnostics-job-1/diagnostics.json").write_text("{}")
    with pytest.raises(OutputExists):
        collect_diagnostics(wanted, HERE, Silent(), "job-1")


def test_a_plan_says_what_and_where_and_leaves_nothing(wanted: DiagnosticsRequest) -> None:
    plan = plan_diagnostics(wanted, HERE)
    assert plan.folder == f"{wanted.output}/failed-diagnostics-{job_id(wanted)}"
    assert plan.parts == ("the engine's logs", "imageport's own data")
    assert plan.free > 0
    assert not list(Path(wanted.output).iterdir())
    Path(wanted.output).rmdir()
    with pytest.raises(OutputFolder):
        plan_diagnostics(wanted, HERE)
