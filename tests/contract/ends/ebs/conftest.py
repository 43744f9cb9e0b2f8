"""One server for the tests of a process; a disk to copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.base import DiskReader
from imageport.disk.open import open_disk
from lab.aws.process import LabProcess
from tests.contract.ends.contract import make_disk
from tests.contract.ends.ebs.case import DEFAULTS, EbsCase


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with LabProcess(tmp_path_factory.mktemp("aws")) as process:
        yield process


@pytest.fixture
def case(lab: LabProcess, tmp_path: Path) -> Iterator[EbsCase]:
    made = EbsCase(lab, tmp_path)
    yield made
    lab.set(**DEFAULTS)
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DiskReader]:
    path = tmp_path / "source.raw"
    make_disk(path)
    with open_disk(path) as reader:
        yield reader
