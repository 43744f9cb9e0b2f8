"""Jobs on AWS: an image to an EBS snapshot, and a snapshot to an image on a share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imageport.disk.base import GIB, data_bytes
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.ends.errors import DeniedError, EndError
from imageport.disk.ends.open import Access, open_source
from imageport.disk.errors import DiskError
from imageport.disk.manifest import Manifest, compare
from imageport.disk.treehash import tree_hash
from imageport.host.home import subfolder
from imageport.jobs.copies import Copied, CopyRequest, copy_disk, drop_copy
from imageport.jobs.copy_plan import plan_copy
from imageport.jobs.report import Reporter
from imageport.model.credentials import AwsKey
from imageport.model.errors import ImageportError
from imageport.model.findings import Finding
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.permissions import EXPORT, UPLOAD
from imageport.platforms.aws.preflight import blocks, preflight
from imageport.platforms.aws.regions import check_region
from imageport.platforms.aws.snapshots import (
    READ_BACK,
    ROOT,
    STATE,
    UNFINISHED,
    Snapshot,
    Snapshots,
    new_tags,
)

_KEPT = 64
"""Manifests of snapshots that are kept: megabytes each."""


@dataclass(frozen=True, slots=True)
class AwsPlan:
    """What would be written where, sizes in bytes; None where a blocker kept us from looking."""

    source: str
    target: str
    virtual_size: int | None
    data: int | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SnapshotUpload:
    """An image to a new snapshot; `options` are those of the address `ebs://`."""

    job: str
    """Of the service: what the snapshot is tagged with."""
    source: str
    region: str
    parent: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def request(self) -> CopyRequest:
        """The copy, of a snapshot without a parent."""
        tags = {f"tag:{name}": value for name, value in new_tags(self.job).items()}
        target = f"ebs://{self.region}/"
        return CopyRequest(self.source, target, options={**self.options, **tags})


def upload_snapshot(  # noqa: PLR0913  # what one upload is made of
    wanted: SnapshotUpload, source: Access, key: AwsKey, reporter: Reporter, id: str, *, again: bool
) -> dict[str, Any]:
    """Upload, or go on with an upload that was killed. A failure leaves no snapshot behind.

    Raises ImageportError.
    """
    api = AwsApi(EbsAccount(wanted.region, key))
    check_region(api)
    snapshots = Snapshots(api)
    if again and (done := _done(snapshots, wanted)):
        return done
    target = Access(key)
    request, base = wanted.request, None
    with _cleaned(snapshots, wanted, reporter):
        if wanted.parent:
            base = _base(api, wanted.parent, reporter)
        if wanted.parent and base:
            options = {**request.options, "parent": wanted.parent}
            request = replace(request, base=str(base), options=options)
        try:
            copied = copy_disk(request, source, target, reporter, unread=True, id=id)
        except (ImageportError, KeyboardInterrupt):
            _drop(request, source, target, id, reporter)
            raise
        made = copied.address.rpartition("/")[2]
        snapshots.complete(made, copied.content.root.hex(), read_back=copied.read_back)
        # An attempt elsewhere may have left one.
        snapshots.release(wanted.job, keep=made)
    return _result(copied, made, wanted.parent if base else None, base)


def _result(copied: Copied, made: str, parent: str | None, base: Path | None) -> dict[str, Any]:
    moved = sum(count for _, count in copied.content.leaves.runs())
    if base:
        moved = sum(
            1 for _ in compare(Manifest.load(base).padded(copied.content.size), copied.content)
        )
    _keep(made, copied.content)
    return copied.as_dict() | {"snapshot": made, "parent": parent, "changed_blocks": moved}


def _done(snapshots: Snapshots, wanted: SnapshotUpload) -> dict[str, Any] | None:
    """What an earlier attempt has ended, and not come to say."""
    for found in snapshots.of_job(wanted.job):
        if found.tags.get(STATE, UNFINISHED) != UNFINISHED and ROOT in found.tags:
            snapshots.release(wanted.job, keep=found.id)
            return _told(found, wanted)
    return None


def _told(found: Snapshot, wanted: SnapshotUpload) -> dict[str, Any]:
    return {
        "target": f"ebs://{wanted.region}/{found.id}",
        "root": found.tags[ROOT],
        "virtual_size": found.gib * GIB,
        "read_back": found.tags[STATE] == READ_BACK,
        "snapshot": found.id,
        "parent": wanted.parent,
        "changed_blocks": None,
    }


@contextlib.contextmanager
def _cleaned(snapshots: Snapshots, wanted: SnapshotUpload, reporter: Reporter) -> Iterator[None]:
    """Nothing of the job stays at AWS when it fails or is stopped."""
    try:
        yield
    except (ImageportError, KeyboardInterrupt):
        try:
            snapshots.release(wanted.job)
        except EndError as error:
            reporter.say(
                "Warning: a snapshot with the tag "
                f"imageport-job={wanted.job} may be left: {error.message}"
            )
        raise


def _drop(
    request: CopyRequest, source: Access, target: Access, id: str, reporter: Reporter
) -> None:
    try:
        drop_copy(request, source, target, id)
    except ImageportError as error:
        reporter.say(f"Warning: an unfinished snapshot may be left: {error.message}")


def _base(api: AwsApi, parent: str, reporter: Reporter) -> Path | None:
    """The manifest of the parent: kept here, or read from AWS; None where that is not allowed."""
    Snapshots(api).find(parent)
    path = _manifest(parent)
    with contextlib.suppress(DiskError):
        Manifest.load(path)
        path.touch()
        return path
    address = f"{api.name}{parent}"
    reporter.step_started("hash", f"Read {address} to know what has changed")
    try:
        with open_source(address, Access(api.account.key)) as reader:
            content = tree_hash(reader, lambda at, of: reporter.progress(at, of, "bytes"))
    except DeniedError as error:
        reporter.say(
            f"Warning: {parent} is not used as the parent, and the whole disk moves, since the "
            f"parent was not made here and may not be read: {error.message}"
        )
        return None
    _keep(parent, content)
    return path


def _manifest(snapshot: str) -> Path:
    return subfolder("cache", "aws") / f"{snapshot}.manifest"


def _keep(snapshot: str, content: Manifest) -> None:
    """Keep what a snapshot holds, which never changes; the ones longest unused go."""
    content.save(_manifest(snapshot))
    kept = list(subfolder("cache", "aws").glob("*.manifest"))
    for path in sorted(kept, key=_age)[:-_KEPT]:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another process has removed it


def plan_upload(wanted: SnapshotUpload, source: Access, key: AwsKey, reporter: Reporter) -> AwsPlan:
    """Look at both ends; nothing is written. Raises DiskError of the source."""
    reporter.step_started("look", f"Look at {wanted.source} and ebs://{wanted.region}/")
    with open_source(wanted.source, source) as reader:
        size, data = reader.size, data_bytes(reader)
    findings = preflight(AwsApi(EbsAccount(wanted.region, key)), UPLOAD, wanted.parent)
    target = f"ebs://{wanted.region}/"
    return AwsPlan(wanted.source, target, -(-size // GIB) * GIB, data, findings)


def plan_export(
    request: CopyRequest, region: str, key: AwsKey, target: Access, reporter: Reporter
) -> AwsPlan:
    """Look at both ends, at the share only where nothing stands in the way before it."""
    snapshot = request.source.rpartition("/")[2]
    findings = preflight(AwsApi(EbsAccount(region, key)), EXPORT, snapshot)
    if blocks(findings):
        return AwsPlan(request.source, request.target, None, None, findings)
    found = plan_copy(request, Access(key), target, reporter)
    findings += found.findings
    return AwsPlan(request.source, request.target, found.virtual_size, found.data, findings)
