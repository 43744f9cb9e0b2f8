"""`imageport leftovers aws`: what jobs left in an account of AWS."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from imageport.cli.account import service
from imageport.cli.ends import access
from imageport.cli.options import AsJson
from imageport.cli.screen import print_json, print_rows
from imageport.client import Client, calls
from imageport.model.credentials import AwsKey
from imageport.model.errors import RemoteError
from imageport.platforms.base import Leftover

_ENDED, _LIVES, _UNKNOWN = "ended", "lives", "unknown"


def aws(
    region: Annotated[str, typer.Option(help="Such as eu-west-1.")],
    credentials: Annotated[Path, typer.Option(help="JSON file (mode 0600) with a key of AWS.")],
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove those whose job the service calls ended.")
    ] = False,
    job: Annotated[
        list[str] | None,
        typer.Option(help="Remove those of this job, too, unless it lives; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List unfinished snapshots of jobs, with what the service says of each job.

    A job that it does not know is another service's, or has ended long ago.
    """
    with service(as_json=as_json) as client:
        # The SDK takes a while to import.
        from imageport.disk.ends.ebs.api import EbsAccount  # noqa: PLC0415
        from imageport.platforms.aws.api import AwsApi  # noqa: PLC0415
        from imageport.platforms.aws.snapshots import Snapshots  # noqa: PLC0415

        key = access(credentials).needed(f"ebs://{region}/", AwsKey)
        snapshots = Snapshots(AwsApi(EbsAccount(region, key)))
        rows: list[dict[str, Any]] = []
        for each in snapshots.leftovers([]):
            state = _state(client, each)
            gone = remove and (state == _ENDED or (state == _UNKNOWN and each.job in (job or [])))
            if gone:
                snapshots.delete(each.name.rpartition("/")[2])
            rows.append(asdict(each) | {"job_state": state, "removed": gone})
        print_json(rows) if as_json else print_rows(map(_row, rows))


def _state(client: Client, found: Leftover) -> str:
    try:
        status = client.send(calls.job(found.job)).overall_status
    except RemoteError as error:
        if error.code not in ("service.not-found", "request.invalid"):
            raise
        return _UNKNOWN
    return _ENDED if status.ended else _LIVES


def _row(said: dict[str, Any]) -> tuple[str, ...]:
    removed = ("removed",) if said["removed"] else ()
    return said["job"], said["job_state"], said["name"], *removed
