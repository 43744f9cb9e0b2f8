"""No secret is seen outside: not in a file, a process list, a log, an answer or the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ends.samba import Samba
from tests.contract.secrets import run as whole
from tests.contract.secrets.run import Run
from tests.contract.secrets.search import in_files, seen


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, images = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("images")
    samba = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    run = Run((folder,))
    with pytest.MonkeyPatch.context() as patch:
        for name, variable in (("home", "IMAGEPORT_HOME"), ("tmp", "TMPDIR")):
            (folder / name).mkdir()
            patch.setenv(variable, str(folder / name))
        whole.run(run, samba, folder, images)
    yield run
    samba.kill()


def test_the_run_was_one(done: Run) -> None:
    """Else it says nothing that nothing was found in it."""
    assert done.jobs["good"]["overallStatus"] == "complete", done.jobs
    assert done.jobs["bad"]["error"]["code"] == "end.denied", done.jobs
    assert done.programs == set(whole.OURS)
    assert done.looks > 4
    assert len(done.secrets) > 12


def test_no_file_and_no_process_had_one_at_any_time(done: Run) -> None:
    assert not done.found


def test_no_answer_had_one(done: Run) -> None:
    assert len(done.answers) > 40
    found = [each for place, said in done.answers for each in seen(done.secrets, place, said)]
    assert not found
    places = {place for place, _ in done.answers}
    assert {"GET /metrics", "GET /ips/audit", "POST /ips/credentials"} <= places


def test_the_database_and_the_logs_were_looked_at(done: Run, tmp_path: Path) -> None:
    (folder,) = done.folders
    assert (folder / "home/service/service.db").stat().st_size > 50_000
    said = (folder / "connector/connector.log").read_text()
    assert done.jobs["good"]["id"] in said
    assert (folder / "serve.log").exists()
    # The search of this run, with the secrets of this run, finds one of them in a log.
    (tmp_path / "serve.log").write_text(f"{said}{done.secrets[-1].text}\n")
    assert in_files(done.secrets, tmp_path)
