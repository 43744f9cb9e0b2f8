"""The process edge: our errors become exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from imageport.cli.screen import ERR, print_error
from imageport.jobs.errors import Interrupted
from imageport.model.errors import ImageportError

FAILED = 1
INTERRUPTED = 130


@contextmanager
def edge(*, as_json: bool = False) -> Iterator[None]:
    """Print an error with its remedy and end with code 1; end with 130 when the user stops it."""
    try:
        yield
    except ImageportError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as stop:
        ERR.print()
        print_error(Interrupted(), as_json=as_json)
        raise typer.Exit(INTERRUPTED) from stop
