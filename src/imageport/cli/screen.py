"""What a person sees: live steps on a terminal, plain lines elsewhere, errors with their remedy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.filesize import decimal
from rich.live import Live
from rich.table import Table
from rich.text import Text

from imageport.model.errors import ImageportError

OUT = Console()
ERR = Console(stderr=True)

_PLAIN_EVERY_SECONDS = 5.0


def print_json(value: Any) -> None:
    """The one JSON document that a command with --json prints."""
    OUT.print_json(json.dumps(value, default=str))


def print_facts(facts: list[tuple[str, str]]) -> None:
    """Names and what they stand for, a line each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        table.add_row(*map(Text, fact))
    OUT.print(table)


def print_rows(rows: Iterable[Sequence[str]], console: Console = OUT) -> None:
    """A line for each row, its parts below each other's; cut on a terminal alone."""
    rows = list(rows)
    if console.is_terminal:
        table = Table.grid(padding=(0, 2))
        for row in rows:
            table.add_row(*(Text(part, no_wrap=True) for part in row))
        console.print(table)
        return
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(set_cell_size(*each) for each in zip(row, widths, strict=True))
        console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)


def print_error(error: ImageportError, *, as_json: bool) -> None:
    """An error: for a person on standard error, with --json on standard output."""
    if as_json:
        print_json({"error": error.as_dict()})
        return
    ERR.print(f"[bold red]Error[/] [dim]({error.code})[/]: ", end="")
    ERR.print(error.message, markup=False, highlight=False, soft_wrap=True)
    ERR.print("[bold]What to do[/]: ", end="")
    ERR.print(error.advice, markup=False, highlight=False, soft_wrap=True)


def reporter() -> LiveSteps | PlainSteps:
    """Live steps when standard error is a terminal, else plain lines."""
    return LiveSteps() if ERR.is_terminal else PlainSteps()


class PlainSteps:
    """One line for each event, with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0.0

    def __enter__(self) -> PlainSteps:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def step_started(self, name: str, title: str) -> None:
        """See `jobs.report.Reporter`."""
        self._line(f"{name}: started: {title}")
        self._told = time.monotonic()

    def step_done(self, name: str, seconds: float) -> None:
        """See `jobs.report.Reporter`."""
        self._line(f"{name}: done in {seconds:.1f} s")

    def progress(self, done: float, total: float, what: str) -> None:
        """See `jobs.report.Reporter`."""
        if time.monotonic() - self._told >= _PLAIN_EVERY_SECONDS:
            self._told = time.monotonic()
            self._line(f"progress: {describe(done, total, what, 0)}")

    def say(self, line: str) -> None:
        """See `jobs.report.Reporter`."""
        self._line(line)

    def command(self, name: str) -> AbstractContextManager[str | None]:
        """See `jobs.report.Reporter`."""
        del name
        return nullcontext()

    def _line(self, text: str) -> None:
        ERR.print(
            f"[{time.monotonic() - self._began:7.1f}] {text}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


@dataclass
class _Row:
    title: str
    began: float
    seconds: float | None = None
    progress: str = ""


@dataclass
class LiveSteps:
    """A table of steps that changes in place."""

    rows: dict[str, _Row] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._current = ""
        self._live = Live(console=ERR, refresh_per_second=4, get_renderable=self._table)

    def __enter__(self) -> LiveSteps:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def step_started(self, name: str, title: str) -> None:
        """See `jobs.report.Reporter`."""
        self.rows[name] = _Row(title, time.monotonic())
        self._current = name

    def step_done(self, name: str, seconds: float) -> None:
        """See `jobs.report.Reporter`."""
        row = self.rows.setdefault(name, _Row(name, time.monotonic()))
        row.seconds, row.progress = seconds, ""

    def progress(self, done: float, total: float, what: str) -> None:
        """See `jobs.report.Reporter`."""
        row = self.rows.get(self._current)
        if row:
            row.progress = describe(done, total, what, time.monotonic() - row.began)

    def say(self, line: str) -> None:
        """See `jobs.report.Reporter`."""
        self._live.console.print(line, markup=False, highlight=False)

    def command(self, name: str) -> AbstractContextManager[str | None]:
        """See `jobs.report.Reporter`."""
        del name
        return nullcontext()

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for row in self.rows.values():
            done = row.seconds is not None
            seconds = row.seconds if row.seconds is not None else time.monotonic() - row.began
            mark = "[green]✔[/]" if done else "[yellow]…[/]"
            table.add_row(mark, row.title, f"{seconds:6.1f} s", f"[dim]{row.progress}[/]")
        return table


def describe(done: float, total: float, what: str, seconds: float) -> str:
    """Progress in words: bytes with the time left, a share, or what is going on."""
    if what == "bytes":
        text = f"{decimal(int(done))} of {decimal(int(total))}"
        if seconds > 1 and 0 < done < total:
            text += f", {seconds * (total - done) / done:.0f} s left"
        return text
    if total:
        return f"{done / total:.0%} {what}"
    return f"{done:.0f} s {what}"
