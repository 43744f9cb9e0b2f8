"""What AWS' jobs are tried with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, SECRET_KEY
from tests.contract.aws.case import REGION, AwsSite, make_disk
from tests.contract.connector.running import site_in
from tests.contract.ends.faults import HttpFaults
from tests.contract.ends.samba import Samba


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with LabProcess(tmp_path_factory.mktemp("aws")) as process:
        yield process


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "master.raw"
    make_disk(path)
    return path


@pytest.fixture
def aws(  # noqa: PLR0917  # fixtures
    lab: LabProcess,
    samba: Samba,
    master: Path,
    tmp_path: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[AwsSite]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    disk = tmp_path / "disk.raw"
    disk.write_bytes(master.read_bytes())
    for path in samba.data.iterdir():
        path.unlink()
    with (
        contextlib.closing(HttpFaults("127.0.0.1", lab.port)) as proxy,
        site_in(tmp_path, samba) as site,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        made = AwsSite(site, lab, proxy, disk, own_home)
        made.store()
        body = {
            "id": "key",
            "type": "Aws",
            "accessKeyId": ACCESS_KEY,
            "secretAccessKey": SECRET_KEY,
        }
        assert site.admin.post("/ips/credentials", json=body).status_code == 201
        lab.set(denied=[], asked=[], throttle=0)
        yield made
    lab.set(denied=[], throttle=0)
    ec2 = boto3.client(
        "ec2",
        endpoint_url=lab.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
