"""An engine whose machine goes away is lost, whatever was asked of it at that moment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from imageport.engine.client import EngineClient
from imageport.engine.keys import job_keys
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.errors import EngineLost
from imageport.jobs.folder import JobFolder
from imageport.jobs.report import Silent
from imageport.model.target import DiskFormat, Firmware
from imageport.platforms.base import DiskRef, EngineVm, Platform
from imageport.platforms.errors import MachineDied


def _work(folder: Path, *found: EngineVm | Exception | None) -> EngineWork:
    """What `find_engine` finds, one after another."""
    answers = list(found)

    def find_engine(_: str) -> EngineVm | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    platform = cast("Platform", SimpleNamespace(find_engine=find_engine))
    image = DiskRef(folder / "work.qcow2", DiskFormat.QCOW2)
    return EngineWork(platform, JobFolder("job", folder), image, Firmware.BIOS, Silent())


NOBODY = EngineVm("job", "127.0.0.1:1")


@pytest.mark.parametrize(
    "found",
    [
        (None,),
        (MachineDied(machine="m", output="o"),),
        (NOBODY, None),
        (NOBODY, MachineDied(machine="m", output="o")),
    ],
    ids=["gone", "going", "gone-when-asked", "going-when-asked"],
)
def test_of_a_command(tmp_path: Path, found: tuple[Any, ...]) -> None:
    with pytest.raises(EngineLost):
        _work(tmp_path, *found).run("prepare", {})


def test_a_client_looks_whether_the_engine_lives(tmp_path: Path) -> None:
    def alive() -> None:
        raise EngineLost(job="job")

    keys = job_keys(tmp_path / "keys.json", "job")
    with EngineClient(NOBODY.address, keys) as client, pytest.raises(EngineLost):
        client.run("prepare-0", "prepare", {}, seconds=60, alive=alive)
