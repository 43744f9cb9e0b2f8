"""Speaks to an engine: mutual TLS, its certificate pinned to the job, commands by id."""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self

import httpx
from pydantic import BaseModel, ConfigDict

from imageport.engine.errors import CommandTimeout, EngineRefused, EngineSilent
from imageport.engine.keys import ENGINE_NAME, JobKeys
from imageport.engine.library import component_file, driver_file, pack
from imageport.model.errors import RemoteError

_POLL_SECONDS = 0.25
_REQUEST_SECONDS = 10.0
_TRANSFER_SECONDS = 600.0
_PIECE = 1 << 20
_CONNECT_SECONDS = 1.5
"""Short: a forwarder in between may take our connection long before the engine is there to answer,
and only a new attempt finds out at once that it is."""

OnProgress = Callable[[float | None, str], None]
"""Called with the command's fraction done (or None) and what it is doing."""


class EngineStatus(BaseModel):
    """What `GET /v1/status` says; `uptime` in seconds."""

    version: str
    job: str
    boot_id: str
    uptime: float
    commands: list[str]


class CommandStatus(BaseModel):
    """What `GET /v1/commands/{id}` says; times in seconds since the epoch."""

    model_config = ConfigDict(extra="ignore")

    id: str
    name: str
    state: str
    progress: float | None = None
    doing: str = ""
    log: list[str] = []
    result: Any = None
    error: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("succeeded", "failed")


