"""`imageport image copy` by address: to every end that can be written to, and back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imageport.cli.main import application
from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, SECRET_KEY
from tests.contract.ends.azurite import ACCOUNT, CONTAINER, Azurite, signature
from tests.contract.ends.contract import make_disk
from tests.contract.ends.ebs.case import REGION
from tests.contract.ends.gcs.peer import BUCKET, Emulator
from tests.contract.ends.peers import free_port, running
from tests.contract.ends.samba import Samba
from tests.contract.ends.test_nbd import qemu


@dataclass(frozen=True)
class Far:
    """An end as a user names it."""

    address: str
    credentials: dict[str, Any] | None = None
    endpoint: str | None = None


@contextlib.contextmanager
def _smb(request: pytest.FixtureRequest, folder: Path) -> Iterator[Far]:
    samba: Samba = request.getfixturevalue("samba")
    account = {"username": samba.account.username, "password": samba.account.password}
    address = f"smb://127.0.0.1:{samba.port}/data/{folder.name}.vhdx"
    yield Far(address, {"type": "UsernamePassword", **account})


@contextlib.contextmanager
def _nbd(request: pytest.FixtureRequest, folder: Path) -> Iterator[Far]:
    disk, port = folder / "export.raw", free_port()
    with open(disk, "wb") as file:
        file.truncate(24 << 20)
    with running(qemu(disk, port), port, folder / "server.log"):
        yield Far(f"nbd://127.0.0.1:{port}/disk")


@contextlib.contextmanager
def _blob(request: pytest.FixtureRequest, folder: Path) -> Iterator[Far]:
    azure: Azurite = request.getfixturevalue("azure")
    name = f"{folder.name}.vhd"
    yield Far(
        f"pageblob://{ACCOUNT}/{CONTAINER}/{name}",
        {"type": "AzureSas", "sas": signature(name).sas},
        f"http://127.0.0.1:{azure.port}",
    )
    azure.empty()


@contextlib.contextmanager
def _ebs(request: pytest.FixtureRequest, folder: Path) -> Iterator[Far]:
    lab: LabProcess = request.getfixturevalue("lab")
    key = {"accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    yield Far(f"ebs://{REGION}/", {"type": "Aws", **key}, lab.url)


@contextlib.contextmanager
def _gcs(request: pytest.FixtureRequest, folder: Path) -> Iterator[Far]:
    emulator: Emulator = request.getfixturevalue("emulator")
    endpoint = f"http://127.0.0.1:{emulator.port}"
    yield Far(f"gs://{BUCKET}/{folder.name}.tar.gz", endpoint=endpoint)


def copied(source: str | Path, target: str | Path, **options: str | Path | None) -> dict[str, Any]:
    argv = ["image", "copy", str(source), str(target), "--json"]
    for name, value in options.items():
        argv += [f"--{name.replace('_', '-')}", str(value)] if value else []
    done = CliRunner().invoke(application(), argv)
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("end", [_smb, _nbd, _blob, _ebs, _gcs], ids=lambda end: end.__name__[1:])
def test_there_and_back(
    end: Callable[..., contextlib.AbstractContextManager[Far]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("IMAGEPORT_HOME", str(home))
    source, credentials = tmp_path / "source.raw", tmp_path / "credentials.json"
    make_disk(source)
    with end(request, tmp_path) as far:
        secret = None
        if far.credentials is not None:
            secret = credentials
            secret.touch(mode=0o600)
            secret.write_text(json.dumps(far.credentials))
        there = copied(source, far.address, target_credentials=secret, target_endpoint=far.endpoint)
        assert there["read_back"]
        back = copied(
            there["target"],
            tmp_path / "back.qcow2",
            source_credentials=secret,
            source_endpoint=far.endpoint,
        )
        assert back["root"] == there["root"]
    assert not list((home / "copies").iterdir())
