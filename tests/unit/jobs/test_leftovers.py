"""What is removed of one job: its output only where nobody else can be writing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.jobs.folder import job_folder
from imageport.jobs.leftovers import remove_job
from imageport.jobs.outputs.local import LocalOutput
from imageport.model.job import MigrateRequest
from imageport.model.target import Target


@pytest.mark.parametrize("output", [True, False])
def test_an_unfinished_output_may_be_anothers(tmp_path: Path, own_home: Path, output: bool) -> None:
    place = tmp_path / "out.raw"
    unfinished = LocalOutput(place, overwrite=False).unproven
    unfinished.touch()
    request = MigrateRequest(str(tmp_path / "in.raw"), Target.GCP, str(place))
    folder = job_folder(request, "job")
    folder.make(request)
    assert remove_job("job", output=output)
    assert not folder.path.exists()
    assert unfinished.exists() is not output
    assert remove_job("job", output=output)
