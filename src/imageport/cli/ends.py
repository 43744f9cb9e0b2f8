"""Addresses on the command line, and what it takes to reach what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.disk.ends.open import Access, is_local
from imageport.jobs.ends import Ends

SourceCredentials = Annotated[
    Path | None, typer.Option(help="JSON file (mode 0600) with the source's account.")
]
OutputCredentials = Annotated[
    Path | None, typer.Option(help="JSON file (mode 0600) with the output's account.")
]
ShareCredentials = Annotated[
    Path | None,
    typer.Option("--credentials", help="JSON file (mode 0600) with the share's account."),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an output that is there, once there is another."),
]


def absolute(address: str) -> str:
    """The address; of a file here, the absolute path."""
    return str(Path(address).resolve()) if is_local(address) else address


def access(credentials: Path | None, ca: Path | None = None, endpoint: str | None = None) -> Access:
    """Raises CredentialsUnusable, CredentialsExposed."""
    if credentials is None:
        return Access(None, ca, endpoint)
    from imageport.cli.credential_files import read_credentials  # noqa: PLC0415  # imports pydantic

    return Access(read_credentials(credentials), ca, endpoint)


def ends(source: Path | None, output: Path | None) -> Ends:
    """Of a job. Raises as `access` does."""
    return Ends(access(source), access(output))
