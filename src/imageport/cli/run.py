"""`imageport run`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.account import service
from imageport.cli.edge import FAILED, INTERRUPTED
from imageport.cli.options import AsJson
from imageport.cli.run_view import (
    LiveTargets,
    PlainTargets,
    plan_rows,
    print_table,
    print_trouble,
    summary_rows,
    target_json,
    watching,
)
from imageport.cli.screen import ERR, print_json
from imageport.model.service import JobStatus
from imageport.workflow.drive import Follower, Run
from imageport.workflow.errors import TargetUnknown, Unconfirmed
from imageport.workflow.file import read_workflow
from imageport.workflow.plan import Plan, Step, decide
from imageport.workflow.record import kept_record, run_name
from imageport.workflow.wanted import Wanted, Wish, wish_of

HELP = """Make one image start on many platforms, as a workflow file says: a job for each target.

The same command again goes on: it follows jobs under way, leaves alone what is complete, and tries
again what failed. docs/workflow-files.md has the file's fields, and examples for cron and systemd.

Examples:

  imageport run golden.yaml --plan

  imageport run golden.yaml

  imageport run golden.yaml --yes --name golden-2026-12 --json
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help=HELP)(run)


@dataclass(frozen=True, slots=True)
class Options:
    """How the command was typed."""

    yes: bool
    fresh: bool
    only: tuple[str, ...]
    cancel_on_interrupt: bool
    as_json: bool


def run(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    file: Annotated[Path, typer.Argument(help="The workflow file (YAML).")],
    plan: Annotated[
        bool,
        typer.Option("--plan", "--dry-run", help="Check everything, change nothing, and say it."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    name: Annotated[
        str | None, typer.Option(help="The run's name; by default the file's `name`, or its own.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this target; may be repeated.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, also what is complete or under way.")
    ] = False,
    cancel_on_interrupt: Annotated[
        bool,
        typer.Option("--cancel-on-interrupt", help="Ctrl-C cancels the jobs; else they go on."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """See HELP."""
    options = Options(yes, fresh, tuple(only or ()), cancel_on_interrupt, as_json)
    with service(as_json=as_json) as client:
        workflow, lines = read_workflow(file)
        called = run_name(name or workflow.name or file.stem)
        with kept_record(called, str(file.resolve())) as record:
            wish = wish_of(client, workflow, lines, called)
            chosen = _chosen(wish.targets, options.only)
            view = watching({each.identity: each.name for each in chosen})
            going = Run(record, Follower(client, view.away))
            ask = going.follower.job
            found = decide(wish.targets, chosen, record, ask, fresh=options.fresh)
            if plan:
                from imageport.cli.run_plan import show_plans  # noqa: PLC0415  # imports DBOS

                good = show_plans(going.follower, found.steps, view, called, as_json=as_json)
                raise typer.Exit(0 if good else FAILED)
            _show(going, found, wish, called)
            _confirm(found, options)
            raise typer.Exit(_do(going, found, view, options))


def _chosen(targets: tuple[Wanted, ...], only: tuple[str, ...]) -> tuple[Wanted, ...]:
    """Raises TargetUnknown."""
    known = [each.name for each in targets]
    for name in only:
        if name not in known:
            raise TargetUnknown(name=name, known=", ".join(known))
    return tuple(each for each in targets if not only or each.name in only)


def _show(going: Run, plan: Plan, wish: Wish, called: str) -> None:
    """What will happen; on standard error, because it is not the result."""
    source = plan.steps[0].wanted.request.input_address
    say = f"Run {called}: {source}, at {wish.location.name}"
    ERR.print(say, markup=False, highlight=False, soft_wrap=True)
    stray = [going.record.entries[each] for each in plan.stray]
    rows = plan_rows(plan.steps, stray)
    print_table(("Target", "Platform", "Output", "What happens"), rows, aside=True)
    if plan.changes and not wish.connectors_online:
        say = f"Warning: no connector of {wish.location.name} is online; jobs wait until one is."
        ERR.print(say, markup=False, highlight=False, soft_wrap=True)


def _confirm(plan: Plan, options: Options) -> None:
    """Raises Unconfirmed; ends the command when the user does not want to."""
    if options.yes or not plan.changes:
        return
    if not sys.stdin.isatty():
        raise Unconfirmed
    if not typer.confirm("Go on?", err=True):
        raise typer.Exit(FAILED)


def _do(going: Run, plan: Plan, view: LiveTargets | PlainTargets, options: Options) -> int:
    """Returns the command's exit code."""
    interrupted = False
    if going.record.entries:
        # What has ended meanwhile, before the service forgets it.
        going.record.save()
    try:
        with view:
            going.cancel_stray(plan)
            for step in plan.steps:
                if step.starts:
                    going.start(step)
            going.follow(plan.steps, view.seen)
    except KeyboardInterrupt:
        interrupted = True
        _stopped(going, plan, options)
    return _summary(going, plan, interrupted=interrupted, as_json=options.as_json)


def _stopped(going: Run, plan: Plan, options: Options) -> None:
    """The user has had enough of following: what becomes of the jobs?"""
    count = sum(1 for step in plan.steps if _under_way(going, step))
    if not count:
        return
    if options.cancel_on_interrupt or (sys.stdin.isatty() and _cancel_too(count)):
        ERR.print(f"Cancelling {count} jobs; each cleans up first.", highlight=False)
        going.cancel(plan.steps)
    else:
        said = f"{count} jobs go on. The same command follows them again; `imageport job cancel ID`"
        ERR.print(f"{said} ends one.", highlight=False, soft_wrap=True)


def _under_way(going: Run, step: Step) -> bool:
    known = going.record.entries.get(step.wanted.identity)
    return known is not None and known.open


def _cancel_too(count: int) -> bool:
    with _impatience():
        try:
            return typer.confirm(f"\nCancel the {count} jobs under way? Else they go on", err=True)
        except typer.Abort:
            return False


@contextmanager
def _impatience() -> Iterator[None]:
    """While something is asked, Ctrl-C and kill work again: `main` heeds the first one alone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _summary(going: Run, plan: Plan, *, interrupted: bool, as_json: bool) -> int:
    entries = [going.entry(step) for step in plan.steps]
    good = all(entry.status is JobStatus.COMPLETE for entry in entries)
    if as_json:
        print_json(
            {
                "run": going.record.name,
                "file": going.record.file,
                "complete": good,
                "interrupted": interrupted,
                "targets": [target_json(*each) for each in zip(plan.steps, entries, strict=True)],
            }
        )
    else:
        names = ("Target", "State", "Time", "Output", "Content")
        print_table(names, summary_rows(plan.steps, entries), aside=False)
        print_trouble(plan.steps, entries)
    return INTERRUPTED if interrupted else 0 if good else FAILED
