"""What a migration lets its engine do: start, commands by id, found again after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageport.engine.client import EngineClient
from imageport.engine.errors import EngineSilent
from imageport.engine.keys import job_keys
from imageport.jobs.errors import EngineLost
from imageport.jobs.folder import JobFolder
from imageport.jobs.report import Reporter
from imageport.model.job import MigrateRequest
from imageport.model.target import Firmware
from imageport.platforms.base import DiskRef, EngineVm, Platform
from imageport.platforms.errors import MachineDied

START_SECONDS = 300.0
"""An engine starts in seconds; under emulation on a busy computer in a minute."""
COMMAND_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class EngineWork:
    """One job's engine, with `image` as its second disk.

    `attempt` counts the engines that a job had: commands of a new one are new commands. `boots`
    counts the boots of the image that its first-boot work asked for besides the first.
    """

    platform: Platform
    folder: JobFolder
    image: DiskRef
    firmware: Firmware
    reporter: Reporter
    attempt: int = 0
    boots: int = 0

    @property
    def turn(self) -> str:
        """Names this attempt, and which of its boots it is."""
        return f"{self.attempt}.{self.boots}" if self.boots else str(self.attempt)

    def start(self) -> None:
        """Make the engine's machine, or find it, and wait until it answers.

        Raises EngineSilent or MachineDied.
        """
        keys = job_keys(self.folder.keys, self.folder.id)
        job = self.folder.id
        vm = self.platform.create_engine(job, self.image, self.firmware, keys.boot_data(job))
        with EngineClient(vm.address, keys) as client:
            self.wait_up(client)

    def wait_up(self, client: EngineClient) -> None:
        """Wait until the engine answers. Raises EngineSilent."""
        client.wait_up(
            START_SECONDS, alive=lambda: self.platform.find_engine(self.folder.id) is not None
        )

    def send_libraries(self, request: MigrateRequest) -> None:
        """Give the engine the driver library and the component source, where there are any."""
        if request.drivers:
            with self.command("send-drivers") as client:
                client.send_drivers(Path(request.drivers))
        if request.components:
            with self.command("send-components") as client:
                client.send_components(Path(request.components))

    def run(self, name: str, args: dict[str, Any]) -> Any:
        """Run a command of the engine to its end; the same again finds what was run before.

        Raises EngineLost when its machine is gone, else RemoteError or CommandTimeout.
        """
        with self.command(name) as client:
            return client.run(
                self.command_id(name),
                name,
                args,
                seconds=COMMAND_SECONDS,
                alive=self.check_alive,
                on_progress=lambda done, what: self.reporter.progress(done or 0, 1, what),
            )

    def fetch_collection(self, path: Path) -> list[dict[str, Any]]:
        """Write what the command `collect` made to `path`; returns the engine's commands.

        Raises EngineLost when its machine is gone, else EngineSilent.
        """
        with self.command("fetch-collection") as client:
            try:
                client.fetch_collection(
                    path, lambda done, total: self.reporter.progress(done, total, "bytes")
                )
            except EngineSilent:
                self.check_alive()
                raise
            records: list[dict[str, Any]] = client.records()
            return records

    def command_id(self, name: str) -> str:
        """The id of the one command `name` of this attempt and boot."""
        return f"{name}-{self.turn}"

    def check_alive(self) -> None:
        """Raises EngineLost when the engine's machine is gone."""
        self._found()

    @contextmanager
    def command(self, name: str) -> Iterator[EngineClient]:
        """Speak to the engine as it is, of one command. Raises EngineLost when its machine is
        gone."""
        with self.reporter.command(name) as traceparent:
            vm = self._found()
            keys = job_keys(self.folder.keys, self.folder.id)
            with EngineClient(vm.address, keys, traceparent) as client:
                yield client

    def _found(self) -> EngineVm:
        try:
            vm = self.platform.find_engine(self.folder.id)
        except MachineDied as error:
            # It went away between being found and being asked for its address.
            raise EngineLost(job=self.folder.id) from error
        if vm is None:
            raise EngineLost(job=self.folder.id)
        return vm
