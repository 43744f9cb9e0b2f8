"""Spans of engine commands, against the real agent: served by this process, over mutual TLS."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from imageport.connector.job_spans import TracedReporter
from imageport.connector.talk import News, SpanBegan
from imageport.engine.agent import commands
from imageport.engine.agent.boot_data import BootData
from imageport.engine.agent.server import AgentServer
from imageport.engine.agent.store import CommandStore
from imageport.engine.keys import job_keys
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.folder import JobFolder
from imageport.jobs.report import Silent
from imageport.model.errors import RemoteError
from imageport.model.target import DiskFormat, Firmware
from imageport.platforms.base import DiskRef, EngineVm, Platform

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ATTEMPT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentServer]:
    folder = tmp_path / "engine"
    folder.mkdir()
    data = BootData(**json.loads(job_keys(JobFolder("job", tmp_path).keys, "job").boot_data("job")))
    server = AgentServer(data, CommandStore(folder / "commands"), folder, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def told() -> list[News]:
    return []


@pytest.fixture
def work(agent: AgentServer, tmp_path: Path, told: list[News]) -> EngineWork:
    vm = EngineVm("job", f"127.0.0.1:{agent.server_port}")
    platform = cast("Platform", SimpleNamespace(find_engine=lambda _: vm))
    folder = JobFolder("job", tmp_path)
    image = DiskRef(tmp_path / "work.qcow2", DiskFormat.QCOW2)
    reporter = TracedReporter(Silent(), ATTEMPT, told.append)
    return EngineWork(platform, folder, image, Firmware.BIOS, reporter)


def _began(told: list[News], name: str) -> SpanBegan:
    (found,) = [news.began for news in told if news.began and news.began.name == name]
    return found


def _error(told: list[News], began: SpanBegan) -> str | None:
    (found,) = [news.done for news in told if news.done and news.done.id == began.id]
    assert found.at >= began.at
    return found.error


def test_a_command_is_a_child_of_its_step_and_the_engine_names_the_trace(
    work: EngineWork, agent: AgentServer, told: list[News], monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspect(args: Any, context: Any) -> Any:
        context.log("looked")
        return args

    monkeypatch.setitem(commands.COMMANDS, "inspect", inspect)
    work.reporter.step_started("inspect", "Look inside")
    assert work.run("inspect", {"a": 1}) == {"a": 1}
    work.reporter.step_done("inspect", 1)
    step, command = (news.began for news in told if news.began)
    assert step
    assert command
    assert (step.name, step.parent) == ("inspect", ATTEMPT)
    assert command.parent == f"00-{TRACE}-{step.id}-01"
    assert command.attributes == {"imageport.engine.command": "inspect"}
    assert (_error(told, command), _error(told, step)) == (None, None)
    (kept,) = agent.store.all()
    assert kept.log == [f"trace {TRACE}", "looked"]


def test_an_error_of_the_engine_ends_its_span(work: EngineWork, told: list[News]) -> None:
    work.reporter.step_started("prepare", "Prepare")
    with pytest.raises(RemoteError) as raised:
        work.run("no-such-command", {})
    assert _error(told, _began(told, "no-such-command")) == raised.value.code
    assert raised.value.code != "internal"


def test_what_an_earlier_attempt_did_is_no_span_of_this_one(told: list[News]) -> None:
    reporter = TracedReporter(Silent(), ATTEMPT, told.append)
    reporter.step_done("engine", 3)
    reporter.step_started("inspect", "Look inside")
    reporter.step_started("inspect", "Look inside")
    reporter.step_done("inspect", 1)
    first, second = (news.began for news in told if news.began)
    assert first
    assert second
    assert _error(told, first) == "job.step-unfinished"
    assert _error(told, second) is None