class EngineClient:
    """One engine, at `address` (`host:port`), with one job's keys."""

    def __init__(self, address: str, keys: JobKeys, traceparent: str | None = None) -> None:
        """`traceparent`: what the engine is told of whose commands these are."""
        self.address = address
        # trust_env=False: a proxy or CA from the environment has no business between us and it.
        self._http = httpx.Client(
            base_url=f"https://{address}",
            verify=_tls(keys),
            timeout=httpx.Timeout(_REQUEST_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=False,
            headers={"traceparent": traceparent} if traceparent else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def status(self) -> EngineStatus | None:
        """Its status, or None while it does not answer."""
        answer = self._call("GET", "/v1/status")
        return None if answer is None else EngineStatus.model_validate(answer)

    def wait_up(self, seconds: float, *, alive: Callable[[], bool] = lambda: True) -> EngineStatus:
        """Wait until it answers. `alive` says whether its machine still runs.

        Raises EngineSilent.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and alive():
            status = self.status()
            if status:
                return status
            time.sleep(_POLL_SECONDS)
        raise EngineSilent(address=self.address, seconds=seconds)

    def ask(
        self,
        id: str,
        name: str,
        args: dict[str, Any],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a command; the same id again changes nothing. `alive` is as in `run`.

        Raises RemoteError when the engine refuses, EngineSilent when it does not answer.
        """
        deadline = time.monotonic() + _REQUEST_SECONDS
        while self.try_ask(id, name, args) is None:
            alive()
            if time.monotonic() > deadline:
                raise EngineSilent(address=self.address, seconds=_REQUEST_SECONDS)
            time.sleep(_POLL_SECONDS)

    def try_ask(self, id: str, name: str, args: dict[str, Any]) -> CommandStatus | None:
        """Start a command, or see how it stands; None while the engine does not answer.

        Raises RemoteError when the engine refuses.
        """
        answer = self._call("PUT", f"/v1/commands/{id}", {"name": name, "args": args})
        return None if answer is None else CommandStatus.model_validate(answer)

    def send_drivers(self, library: Path) -> None:
        """Give the engine a driver library: a folder, or an ISO image.

        Raises LibraryUnusable, IsoInvalid, RemoteError, EngineSilent or EngineRefused.
        """
        self._send("/v1/drivers", library, driver_file)

    def send_components(self, folder: Path) -> None:
        """Give the engine the installers of Citrix's parts; raises as `send_drivers`."""
        self._send("/v1/components", folder, component_file)

    def _send(self, path: str, source: Path, wanted: Callable[[str], bool]) -> None:
        with tempfile.TemporaryFile() as spool:
            pack(source, spool, wanted)
            length = spool.tell()
            spool.seek(0)
            try:
                answer = self._http.put(
                    path,
                    content=_pieces(spool),
                    headers={"Content-Length": str(length)},
                    timeout=_TRANSFER_SECONDS,
                    extensions={"sni_hostname": ENGINE_NAME},
                )
            except httpx.TransportError as error:
                raise EngineSilent(address=self.address, seconds=_TRANSFER_SECONDS) from error
        self._understood(answer)

    def command(self, id: str) -> CommandStatus | None:
        """A command's status, or None while the engine does not answer."""
        answer = self._call("GET", f"/v1/commands/{id}")
        return None if answer is None else CommandStatus.model_validate(answer)

    def records(self) -> list[dict[str, Any]]:
        """Every command as the engine keeps it, with log and times; none without an answer."""
        status = self.status()
        asked = (
            self._call("GET", f"/v1/commands/{id}") for id in (status.commands if status else ())
        )
        return [record for record in asked if record is not None]

    def fetch_collection(self, path: Path, on_bytes: Callable[[int, int], None]) -> None:
        """Write the archive that the command `collect` made to `path`, whole or not at all.

        Raises EngineSilent or EngineRefused.
        """
        partial = path.with_name(f"{path.name}.partial")
        extensions = {"sni_hostname": ENGINE_NAME}
        try:
            with (
                self._http.stream("GET", "/v1/collection", extensions=extensions) as answer,
                partial.open("wb") as file,
            ):
                if not answer.is_success:
                    answer.read()
                    self._understood(answer)
                total = int(answer.headers["Content-Length"])
                for piece in answer.iter_bytes(_PIECE):
                    file.write(piece)
                    on_bytes(file.tell(), total)
        except httpx.TransportError as error:
            raise EngineSilent(address=self.address, seconds=_REQUEST_SECONDS) from error
        partial.replace(path)

    def run(  # noqa: PLR0913  # the last three are options, by keyword only
        self,
        id: str,
        name: str,
        args: dict[str, Any],
        *,
        seconds: float,
        alive: Callable[[], None] = lambda: None,
        on_progress: OnProgress = lambda fraction, doing: None,
    ) -> Any:
        """Run a command to its end and return its result.

        `alive` is asked when the engine does not answer, and raises when it never will again.
        Raises RemoteError with the command's own error, or CommandTimeout.
        """
        self.ask(id, name, args, alive)
        deadline = time.monotonic() + seconds
        doing = "silent"
        while time.monotonic() < deadline:
            status = self.command(id)
            if status and status.ended:
                if status.error:
                    raise RemoteError.from_dict(status.error)
                return status.result
            if status:
                doing = status.doing or "starting"
                on_progress(status.progress, doing)
            else:
                alive()
            time.sleep(_POLL_SECONDS)
        raise CommandTimeout(name=name, seconds=seconds, doing=doing)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer's JSON, or None when nobody answers (a machine starts, or is the image's)."""
        try:
            answer = self._http.request(
                method, path, json=body, extensions={"sni_hostname": ENGINE_NAME}
            )
        except httpx.TransportError:
            return None
        return self._understood(answer)

    def _understood(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json()
        if answer.status_code == httpx.codes.CONFLICT:
            raise RemoteError.from_dict(answer.json())
        raise EngineRefused(address=self.address, status=answer.status_code, body=answer.text)


def _pieces(spool: IO[bytes]) -> Iterator[bytes]:
    while piece := spool.read(_PIECE):
        yield piece


def _tls(keys: JobKeys) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=keys.authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.TemporaryDirectory() as folder:
        # Python's ssl module reads keys from files alone.
        chain = Path(folder, "client.pem")
        chain.touch(mode=0o600)
        chain.write_text(keys.client_certificate + keys.client_key)
        context.load_cert_chain(chain)
    return context
