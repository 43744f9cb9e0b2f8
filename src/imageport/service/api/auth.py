"""Who asks: dependencies of routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Request, Security
from fastapi.security import HTTPBearer

from imageport.model.service import Role
from imageport.service.api import tokens
from imageport.service.api.state import Service
from imageport.service.errors import NotAllowed, NotAuthenticated, NotFound, WrongCustomer
from imageport.service.store import customers, places
from imageport.service.store.customers import Client
from imageport.service.store.database import Tx
from imageport.service.store.places import Connector
from imageport.wire.base import GUID_PATTERN

_AUTHORIZATION = re.compile(
    r'\s*(?:cwsauth\s+bearer\s*=\s*|bearer\s+)"?([A-Za-z0-9_.-]+)"?\s*', re.IGNORECASE
)
"""`CwsAuth Bearer=TOKEN`, as Citrix has it, or `Bearer TOKEN` (RFC 6750)."""

# For the description alone: the header is read by `_token`, which knows both forms.
_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    auto_error=False,
    description="From POST /cctrustoauth2/{customerId}/tokens/clients. Also as "
    "`Authorization: CwsAuth Bearer=TOKEN`.",
)
_CONNECTOR = HTTPBearer(
    scheme_name="connector",
    bearerFormat="JWT",
    auto_error=False,
    description="Signed by the connector itself (EdDSA) with the key that it registered.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that is who it says."""

    customer: str
    id: str
    name: str
    role: Role


def caller(needed: Role) -> Callable[..., Caller]:
    """A dependency: the caller, who has the role. Raises NotAuthenticated, NotAllowed, ..."""

    def authenticated(
        request: Request,
        service: Service,
        _: Annotated[object, Security(_BEARER)],
        citrix_customer_id: Annotated[
            str | None,
            Header(
                alias="Citrix-CustomerId", description="Optional; must be the token's customer."
            ),
        ] = None,
    ) -> Caller:
        token = _token(request)

        def known(tx: Tx) -> Client:
            customer, id = tokens.client_of(tx, service.wallet, token)
            try:
                return customers.read_client(tx, customer, id)
            except NotFound as error:
                raise NotAuthenticated(detail="the client was removed") from error

        client = service.wallet.reading(service.store, known)
        service.requests.take(client.id)
        if citrix_customer_id is not None and citrix_customer_id != client.customer:
            raise WrongCustomer(customer=_short(citrix_customer_id))
        if not client.role.covers(needed):
            raise NotAllowed(needed=needed.value, role=client.role.value)
        return Caller(client.customer, client.id, client.name, client.role)

    return authenticated


def connector(
    id: Annotated[str, Path(pattern=GUID_PATTERN)],
    request: Request,
    service: Service,
    _: Annotated[object, Security(_CONNECTOR)],
) -> Connector:
    """A dependency: the connector that signed the request's token. Raises NotAuthenticated."""
    token = _token(request)
    signer = tokens.connector_id(token)
    with service.store.reading() as tx:
        found = places.find_connector(tx, signer)
    if found is None or found.signing_key is None or signer != id:
        raise NotAuthenticated(detail="there is no such connector, or it is another one's path")
    tokens.verify_connector(token, id, found.signing_key)
    return found


# OpenAPI 3.1 has the needed role beside the scheme, as FastAPI has scopes.
Reader = Annotated[Caller, Security(caller(Role.READ), scopes=[Role.READ.value])]
Operator = Annotated[Caller, Security(caller(Role.OPERATE), scopes=[Role.OPERATE.value])]
Administrator = Annotated[Caller, Security(caller(Role.ADMINISTER), scopes=[Role.ADMINISTER.value])]
AConnector = Annotated[Connector, Depends(connector)]


def _token(request: Request) -> str:
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if found is None:
        raise NotAuthenticated(detail="there is no bearer token")
    return found[1]


def _short(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:128])
