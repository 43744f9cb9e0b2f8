"""Commands and their states, kept on the engine's disk so that they survive a handover's reboot."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from imageport.host.files import write_whole

_LOG_KEPT = 2000
"""Lines of a command's log that are kept."""


class State(StrEnum):
    """Where a command stands."""

    RUNNING = "running"
    HANDED_OVER = "handed-over"
    """The machine is the image's; the command ends when the engine is back."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in (State.SUCCEEDED, State.FAILED)


@dataclass(slots=True)
class Command:
    """One command: asked for by a client-made id, so that asking twice is asking once."""

    id: str
    name: str
    args: dict[str, Any]
    state: State = State.RUNNING
    started: float = field(default_factory=time.time)
    ended: float | None = None
    progress: float | None = None
    doing: str = ""
    log: list[str] = field(default_factory=list)
    result: Any = None
    error: dict[str, Any] | None = None


class CommandStore:
    """All commands of this engine, one JSON file each, replaced atomically."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._commands = {
            command.id: command for command in map(_read, sorted(folder.glob("*.json")))
        }

    def find(self, id: str) -> Command | None:
        """The command with this id, if it was ever asked for."""
        with self._lock:
            return self._commands.get(id)

    def all(self) -> list[Command]:
        """Every command, the oldest first."""
        with self._lock:
            return sorted(self._commands.values(), key=lambda command: command.started)

    def running(self) -> Command | None:
        """The command under way, if any."""
        return next((command for command in self.all() if not command.state.ended), None)

    def save(self, command: Command) -> None:
        """Keep a command's present state, on the disk too."""
        with self._lock:
            self._commands[command.id] = command
            del command.log[:-_LOG_KEPT]
            path = self._folder / f"{command.id}.json"
            write_whole(path, [json.dumps(asdict(command)).encode()])


def _read(path: Path) -> Command:
    said = json.loads(path.read_text())
    said["state"] = State(said["state"])
    return Command(**said)
