"""A connector in this process, and as a program of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from imageport.connector.connector import Connector
from imageport.connector.identity import Identity
from imageport.connector.link import Link, register
from imageport.connector.settings import Settings
from imageport.service.api.settings import Settings as ServiceSettings
from imageport.traces.base import OFF, Traces
from tests.contract.ends.contract import make_disk
from tests.contract.ends.samba import Samba
from tests.contract.service.replica import QUICK, location, replica, scratch
from tests.system.command import COMMAND

SHARE = "share"


def announced(admin: httpx.Client, place: str, name: str = "one") -> tuple[str, str]:
    """Id and one-time code of a new connector."""
    body = {"resourceLocationId": place, "name": name}
    made = admin.post("/ips/connectors", json=body).json()
    return made["id"], made["code"]


def registered(admin: httpx.Client, place: str, ca: Path | None = None) -> Identity:
    """The identity of a new connector."""
    id, code = announced(admin, place)
    identity = Identity.new(str(admin.base_url).rstrip("/"), id, str(ca) if ca else None)
    asyncio.run(register(identity, code, None))
    return identity


@contextmanager
def connector(
    identity: Identity, folder: Path, traces: Traces = OFF, **settings: Any
) -> Iterator[None]:
    """Run one in a thread, with the state folder of this process."""
    wanted = Settings((folder,), **{"slots": 1, "drain": 0, "news": 0.1, **settings})
    running = _Running(identity, wanted, traces)
    running.thread.start()
    try:
        yield
    finally:
        running.stop()


class _Running:
    def __init__(self, identity: Identity, settings: Settings, traces: Traces) -> None:
        self._identity, self._settings, self._traces = identity, settings, traces
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._ready = threading.Event()

    def stop(self) -> None:
        assert self._ready.wait(30)
        self._loop.call_soon_threadsafe(self._connector.drain)
        self.thread.join(60)
        assert not self.thread.is_alive()

    async def _run(self) -> None:
        async with Link(self._identity) as link:
            self._connector = Connector(link, self._identity, self._settings, self._traces)
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._connector.run()


class Program:
    """`imageport connector run`, with a state folder of its own."""

    def __init__(  # noqa: PLR0917  # what makes one
        self,
        url: str,
        known: tuple[str, str],
        home: Path,
        images: Path,
        proxy: Sequence[str] = (),
        ca: Path | None = None,
        **environment: str,
    ) -> None:
        """Register it and start it; `known` is its id and one-time code, `proxy` options."""
        self.home = home
        self._images, self._proxy, self._more = images, proxy, environment
        home.mkdir(parents=True, exist_ok=True)
        code = home / "code"
        code.write_text(known[1])
        words = ["connector", "register", url, "--id", known[0], "--code-file", str(code)]
        words += [*proxy, *(["--ca", str(ca)] if ca else [])]
        argv = [*COMMAND, *words]
        done = subprocess.run(argv, check=False, env=self._env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        code.unlink()
        self.log = home / "connector.log"
        self.start()

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "IMAGEPORT_HOME": str(self.home), **self._more}

    def start(self, *, slots: int = 1) -> None:
        """Start it, again after `kill`."""
        words = ["connector", "run", "--images", str(self._images), "--slots", str(slots)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *words, "--drain", "0", *self._proxy],
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """A polite end."""
        self.process.terminate()
        self.process.wait(60)


def share(admin: httpx.Client, samba: Samba) -> None:
    """Keep the share's account in the wallet."""
    account = samba.account
    body = {
        "id": SHARE,
        "type": "UsernamePassword",
        "username": account.username,
        "password": account.password,
    }
    assert admin.post("/ips/credentials", json=body).status_code == 201


def export(place: str, samba: Samba, source: str, name: str, **more: Any) -> dict[str, Any]:
    """A body for `$export`."""
    return {
        "platform": "Local",
        "resourceLocationId": place,
        "sourceDiskName": source,
        "outputStorageLocation": {
            "location": f"smb://127.0.0.1:{samba.port}/data/",
            "credentialId": SHARE,
        },
        "outputImageFilename": name,
        **more,
    }


def large(images: Path) -> None:
    """A disk whose export takes seconds."""
    with (images / "large.raw").open("wb") as disk:
        for number in range(768):
            disk.write(number.to_bytes(4, "big") * (1 << 18))


def under_way(admin: httpx.Client, job: str) -> None:
    """Wait until the job copies."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        step = admin.get(f"/ips/jobs/{job}").json()["step"]
        if step and step["name"] == "copy" and step["done"]:
            return
        time.sleep(0.05)
    raise TimeoutError(texts(admin, job))


def ended(admin: httpx.Client, job: str, seconds: float = 120) -> dict[str, Any]:
    """The job when it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found: dict[str, Any] = admin.get(f"/ips/jobs/{job}").json()
        if found["overallStatus"] in ("complete", "error", "cancelled"):
            return found
        time.sleep(0.1)
    raise TimeoutError(f"job {job}: {found}, {texts(admin, job)}")


def texts(admin: httpx.Client, job: str) -> list[str]:
    """The lines of its log."""
    items = admin.get(f"/ips/jobs/{job}/logs").json()["items"]
    return [line["text"] for line in items]


@dataclass(frozen=True)
class Site:
    """A service, a share, a folder with a disk, and a connector that is not yet run."""

    url: str
    admin: httpx.Client
    place: str
    images: Path
    samba: Samba

    @cached_property
    def identity(self) -> Identity:
        """Of the connector."""
        return registered(self.admin, self.place)

    def export(
        self, source: str, name: str, headers: dict[str, str] | None = None, **query: str
    ) -> str:
        """Start an export to the share; returns the job's id."""
        body = export(self.place, self.samba, source, name)
        answer = self.admin.post("/ips/images/$export", json=body, params=query, headers=headers)
        assert answer.status_code == 202, answer.text
        id: str = answer.json()["id"]
        return id

    def exported(self, name: str) -> list[str]:
        """What the share has that begins with the name."""
        return [found for found in self.samba.names() if found.startswith(name)]


@contextmanager
def site_in(
    folder: Path, samba: Samba, settings: ServiceSettings = QUICK, traces: Traces = OFF
) -> Iterator[Site]:
    """One with a small disk, `master.raw`."""
    images = folder / "images"
    images.mkdir()
    make_disk(images / "master.raw")
    with (
        replica(scratch(folder), settings, traces=traces) as running,
        running.client() as admin,
    ):
        share(admin, samba)
        yield Site(running.url, admin, location(admin), images, samba)
