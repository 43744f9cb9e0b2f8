"""What a migration says that is stopped by its user: the truth."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dbos import WorkflowStatusString

from imageport.jobs import run
from imageport.jobs.folder import JobFolder


class Handle:
    """A workflow in whose waiting the user presses Ctrl-C; then it goes through `states`."""

    def __init__(self, *states: WorkflowStatusString) -> None:
        self._states = list(states)
        self._stopped = False

    def get_result(self) -> str:
        if self._stopped:
            return "the proof"
        self._stopped = True
        raise KeyboardInterrupt

    def get_status(self) -> Any:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return SimpleNamespace(status=state.value)


@pytest.fixture
def stopped(tmp_path: Path) -> Any:
    return SimpleNamespace(folder=JobFolder("job", tmp_path), cancel=Event())


def test_it_had_ended_already(stopped: Any) -> None:
    handle = Handle(WorkflowStatusString.PENDING, WorkflowStatusString.SUCCESS)
    proof: Any = run._result(cast("Any", handle), stopped)
    assert proof == "the proof"


def test_it_is_stopped(stopped: Any) -> None:
    handle = Handle(WorkflowStatusString.PENDING, WorkflowStatusString.ERROR)
    with pytest.raises(KeyboardInterrupt):
        run._result(cast("Any", handle), stopped)
    assert stopped.cancel.is_set()
