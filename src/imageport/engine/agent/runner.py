"""Runs commands one at a time and keeps what they say."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import traceback
from typing import Any

from imageport.engine.agent.commands import COMMANDS, HandOver
from imageport.engine.agent.errors import CommandConflict, EngineBusy, Interrupted, UnknownCommand
from imageport.engine.agent.store import Command, CommandStore, State
from imageport.model.errors import ImageportError


class Runner:
    """Takes commands and runs each on a thread of its own."""

    def __init__(self, store: CommandStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._settle_after_restart()

    def ask(self, id: str, name: str, args: dict[str, Any], trace_id: str | None = None) -> Command:
        """Start a command, or find the one that was started with this id; its log names the trace
        that it is part of.

        Raises UnknownCommand, CommandConflict or EngineBusy.
        """
        with self._lock:
            known = self._store.find(id)
            if known:
                if (known.name, known.args) != (name, args):
                    raise CommandConflict(id=id, name=known.name)
                return known
            if name not in COMMANDS:
                raise UnknownCommand(name=name)
            running = self._store.running()
            if running:
                raise EngineBusy(running=running.name)
            command = Command(id, name, args)
            if trace_id:
                command.log.append(f"trace {trace_id}")
            self._store.save(command)
        threading.Thread(target=self._run, args=(command,), name=f"command-{id}").start()
        return command

    def _settle_after_restart(self) -> None:
        """A command found unended was cut off by a reboot: wanted (a handover) or not."""
        for command in self._store.all():
            if command.state is State.HANDED_OVER:
                self._end(command, State.SUCCEEDED)
            elif not command.state.ended:
                self._fail(command, Interrupted(name=command.name))

    def _run(self, command: Command) -> None:
        try:
            command.result = COMMANDS[command.name](command.args, _Said(command))
        except HandOver:
            command.state = State.HANDED_OVER
            self._store.save(command)
            reboot()
        except ImageportError as error:
            self._fail(command, error)
        except Exception as error:  # noqa: BLE001  # the edge: an unforeseen error must reach the client
            command.log += traceback.format_exc().splitlines()
            self._fail(command, ImageportError(detail=f"{type(error).__name__}: {error}"))
        else:
            # The machine may be taken away as soon as this is said.
            os.sync()
            self._end(command, State.SUCCEEDED)

    def _fail(self, command: Command, error: ImageportError) -> None:
        command.error = error.as_dict()
        self._end(command, State.FAILED)

    def _end(self, command: Command, state: State) -> None:
        command.state = state
        command.ended = time.time()
        self._store.save(command)


class _Said:
    """A command's `Context`: what it says is kept in memory until the command ends, so that many
    small steps cost nothing."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def progress(self, fraction: float, doing: str) -> None:
        self._command.progress = fraction
        self._command.doing = doing

    def log(self, line: str) -> None:
        self._command.log.append(line)


def reboot() -> None:
    """Restart the machine with every file system clean."""
    time.sleep(0.3)  # the client's answer is on its way
    os.sync()
    subprocess.run(["mount", "-o", "remount,ro", "/"], check=False)
    os.sync()
    subprocess.run(["busybox", "reboot", "-f"], check=False)
