"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

import httpx

from imageport.client import calls
from imageport.client.account import Account, tls
from imageport.client.attempts import Attempts
from imageport.client.calls import Call
from imageport.client.synchronous import ended_well
from imageport.client.token import TokenKeeper
from imageport.wire.documents import Job

T = TypeVar("T")


class AsyncClient:
    """As `Client`."""

    def __init__(self, account: Account, *, patience: float = 60.0) -> None:
        """`patience`: seconds that the service may be unreachable."""
        self._account, self._patience = account, patience
        self._keeper = TokenKeeper(account)
        self._http = httpx.AsyncClient(base_url=account.url, verify=tls(account.ca), timeout=60)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """The answer. Raises RemoteError with the service's own words, or ServiceUnreachable."""
        answer = await self._authorized(call)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._keeper.forget()
            answer = await self._authorized(call)
        if answer.is_success:
            return call.read(answer)
        raise calls.problem(answer)

    async def wait(self, id: str, *, every: float = 2.0) -> Job:
        """Until the job has ended well. Raises JobFailed, ..."""
        while True:
            job = await self.send(calls.job(id))
            if job.overall_status.ended:
                return ended_well(job)
            await asyncio.sleep(every)

    async def _authorized(self, call: Call[T]) -> httpx.Response:
        async def ask() -> httpx.Response:
            headers = await self._headers() | call.headers
            return await self._http.request(
                call.method, call.path, json=call.body, params=call.query, headers=headers
            )

        return await self._patiently(ask)

    async def _headers(self) -> dict[str, str]:
        headers = self._keeper.headers
        if headers is None:
            path, form = self._keeper.request
            answer = await self._patiently(lambda: self._http.post(path, data=form))
            self._keeper.take(answer)
            headers = self._keeper.headers or {}
        return headers

    async def _patiently(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        attempts = Attempts(self._account.url, self._patience)
        while True:
            try:
                answer = await ask()
                pause = attempts.after_answer(answer)
                if pause is None:
                    return answer
            except httpx.TransportError as error:
                pause = attempts.after_error(error)
            await asyncio.sleep(pause)
