"""`imageport location`."""

from __future__ import annotations

from typing import Annotated

import typer

from imageport.cli.account import service
from imageport.cli.options import AsJson
from imageport.cli.screen import print_json, print_rows
from imageport.client import calls
from imageport.model.service import PlatformName
from imageport.wire.documents import NewLocation, ResourceLocation

app = typer.Typer(help="Resource locations: where connectors run.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="location")


MaxJobs = Annotated[
    int | None, typer.Option(help="How many of its jobs may be under way at once.", min=1)
]
MaxJobsOn = Annotated[
    list[str] | None,
    typer.Option(help="The same for one platform, such as Local=2; may be repeated."),
]


@app.command("add")
def add(
    name: str, max_jobs: MaxJobs = None, max_jobs_on: MaxJobsOn = None, as_json: AsJson = False
) -> None:
    """Make one.

    Example: imageport location add datacenter-1 --max-jobs 8 --max-jobs-on Local=2
    """
    new = _location(name, max_jobs, max_jobs_on)
    with service(as_json=as_json) as client:
        made = client.send(calls.add_location(new))
        print_json(made.as_json()) if as_json else print_rows([_row(made)])


@app.command("change")
def change(
    id: str,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    max_jobs: MaxJobs = None,
    max_jobs_on: MaxJobsOn = None,
    as_json: AsJson = False,
) -> None:
    """Give one these limits, and no others; jobs under way go on.

    Example: imageport location change 7d1b... --max-jobs-on Local=4
    """
    with service(as_json=as_json) as client:
        name = name or client.send(calls.location(id)).name
        made = client.send(calls.change_location(id, _location(name, max_jobs, max_jobs_on)))
        print_json(made.as_json()) if as_json else print_rows([_row(made)])


def _location(name: str, max_jobs: int | None, max_jobs_on: list[str] | None) -> NewLocation:
    by_platform: dict[PlatformName, int] = {}
    for said in max_jobs_on or []:
        platform, _, most = said.partition("=")
        known = {each.casefold(): each for each in PlatformName}.get(platform.casefold())
        if known is None or not most.isdecimal() or int(most) < 1:
            example = f"write PLATFORM=NUMBER; platforms are {', '.join(PlatformName)}"
            raise typer.BadParameter(f"{said!r}: {example}", param_hint="--max-jobs-on")
        by_platform[known] = int(most)
    return NewLocation(name=name, max_jobs=max_jobs, max_jobs_by_platform=by_platform)


def _row(location: ResourceLocation) -> tuple[str, str, str]:
    limits = [f"at most {location.max_jobs} jobs"] if location.max_jobs else []
    limits += [f"{on}: {most}" for on, most in location.max_jobs_by_platform.items()]
    return location.id, location.name, ", ".join(limits)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List them."""
    with service(as_json=as_json) as client:
        found = client.send(calls.locations())
        if as_json:
            print_json(found.as_json())
        else:
            print_rows(map(_row, found.items))


@app.command("remove")
def remove(id: str, as_json: AsJson = False) -> None:
    """Remove one that has neither connectors nor jobs."""
    with service(as_json=as_json) as client:
        client.send(calls.remove_location(id))
