"""The EBS end with its peer: moto with the lab's strict layer, an emulator, not the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from imageport.disk.base import DiskReader
from imageport.disk.copy import copy
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.ends.ebs.reader import EbsReader
from imageport.disk.ends.ebs.writer import EbsWriter, SnapshotOptions
from imageport.disk.manifest import Manifest
from imageport.model.credentials import AwsKey
from lab.aws.process import LabProcess
from lab.aws.settings import Settings
from lab.aws.signature import ACCESS_KEY, SECRET_KEY
from tests.contract.ends.contract import SIZE, EndCase
from tests.contract.ends.faults import HttpFaults

REGION = "eu-west-1"
KEY = AwsKey(ACCESS_KEY, SECRET_KEY)
DEFAULTS = {
    name: getattr(Settings(), name)
    for name in (
        "throttle",
        "quota_gib",
        "token_life",
        "page_life",
        "seal",
        "seal_fails",
        "page",
        "generation",
    )
}


def is_put(method: str, path: str) -> bool:
    return method == "PUT"


def is_get(method: str, path: str) -> bool:
    return method == "GET" and "/blocks/" in path


def is_complete(method: str, path: str) -> bool:
    return "/completion/" in path


def make_writer(endpoint: str, size: int, state: str) -> EbsWriter:
    """For `copy_child`."""
    account = EbsAccount(REGION, KEY, endpoint=endpoint, ec2_endpoint=endpoint)
    return EbsWriter(account, size, state=Path(state), resume=True)


class EbsCase(EndCase):
    patience = 8.0
    """Half of it is the longest that one answer may take: the server is slow on a busy computer."""

    def __init__(self, lab: LabProcess, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.proxy = HttpFaults("127.0.0.1", lab.port)
        self.state = folder / "snapshot.json"
        self.account = self.by(KEY)
        self.ec2 = boto3.client(
            "ec2",
            endpoint_url=lab.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        self.last = ""

    def by(self, key: AwsKey) -> EbsAccount:
        address = self.proxy.address
        return EbsAccount(
            REGION, key, endpoint=address, ec2_endpoint=address, patience=self.patience
        )

    def target(self, size: int) -> EbsWriter:
        return self.writer(size)

    def writer(self, size: int, *, resume: bool = False, **options: Any) -> EbsWriter:
        made = EbsWriter(
            self.account,
            size,
            state=self.state,
            resume=resume,
            options=SnapshotOptions(**options) if options else None,
        )
        self.last = made.snapshot
        return made

    def reader(self) -> EbsReader:
        return EbsReader(self.account, self.last, size=SIZE)

    def peers_content(self, size: int) -> bytes:
        return self.lab.volume(self.last, size)

    def left_behind(self) -> list[str]:
        files = [path.name for path in self.folder.iterdir() if "snapshot" in path.name]
        return sorted([*self.lab.snapshots(), *files])

    def disturb_write(self) -> None:
        self.proxy.add(when=is_put, skip=3, cut_request=True)
        self.proxy.add(when=is_put, skip=5, cut_response=True)

    def disturb_read(self) -> None:
        self.proxy.add(when=is_get, skip=3, cut_response=True)

    def vanish(self) -> None:
        self.proxy.gone = True

    def come_back(self) -> None:
        self.proxy.gone = False

    def sent(self) -> int:
        return self.proxy.sent()

    def close(self) -> None:
        self.proxy.close()
        for snapshot in self.ec2.describe_snapshots()["Snapshots"]:
            self.ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


def content(reader: DiskReader) -> bytes:
    buffer = bytearray(reader.size)
    reader.read_into(0, buffer)
    return bytes(buffer)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def interrupt(
    source: DiskReader, target: EbsWriter, journal: Path, after: int, base: Manifest | None = None
) -> None:
    """Copy until `after` bytes are done, then fail; the target is suspended."""

    def stop(done: int, total: int) -> None:
        if done >= after:
            raise Interrupted

    with pytest.raises(Interrupted):
        copy(source, target, journal=journal, progress=stop, workers=1, base=base)
