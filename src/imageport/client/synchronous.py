"""The client that waits for each answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

import httpx

from imageport.client import calls
from imageport.client.account import Account, tls
from imageport.client.attempts import Attempts
from imageport.client.calls import Call
from imageport.client.errors import JobFailed
from imageport.client.token import TokenKeeper
from imageport.model.service import JobStatus
from imageport.wire.documents import Job, JobSummary, LogLine

T = TypeVar("T")


class Client:
    """Sends calls, again when the service is away for a moment."""

    def __init__(self, account: Account, *, patience: float = 60.0) -> None:
        """`patience`: seconds that the service may be unreachable."""
        self._account, self._patience = account, patience
        self._keeper = TokenKeeper(account)
        self._http = httpx.Client(base_url=account.url, verify=tls(account.ca), timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """The answer. Raises RemoteError with the service's own words, or ServiceUnreachable."""
        answer = self._authorized(call)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._keeper.forget()
            answer = self._authorized(call)
        if answer.is_success:
            return call.read(answer)
        raise calls.problem(answer)

    def all_jobs(self, status: JobStatus | None = None) -> Iterator[JobSummary]:
        """Page by page."""
        token: str | None = None
        while True:
            page = self.send(calls.jobs(token=token, status=status))
            yield from page.items
            token = page.continuation_token
            if token is None:
                return

    def wait(
        self, id: str, *, every: float = 2.0, seen: Callable[[Job], None] | None = None
    ) -> Job:
        """Until the job has ended well; `seen` hears of it now and then. Raises JobFailed, ..."""
        while True:
            job = self.send(calls.job(id))
            if seen:
                seen(job)
            if job.overall_status.ended:
                return ended_well(job)
            time.sleep(every)

    def follow(self, id: str) -> Iterator[LogLine | Job]:
        """Log lines and changes of the job as they come, until it has ended."""
        position, ended = "0.0", False
        while not ended:
            headers = self._headers() | {"Last-Event-ID": position}
            attempts = Attempts(self._account.url, self._patience)
            try:
                with self._http.stream("GET", f"/ips/jobs/{id}/events", headers=headers) as answer:
                    if not answer.is_success:
                        answer.read()
                        raise calls.problem(answer)
                    for name, data in _events(answer.iter_lines()):
                        if name == "log":
                            line = LogLine.model_validate(data)
                            position = line.position
                            yield line
                        elif name == "job":
                            yield Job.model_validate(data)
                        ended = ended or name == "end"
            except httpx.TransportError as error:
                time.sleep(attempts.after_error(error))

    def _authorized(self, call: Call[T]) -> httpx.Response:
        def ask() -> httpx.Response:
            headers = self._headers() | call.headers
            return self._http.request(
                call.method, call.path, json=call.body, params=call.query, headers=headers
            )

        return self._patiently(ask)

    def _headers(self) -> dict[str, str]:
        headers = self._keeper.headers
        if headers is None:
            path, form = self._keeper.request
            self._keeper.take(self._patiently(lambda: self._http.post(path, data=form)))
            headers = self._keeper.headers or {}
        return headers

    def _patiently(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        attempts = Attempts(self._account.url, self._patience)
        while True:
            try:
                answer = ask()
                pause = attempts.after_answer(answer)
                if pause is None:
                    return answer
            except httpx.TransportError as error:
                pause = attempts.after_error(error)
            time.sleep(pause)


def ended_well(job: Job) -> Job:
    """Raises JobFailed."""
    if job.overall_status is JobStatus.COMPLETE:
        return job
    error = job.error or {}
    raise JobFailed(
        job=job.id,
        status=job.overall_status.value,
        reason=error.get("sentence", "it was cancelled."),
        advice=error.get("remedy", "Start it again if that was not meant."),
        error=job.error,
    )


def _events(lines: Iterator[str]) -> Iterator[tuple[str, object]]:
    """Server-sent events (HTML standard, 9.2) as far as our service sends them."""
    name, data = "message", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data += value
        elif not line and data:
            yield name, json.loads(data)
            name, data = "message", ""
