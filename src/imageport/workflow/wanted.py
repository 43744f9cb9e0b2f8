"""What is wanted of a service: for each target of a file, the request of one `$migrate` job."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from imageport.client import Client, calls
from imageport.model.service import PlatformName
from imageport.wire.documents import ResourceLocation
from imageport.wire.images import MigrateImage
from imageport.workflow.document import Lines, Place
from imageport.workflow.errors import Problem, RecordUnusable, WorkflowInvalid
from imageport.workflow.file import Disk, FileTarget, Workflow
from imageport.workflow.problems import problems_of
from imageport.workflow.record import Entry, path_of

RUN_TAG = "run"
"""The tag of a job that has the run's name."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target: what it is called, and the request for it."""

    name: str
    request: MigrateImage

    @property
    def identity(self) -> str:
        """Of what is asked for: the same after fields that were left out have come to be known."""
        said = self.request.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        said.pop("tags", None)
        return _digest(said)

    def key(self, attempt: int, salt: str) -> str:
        """The Idempotency-Key of an attempt: whoever says it again is given the same job."""
        return f"run-{_digest([self.request.as_json(), attempt, salt])}"


def requested(entry: Entry) -> Wanted:
    """What an entry of a record asked for. Raises RecordUnusable."""
    try:
        return Wanted(entry.target, MigrateImage.model_validate(entry.request))
    except ValidationError as error:
        detail = f"the request of {entry.target} is not one of this version"
        run = str(entry.request.get("tags", {}).get(RUN_TAG, ""))
        raise RecordUnusable(path=str(path_of(run)), detail=detail) from error


@dataclass(frozen=True, slots=True)
class Wish:
    """All that is wanted, and where."""

    location: ResourceLocation
    targets: tuple[Wanted, ...]
    connectors_online: int


def wish_of(client: Client, workflow: Workflow, lines: Lines, run: str) -> Wish:
    """What the service is to do, once it has what that takes.

    Raises WorkflowInvalid, RemoteError, ServiceUnreachable.
    """
    problems: list[Problem] = []
    location = _location(client, workflow, lines, problems)
    problems += _credentials(client, workflow, lines)
    if location is None or problems:
        raise WorkflowInvalid.of(workflow.path, problems)
    wanted = []
    for at, (name, target) in enumerate(zip(workflow.names, workflow.targets, strict=True)):
        try:
            request = _request(location.id, workflow.source, target, run)
        except ValidationError as error:
            problems += problems_of(error.errors(), lines, ("targets", at))
            continue
        wanted.append(Wanted(name, request))
    if problems:
        raise WorkflowInvalid.of(workflow.path, problems)
    connectors = client.send(calls.connectors()).items
    online = sum(each.online for each in connectors if each.resource_location_id == location.id)
    return Wish(location, tuple(wanted), online)


def _location(
    client: Client, workflow: Workflow, lines: Lines, problems: list[Problem]
) -> ResourceLocation | None:
    known = client.send(calls.locations()).items
    said = workflow.location
    if said is None and len(known) == 1:
        return known[0]
    for each in known:
        if said in (each.id, each.name):
            return each
    names = [each.name for each in known]
    if said is None:
        text = f"location is missing, and the service has {_listed(names)}"
    else:
        text = f"location: the service has no {said}; {_hint(said, names)}"
    problems.append(Problem(lines.of(("location",)), text))
    return None


def _credentials(client: Client, workflow: Workflow, lines: Lines) -> list[Problem]:
    places: list[tuple[Place, Disk]] = [(("source",), workflow.source)]
    for at, target in enumerate(workflow.targets):
        places.append((("targets", at, "output"), target.output))
    named = [
        ((*place, "share", "credential"), disk.share.credential)
        for place, disk in places
        if disk.share
    ]
    if not named:
        return []
    known = [each.id for each in client.send(calls.credentials()).items]
    return [
        Problem(lines.of(place), f"credential: the service has no {name}; {_hint(name, known)}")
        for place, name in named
        if name not in known
    ]


def _request(location: str, source: Disk, target: FileTarget, run: str) -> MigrateImage:
    """Raises ValidationError."""
    guest = target.model_dump(
        mode="json",
        by_alias=True,
        exclude_unset=True,
        exclude={"name", "target_platform", "output", "tags"},
    )
    return MigrateImage.model_validate(
        {
            **guest,
            **_disk("source", "input", source),
            **_disk("output", "output", target.output),
            "platform": PlatformName.LOCAL,
            "resourceLocationId": location,
            "targetPlatform": target.target_platform,
            "tags": {RUN_TAG: run, **target.tags},
        }
    )


def _disk(disk_prefix: str, share_prefix: str, disk: Disk) -> dict[str, Any]:
    """By the request's fields."""
    if disk.share is None:
        return {f"{disk_prefix}DiskName": disk.disk}
    share = disk.share
    return {
        f"{share_prefix}StorageLocation": {
            "location": share.location,
            "credentialId": share.credential,
        },
        f"{share_prefix}ImageFilename": share.image,
        f"{share_prefix}ImageFormat": share.format,
    }


def _hint(said: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(said, names, 1)
    return f"did you mean {close[0]}?" if close else f"it has {_listed(names)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _digest(said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
