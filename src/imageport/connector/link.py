"""What the connector says to the service; it only ever asks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from imageport import __version__
from imageport.client.account import tls
from imageport.client.attempts import Attempts
from imageport.client.calls import problem
from imageport.connector.identity import Identity
from imageport.wire.connector import (
    Claim,
    Finish,
    Register,
    Registered,
    Release,
    Renew,
    Renewed,
    Work,
)

D = TypeVar("D", bound=BaseModel)

_ANSWER_SECONDS = 30.0


class Link:
    """A connector's way to its service: TLS, a proxy if there is one, and patience."""

    def __init__(
        self, identity: Identity, *, proxy: httpx.Proxy | None = None, socket: Path | None = None
    ) -> None:
        """`socket`: a Unix socket that the service listens on, instead of its address.

        Raises AuthorityUnusable.
        """
        self._identity, self._proxy = identity, proxy
        # Reading all authorities takes longer than most requests.
        secure = identity.url.startswith("https:")
        verify = secure and tls(Path(identity.ca) if identity.ca else None)
        transport = httpx.AsyncHTTPTransport(uds=str(socket)) if socket else None
        # Which proxy there is was decided before, also by the environment.
        self._http = httpx.AsyncClient(
            base_url=identity.url, verify=verify, proxy=proxy, transport=transport, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def register(self, code: str, *, patience: float = 10.0) -> Registered:
        """Give the one-time code for the keys. Raises RemoteError, ServiceUnreachable."""
        signing, sealing = self._identity.public_keys
        body = Register(code=code, signing_key=signing, sealing_key=sealing, version=__version__)
        answer = await self._post("$register", body, patience, signed=False)
        return _read(Registered, answer)

    async def claim(self, wait: float, health: dict[str, Any]) -> Work | None:
        """A job, held from now on; None when none came in. Raises as `register` does."""
        body = Claim(wait=wait, version=__version__, health=health)
        answer = await self._post("$claim", body, 0, wait + _ANSWER_SECONDS)
        if answer.status_code == httpx.codes.NO_CONTENT:
            return None
        return _read(Work, answer)

    async def renew(self, job: str, said: Renew, patience: float) -> Renewed:
        """Raises RemoteError (`lease.lost`), ServiceUnreachable after `patience` seconds."""
        answer = await self._post(f"jobs/{job}/$renew", said, patience)
        return _read(Renewed, answer)

    async def finish(self, job: str, said: Finish, patience: float) -> None:
        """Raises as `renew` does."""
        await self._post(f"jobs/{job}/$finish", said, patience)

    async def release(self, job: str, fence: int, patience: float) -> None:
        """Raises as `renew` does."""
        await self._post(f"jobs/{job}/$release", Release(fence=fence), patience)

    async def _post(
        self,
        path: str,
        body: BaseModel,
        patience: float,
        timeout: float = _ANSWER_SECONDS,  # of a socket; httpx ends it itself
        *,
        signed: bool = True,
    ) -> httpx.Response:
        proxy = str(self._proxy.url) if self._proxy else None
        attempts = Attempts(self._identity.url, patience, proxy)
        content = body.model_dump_json(by_alias=True, exclude_none=True)
        while True:
            headers = {"Content-Type": "application/json"}
            if signed:
                headers["Authorization"] = f"Bearer {self._identity.token()}"
            try:
                answer = await self._http.post(
                    f"/ips/connectors/{self._identity.id}/{path}",
                    content=content,
                    headers=headers,
                    timeout=timeout,
                )
                pause = attempts.after_answer(answer)
            except httpx.TransportError as error:
                pause = attempts.after_error(error)
            else:
                if pause is None:
                    if answer.is_success:
                        return answer
                    raise problem(answer)
            await asyncio.sleep(pause)


def _read(kind: type[D], answer: httpx.Response) -> D:
    """Raises RemoteError for what no service of this version says."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise problem(answer) from error


async def register(identity: Identity, code: str, proxy: httpx.Proxy | None) -> Registered:
    """Make an identity known. Raises RemoteError, ServiceUnreachable."""
    async with Link(identity, proxy=proxy) as link:
        return await link.register(code)
