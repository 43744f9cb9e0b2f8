"""`/ips/credentials`: secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from imageport.model.service import CredentialType
from imageport.service.api import views
from imageport.service.api.auth import Administrator, Caller, Reader
from imageport.service.api.once import Answer, Posted, note
from imageport.service.api.problems import located, responses
from imageport.service.api.state import Service, State
from imageport.service.errors import InUse, Invalid
from imageport.service.store import credentials, jobs
from imageport.service.store.credentials import Sealed
from imageport.service.store.database import Tx
from imageport.service.wallet.wallet import credential as bound_to
from imageport.wire.base import NAME_PATTERN
from imageport.wire.credentials import AnyCredential, Credential, CredentialList, NewCredential
from imageport.wire.documents import Rotation

router = APIRouter(prefix="/ips/credentials", tags=["credentials"])

CredentialId = Annotated[str, Path(pattern=NAME_PATTERN)]


@router.get("", responses=responses())
def list_credentials(
    caller: Reader, service: Service, type: Annotated[CredentialType | None, Query()] = None
) -> CredentialList:
    """All credentials by name, without secrets."""
    with service.store.reading() as tx:
        found = credentials.list_all(tx, caller.customer, type)
    return CredentialList(items=tuple(map(views.credential, found)))


@router.post(
    "",
    status_code=201,
    response_model=Credential,
    responses={**located(201, "The credential, without its secret"), **responses(409)},
)
def add_credential(body: NewCredential, caller: Administrator, asked: Posted) -> Response:
    """Keep a credential under a name."""

    def effect(tx: Tx) -> Answer:
        sealed = _seal(tx, asked.service, caller, body)
        row = credentials.add(tx, caller.customer, body.id, body.type, sealed)
        note(tx, caller, "credential.add", body.id)
        return Answer(201, views.credential(row), f"/ips/credentials/{body.id}")

    return asked.once(caller, effect)


@router.post("/$rotate", response_model=Rotation, responses=responses())
def rotate_data_key(caller: Administrator, asked: Posted) -> Response:
    """A new data key, and every credential of the customer sealed anew."""

    def effect(tx: Tx) -> Answer:
        number = asked.service.wallet.rotate(tx, caller.customer)
        note(tx, caller, "credential.rotate", str(number))
        return Answer(200, Rotation(data_key=number))

    return asked.once(caller, effect)


@router.get("/{id}", responses=responses(404))
def read_credential(id: CredentialId, caller: Reader, service: Service) -> Credential:
    """A credential, without its secret."""
    with service.store.reading() as tx:
        return views.credential(credentials.read(tx, caller.customer, id))


@router.put("/{id}", responses=responses(404))
def change_credential(
    id: CredentialId, body: NewCredential, caller: Administrator, service: Service
) -> Credential:
    """Replace a credential's type and secret."""
    if body.id != id:
        raise Invalid(detail="id is not the path's", errors=[{"field": "body.id"}])

    def effect(tx: Tx) -> Credential:
        credentials.read(tx, caller.customer, id)
        sealed = _seal(tx, service, caller, body)
        row = credentials.change(tx, caller.customer, id, body.type, sealed)
        note(tx, caller, "credential.change", id)
        return views.credential(row)

    return service.wallet.writing(service.store, effect)


@router.delete("/{id}", status_code=204, response_class=Response, responses=responses(404, 409))
def remove_credential(id: CredentialId, caller: Administrator, service: Service) -> Response:
    """Forget a credential; refused while a job that has not ended names it."""
    with service.store.writing() as tx:
        credentials.read(tx, caller.customer, id)
        job = jobs.uses_credential(tx, caller.customer, id)
        if job:
            raise InUse(what="credential", id=id, by=f"the job {job}")
        credentials.remove(tx, caller.customer, id)
        note(tx, caller, "credential.remove", id)
    return Response(status_code=204)


def _seal(tx: Tx, service: State, caller: Caller, body: AnyCredential) -> Sealed:
    secret = body.model_dump_json(by_alias=True).encode()
    return service.wallet.seal(tx, caller.customer, bound_to(body.id), secret)
