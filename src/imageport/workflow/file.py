"""What a workflow file says: a source, and targets with what they have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from imageport.wire.base import Name, Request, Tags, Text
from imageport.wire.guest import LONGEST_SECONDS, GuestRequest, TargetPlatform
from imageport.wire.stored import FileName, ImageFormat, ShareAddress
from imageport.workflow.document import Lines, Place, plain_key, read_document
from imageport.workflow.errors import Problem, WorkflowInvalid, WorkflowUnreadable
from imageport.workflow.problems import key_of, problems_of

MOST_TARGETS = 64
_MOST_BYTES = 1 << 20


class Share(Request):
    """An image on a share."""

    location: ShareAddress
    """Such as `smb://10.0.1.212/Files/`."""
    credential: Name
    """Of the service's wallet."""
    image: FileName
    """Without extension; of a source also a version, such as `win.2.avhdx`."""
    format: ImageFormat = ImageFormat.VHDX


class Disk(Request):
    """A file, as the connector sees it, or an image on a share."""

    disk: Text | None = None
    share: Share | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.disk is None) == (self.share is None):
            raise PydanticCustomError("one_of", "either disk or share, one of them")
        return self


class FileTarget(GuestRequest):
    """Where the image is to start, what is done to it for that, and where it is written."""

    target_platform: TargetPlatform = Field(alias="platform")
    name: Name | None = None
    """In tables; by default the platform's."""
    output: Disk
    overwrite_target_file: bool = False
    """What has the output's name already is replaced, once its successor is complete."""
    timeout: int = Field(default=7200, ge=60, le=LONGEST_SECONDS)
    """Seconds that the work may take in one go."""
    tags: Tags = Field(default_factory=dict)
    """Kept with the job."""


class _Outline(Request):
    """The file, its targets not yet looked into."""

    name: Name | None = None
    location: Text | None = None
    source: Disk
    defaults: dict[str, Any] = Field(default_factory=dict)
    targets: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MOST_TARGETS)]


class Workflow(BaseModel):
    """A file that is right by itself. Each target has a name, and an output of its own."""

    path: str
    name: str | None
    location: str | None
    source: Disk
    targets: tuple[FileTarget, ...]
    names: tuple[str, ...]


def read_workflow(path: Path) -> tuple[Workflow, Lines]:
    """The file and its lines. Raises WorkflowInvalid, WorkflowUnreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise WorkflowUnreadable(path=str(path), detail=error.strerror) from error
    except UnicodeDecodeError as error:
        raise WorkflowUnreadable(path=str(path), detail="it is no text in UTF-8") from error
    if len(content) > _MOST_BYTES:
        raise WorkflowUnreadable(path=str(path), detail="it is longer than 1 MiB")
    said, lines = read_document(str(path), text)
    return _workflow(str(path), said, lines), lines


def _workflow(path: str, said: Any, lines: Lines) -> Workflow:
    if not isinstance(said, dict):
        raise WorkflowInvalid.of(path, [Problem(1, "there are no fields; source and targets are")])
    problems: list[Problem] = []
    outline: _Outline | None = None
    try:
        outline = _Outline.model_validate(said)
    except ValidationError as error:
        problems += problems_of(error.errors(), lines)
    # Looked into even so: whoever corrects a file wants to hear everything at once.
    fields = {plain_key(key): value for key, value in said.items()}
    common = fields.get("defaults") or {}
    listed = fields.get("targets")
    targets: list[FileTarget] = []
    if isinstance(common, dict) and isinstance(listed, list):
        common = _common(common, lines, problems)
        targets = _targets(common, listed, lines, problems)
    if outline is None or problems:
        raise WorkflowInvalid.of(path, problems)
    names = _names(targets)
    problems += _same(names, "has the name {}", lines)
    problems += _same([address(each.output) for each in targets], "writes {}", lines)
    if problems:
        raise WorkflowInvalid.of(path, problems)
    return Workflow(
        path=path,
        name=outline.name,
        location=outline.location,
        source=outline.source,
        targets=tuple(targets),
        names=tuple(names),
    )


def address(disk: Disk) -> str:
    """Of an output, for people and to compare."""
    if share := disk.share:
        return f"{share.location.rstrip('/')}/{share.image}.{share.format.extension}"
    return disk.disk or ""


def _common(said: dict[str, Any], lines: Lines, problems: list[Problem]) -> dict[str, Any]:
    """Those that are right; to `problems` is added what is wrong with the others."""
    wrong = {"name", "output"}
    for key in said:
        if plain_key(key) in wrong:
            text = f"defaults: {key} is each target's own"
            problems.append(Problem(lines.of(("defaults", key)), text))
    kept = {key: value for key, value in said.items() if plain_key(key) not in wrong}
    try:
        FileTarget.model_validate(kept)
    except ValidationError as error:
        found = [each for each in error.errors() if each["type"] != "missing"]
        problems += problems_of(found, lines, ("defaults",))
        wrong |= {plain_key(key) for key in map(key_of, found) if key}
    return {key: value for key, value in kept.items() if plain_key(key) not in wrong}


def _targets(
    common: dict[str, Any], listed: list[Any], lines: Lines, problems: list[Problem]
) -> list[FileTarget]:
    """Those that are right; to `problems` is added what is wrong with the others."""
    found = []
    for at, own in enumerate(listed):
        if not isinstance(own, dict):
            continue  # the outline has said it
        keys = set(map(plain_key, own))
        said = {key: value for key, value in common.items() if plain_key(key) not in keys} | own
        try:
            found.append(FileTarget.model_validate(said))
        except ValidationError as error:
            problems += problems_of(error.errors(), lines, ("targets", at), ("defaults",))
    return found


def _names(targets: list[FileTarget]) -> list[str]:
    """The given ones; else the platform's, with a number where that is taken."""
    names: list[str] = []
    given = {each.name for each in targets}
    for each in targets:
        plain = each.target_platform.lower()
        candidates = [plain, *(f"{plain}-{number}" for number in range(2, MOST_TARGETS + 2))]
        taken = given.union(names)
        names.append(each.name or next(name for name in candidates if name not in taken))
    return names


def _same(values: list[str], what: str, lines: Lines) -> list[Problem]:
    """Whatever is there more than once."""
    place: Place
    found = []
    for at, value in enumerate(values):
        first = values.index(value)
        if first != at:
            place = ("targets", at)
            line = lines.of(("targets", first))
            text = f"targets: this one {what.format(value)}, as that of line {line} does"
            found.append(Problem(lines.of(place), text))
    return found
