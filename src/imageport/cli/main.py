"""The `imageport` command: what a person types, turned into jobs."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from imageport import __version__
from imageport.host.private_memory import keep_memory_private

_COMMANDS = (
    "migrate",
    "upgrade-pvs",
    "convert-to-uefi",
    "inspect",
    "diagnostics",
    "image",
    "engine",
    "leftovers",
    "proof",
    "doctor",
    "serve",
    "login",
    "run",
    "job",
    "credential",
    "location",
    "client",
    "connector",
)


def application(*words: str) -> typer.Typer:
    """The command line. Of all commands, only the one that `words` begin with is imported.

    All together they take longer to import than many an image takes to convert.
    """
    app = typer.Typer(
        name="imageport",
        help="Moves the master image of a Windows or Linux machine to another platform, and "
        "proves that it boots there.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        callback=_options,
    )
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        importlib.import_module(f"imageport.cli.{name.replace('-', '_')}").add_to(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options before any command."""


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run() -> None:
    """Entry point. Ctrl-C, a polite kill and a terminal that is closed all clean up."""
    keep_memory_private()
    for number in _STOPPING:
        signal.signal(number, _interrupt)
    application(*sys.argv[1:])()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # Once: an impatient second Ctrl-C would cut off the cleaning up.
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
