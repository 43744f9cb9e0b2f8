"""A service, a share and the lab's AWS: an emulator, not the service."""

from __future__ import annotations

import json
import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageport.disk.base import GIB
from imageport.disk.convert import convert
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.manifest import BLOCK, Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import AwsKey
from imageport.model.target import DiskFormat
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.snapshots import Snapshots
from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, SECRET_KEY
from tests.contract.connector.running import Site, connector, ended
from tests.contract.ends.faults import HttpFaults
from tests.system.command import COMMAND

REGION = "eu-west-1"
KEY = AwsKey(ACCESS_KEY, SECRET_KEY)
BLOCKS = 200
"""With data, of the disk that is uploaded: 100 MiB."""


def make_disk(path: Path) -> None:
    """A disk whose every second block has data."""
    noise = random.Random(3)
    with path.open("wb") as file:
        file.truncate(2 * BLOCKS * BLOCK)
        for block in range(BLOCKS):
            file.seek(2 * block * BLOCK)
            file.write(noise.randbytes(BLOCK))


def change(path: Path, blocks: int) -> None:
    """Another byte in so many of the blocks with data."""
    with path.open("r+b") as file:
        for block in range(blocks):
            file.seek(2 * (10 * block + 3) * BLOCK + 17)
            file.write(b"\0another\0")


def content(path: Path) -> Manifest:
    """What a snapshot of a disk holds: its size is in whole GiB."""
    with open_disk(path) as reader:
        return tree_hash(reader).padded(-(-reader.size // GIB) * GIB)


def is_put(method: str, path: str) -> bool:
    return method == "PUT"


@dataclass
class AwsSite:
    """What the tests of a job start from; `win.vhdx` is on the share, of the disk `disk`."""

    site: Site
    lab: LabProcess
    proxy: HttpFaults
    disk: Path
    home: Path
    """The state folder of the connector."""

    @property
    def api(self) -> AwsApi:
        """To look by."""
        return AwsApi(EbsAccount(REGION, KEY, self.lab.url, self.lab.url))

    @property
    def snapshots(self) -> Snapshots:
        """What a platform's verbs say."""
        return Snapshots(self.api)

    def store(self, name: str = "win") -> None:
        """Put the disk onto the share."""
        convert(self.disk, self.site.samba.data / f"{name}.vhdx", DiskFormat.VHDX)

    def start(self, type: str, *, dry_run: bool = False, **more: Any) -> str:
        """Start a job; returns its id."""
        body = {
            "platform": "Aws",
            "resourceLocationId": self.site.place,
            "platformCredentialId": "key",
            "awsRegion": REGION,
            **more,
        }
        query = {"dryRun": "true"} if dry_run else {}
        answer = self.site.admin.post(f"/ips/images/${type}", json=body, params=query)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    @property
    def share(self) -> dict[str, str]:
        """The storage location."""
        location = f"smb://127.0.0.1:{self.site.samba.port}/data/"
        return {"location": location, "credentialId": "share"}

    def upload(self, name: str = "win", **more: Any) -> str:
        """Start an upload of a file of the share."""
        stored = {"inputStorageLocation": self.share, "inputImageFilename": name}
        return self.start("upload", **{**stored, **more})

    def export(self, snapshot: str, name: str, **more: Any) -> str:
        """Start an export to the share."""
        stored = {"outputStorageLocation": self.share, "outputImageFilename": name}
        return self.start("export", **{**stored, "sourceSnapshotId": snapshot, **more})

    def ended(self, job: str) -> dict[str, Any]:
        """The job, done by a connector."""
        with connector(self.site.identity, self.site.images):
            return ended(self.site.admin, job)

    def done(self, job: str) -> dict[str, Any]:
        """The result of a job that ends well."""
        found = self.ended(job)
        assert found["overallStatus"] == "complete", found
        result: dict[str, Any] = found["result"]
        return result

    def failed(self, job: str) -> dict[str, Any]:
        """The error of a job that does not."""
        (error,) = self.all_failed(job)
        return error

    def all_failed(self, *jobs: str) -> list[dict[str, Any]]:
        """Their errors."""
        with connector(self.site.identity, self.site.images):
            found = [ended(self.site.admin, job) for job in jobs]
        assert {each["overallStatus"] for each in found} == {"error"}, found
        return [each["error"] for each in found]

    def credential(self, **more: str) -> None:
        """Keep the account's key in the wallet, or another one."""
        body = {
            "id": "key",
            "type": "Aws",
            "accessKeyId": ACCESS_KEY,
            "secretAccessKey": SECRET_KEY,
            **more,
        }
        assert self.site.admin.put("/ips/credentials/key", json=body).status_code in (200, 201)

    def manifest(self, snapshot: str) -> Path:
        """Where the connector keeps what the snapshot holds."""
        return self.home / "cache" / "aws" / f"{snapshot}.manifest"

    def left_over(self, *options: str) -> list[dict[str, Any]]:
        """What `imageport leftovers aws` says."""
        client = self.site.admin.post("/ips/clients", json={"name": "cli", "role": "read"}).json()
        account = self.home / "account.json"
        said = {
            "url": self.site.url,
            "customer": "acme",
            "client_id": client["id"],
            "client_secret": client["clientSecret"],
            "ca": None,
        }
        key = self.home / "aws.json"
        private = {
            account: said,
            key: {"type": "Aws", "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY},
        }
        for path, content in private.items():
            path.touch(0o600)
            path.write_text(json.dumps(content))
        words = ["leftovers", "aws", "--region", REGION, "--credentials", str(key), "--json"]
        env = {**os.environ, "IMAGEPORT_ACCOUNT": str(account)}
        argv = [*COMMAND, *words, *options]
        done = subprocess.run(argv, check=False, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def puts(self) -> int:
        """Blocks that AWS has taken."""
        return sum(1 for each in self.proxy.requests if each.method == "PUT" and each.status < 300)
