"""A POST's effect and its answer in one transaction; with an Idempotency-Key, once for all time.

"All time" is as long as answers are kept: the retention of jobs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from imageport.service.api.auth import Caller
from imageport.service.api.state import Service, State
from imageport.service.store import answers, audit
from imageport.service.store.database import Tx
from imageport.service.wallet import wallet
from imageport.wire.base import Document


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered."""

    status: int
    document: Document
    location: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """To be kept."""
        return {
            "status": self.status,
            "document": self.document.as_json(),
            "location": self.location,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """How a request was asked: its key, and a hash of all that it says."""

    service: State
    key: str | None
    hash: str

    def once(self, caller: Caller, effect: Callable[[Tx], Answer]) -> Response:
        """Do it and answer, or give the answer again that was given. Raises KeyReused, ...

        `effect` may run again in another transaction: what it does is in the database alone.
        """

        def run(tx: Tx) -> dict[str, Any]:
            if self.key is None:
                return effect(tx).as_dict()
            return self._kept(tx, caller.customer, _hashed(f"{caller.id} {self.key}"), effect)

        return _response(self.service.wallet.writing(self.service.store, run))

    def _kept(
        self, tx: Tx, customer: str, key: str, effect: Callable[[Tx], Answer]
    ) -> dict[str, Any]:
        known = answers.begin(tx, customer, key, self.hash)
        what = wallet.answer(key)
        if known:
            said: dict[str, Any] = json.loads(self.service.wallet.open(tx, customer, what, known))
            return said
        said = effect(tx).as_dict()
        sealed = self.service.wallet.seal(tx, customer, what, json.dumps(said).encode())
        answers.keep(tx, customer, key, sealed)
        return said


async def _asked(
    request: Request,
    service: Service,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="The same key again gets the same answer, and has no second effect.",
        ),
    ] = None,
) -> Asked:
    said = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        said.update(part.encode() + b"\0")
    said.update(await request.body())
    return Asked(service, idempotency_key, said.hexdigest())


Posted = Annotated[Asked, Depends(_asked)]


def note(tx: Tx, caller: Caller, action: str, what: str) -> None:
    """Into the audit log."""
    audit.write(tx, caller.customer, f"{caller.name} ({caller.id})"[:128], action, what)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _response(said: dict[str, Any]) -> Response:
    headers = {"Location": said["location"]} if said["location"] else None
    return JSONResponse(said["document"], said["status"], headers)
