"""`imageport job`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from pydantic import ValidationError

from imageport.cli.account import service
from imageport.cli.job_view import print_job, row
from imageport.cli.options import AsJson
from imageport.cli.screen import (
    LiveSteps,
    PlainSteps,
    print_json,
    print_rows,
    reporter,
)
from imageport.client import Client, JobFailed, calls
from imageport.client.synchronous import ended_well
from imageport.model.errors import ImageportError
from imageport.model.service import JobStatus, JobType, PlatformName
from imageport.wire.documents import Job, LogLine
from imageport.wire.images import ImageRequest, read_request

app = typer.Typer(help="Jobs of a service.", no_args_is_help=True)


class RequestInvalid(ImageportError):
    """A job's request is not one."""

    code: ClassVar[str] = "client.request"
    sentence: ClassVar[str] = "The request cannot be sent: {detail}."
    remedy: ClassVar[str] = (
        "/ips/openapi.json of the service describes every field; `--help` has examples."
    )


class LocationUnclear(ImageportError):
    """No resource location was named, and there is not exactly one."""

    code: ClassVar[str] = "client.location"
    sentence: ClassVar[str] = "resourceLocationId is missing, and there are {count} locations."
    remedy: ClassVar[str] = "Add resourceLocationId=ID; `imageport location list` lists them."


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="job")


@app.command()
def start(
    type: Annotated[JobType, typer.Argument(help="What to do.")],
    request: Annotated[
        list[str],
        typer.Argument(
            help="The request: FIELD=VALUE, FIELD.FIELD=VALUE, a JSON file, or - (standard input)."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, change nothing, and say it.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a job.

    What is left out: platform is Local, and resourceLocationId the only one that there is.

    Examples:

    imageport job start migrate sourceDiskName=master.vmdk targetPlatform=Gcp
    outputDiskName=master.raw --wait

    imageport job start export sourceDiskName=master.vmdk outputImageFilename=win
    outputStorageLocation.location=smb://files/images/
    outputStorageLocation.credentialId=share --wait

    imageport job start upload platform=Aws awsRegion=eu-west-1 platformCredentialId=aws
    inputStorageLocation.location=smb://files/images/
    inputStorageLocation.credentialId=share inputImageFilename=win --wait

    imageport job start prepareAndPublish request.json --dry-run --wait
    """
    with service(as_json=as_json) as client:
        said = _said(request)
        given = set(map(str.casefold, said))
        if "platform" not in given:
            said["platform"] = PlatformName.LOCAL.value
        if "resourcelocationid" not in given:
            said["resourceLocationId"] = _only_location(client)
        job = client.send(calls.start(_validated(type, said), dry_run=dry_run))
        if wait:
            _follow(client, job.id, as_json=as_json)
        else:
            print_json(job.as_json()) if as_json else print_rows([(job.id,)])


@app.command("list")
def list_(
    status: Annotated[JobStatus | None, typer.Option(help="Only those.")] = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first; those that have ended are known for a day."""
    with service(as_json=as_json) as client:
        found = list(client.all_jobs(status))
        if as_json:
            print_json([each.as_json() for each in found])
        else:
            print_rows(map(row, found))


@app.command()
def show(id: str, as_json: AsJson = False) -> None:
    """Show all of a job."""
    with service(as_json=as_json) as client:
        job = client.send(calls.job(id))
        print_json(job.as_json()) if as_json else print_job(job)


@app.command()
def wait(id: str, as_json: AsJson = False) -> None:
    """Follow a job to its end; code 1 when that is not a good one."""
    with service(as_json=as_json) as client:
        _follow(client, id, as_json=as_json)


@app.command()
def logs(id: str, as_json: AsJson = False) -> None:
    """Print a job's log as far as it is."""
    with service(as_json=as_json) as client:
        after = "0.0"
        lines: list[LogLine] = []
        while page := client.send(calls.logs(id, after)).items:
            after = page[-1].position
            lines += page
        if as_json:
            print_json([line.as_json() for line in lines])
        else:
            at = "%Y-%m-%d %H:%M:%S"
            print_rows((f"{line.at:{at}}", line.level.value, line.text) for line in lines)


@app.command()
def cancel(id: str, as_json: AsJson = False) -> None:
    """Ask for a job's end; `wait` says when it has cleaned up."""
    with service(as_json=as_json) as client:
        job = client.send(calls.cancel(id))
        print_json(job.as_json()) if as_json else print_job(job)


def _said(words: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            _put(said, name.split("."), value)
            continue
        try:
            text = sys.stdin.read() if word == "-" else Path(word).read_text(encoding="utf-8")
            found = json.loads(text)
        except OSError as error:
            raise RequestInvalid(detail=f"{word}: {error.strerror}") from error
        except ValueError as error:
            raise RequestInvalid(detail=f"{word} is no JSON") from error
        if not isinstance(found, dict):
            raise RequestInvalid(detail=f"{word} is no JSON object")
        said |= found
    return said


def _put(said: dict[str, Any], names: list[str], value: str) -> None:
    """`outputStorageLocation.location=smb://...` is a field of a field."""
    *outer, last = names
    for name in outer:
        said = said.setdefault(name, {})
        if not isinstance(said, dict):
            raise RequestInvalid(detail=f"{name} is a value, and has no fields")
    said[last] = value


def _validated(type: JobType, said: dict[str, Any]) -> ImageRequest:
    try:
        return read_request(type, said)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'request'}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        )
        raise RequestInvalid(detail=found) from error


def _only_location(client: Client) -> str:
    found = client.send(calls.locations()).items
    if len(found) != 1:
        raise LocationUnclear(count=len(found))
    return found[0].id


def _follow(client: Client, id: str, *, as_json: bool) -> None:
    job: Job | None = None
    with reporter() as steps:
        for said in client.follow(id):
            if isinstance(said, LogLine):
                steps.say(said.text)
            else:
                _progress(steps, job, said)
                job = said
    job = client.send(calls.job(id))
    if as_json and job.overall_status is JobStatus.COMPLETE:
        print_json(job.as_json())
        return
    try:
        ended_well(job)
    except JobFailed:
        if as_json:
            print_json(job.as_json())
            raise typer.Exit(1) from None
        raise
    print_job(job)


def _progress(steps: LiveSteps | PlainSteps, before: Job | None, now: Job) -> None:
    was = before.step.name if before and before.step else None
    if now.step and now.step.name != was:
        steps.step_started(now.step.name, now.step.title)
    if now.step and now.step.total:
        steps.progress(now.step.done, now.step.total, now.step.unit)
