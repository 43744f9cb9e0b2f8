"""`/ips/clients` and `/ips/audit`: who may do what, and who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from imageport.service.api import views
from imageport.service.api.auth import Administrator
from imageport.service.api.once import Answer, Posted, note
from imageport.service.api.problems import responses
from imageport.service.api.state import Service
from imageport.service.errors import Conflict
from imageport.service.store import audit, customers
from imageport.service.store.database import Tx
from imageport.wire.base import GUID_PATTERN
from imageport.wire.documents import (
    ApiClient,
    AuditEntry,
    AuditPage,
    ClientList,
    NewApiClient,
    NewClient,
)

router = APIRouter(prefix="/ips", tags=["organisation"])


@router.get("/clients", responses=responses())
def list_clients(caller: Administrator, service: Service) -> ClientList:
    """All clients, oldest first, without secrets."""
    with service.store.reading() as tx:
        found = customers.list_clients(tx, caller.customer)
    return ClientList(items=tuple(map(views.client, found)))


@router.post("/clients", status_code=201, response_model=NewApiClient, responses=responses())
def add_client(body: NewClient, caller: Administrator, asked: Posted) -> Response:
    """Make a client; its secret is said here and never again."""

    def effect(tx: Tx) -> Answer:
        row, secret = customers.add_client(tx, caller.customer, body.name, body.role)
        note(tx, caller, "client.add", row.id)
        known: ApiClient = views.client(row)
        return Answer(201, NewApiClient(**known.model_dump(), client_secret=secret))

    return asked.once(caller, effect)


@router.delete(
    "/clients/{id}", status_code=204, response_class=Response, responses=responses(404, 409)
)
def remove_client(
    id: Annotated[str, Path(pattern=GUID_PATTERN)], caller: Administrator, service: Service
) -> Response:
    """Remove a client; its tokens end with it."""
    if id == caller.id:
        raise Conflict(detail="a client cannot remove itself")
    with service.store.writing() as tx:
        customers.remove_client(tx, caller.customer, id)
        note(tx, caller, "client.remove", id)
    return Response(status_code=204)


@router.get("/audit", responses=responses())
def read_audit(
    caller: Administrator,
    service: Service,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    page_size: Annotated[int, Query(alias="pageSize", ge=1, le=1000)] = 500,
) -> AuditPage:
    """The audit log, in order."""
    with service.store.reading() as tx:
        found = audit.entries(tx, caller.customer, after, page_size)
    return AuditPage(
        items=tuple(
            AuditEntry(number=e.number, at=e.at, who=e.who, action=e.action, what=e.what)
            for e in found
        )
    )
