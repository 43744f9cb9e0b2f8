"""The `imageport` command: what a person types, turned into jobs."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

import typer

from imageport import __version__
from imageport.cli import doctor, engine, image, inspect, leftovers, migrate, proof

app = typer.Typer(
    name="imageport",
    help="Moves the master image of a Windows or Linux machine to another platform, and proves "
    "that it boots there.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("migrate", help=migrate.HELP)(migrate.migrate)
app.command("inspect", help=inspect.HELP)(inspect.inspect)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
app.add_typer(image.app, name="image")
app.add_typer(engine.app, name="engine")
app.add_typer(leftovers.app, name="leftovers")
app.add_typer(proof.app, name="proof")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options before any command."""


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run() -> None:
    """Entry point. Ctrl-C, a polite kill and a terminal that is closed all clean up."""
    for number in _STOPPING:
        signal.signal(number, _interrupt)
    app()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # Once: an impatient second Ctrl-C would cut off the cleaning up.
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
