"""OAuth 2 client credentials (RFC 6749, 4.4), at the path that Citrix Cloud has them."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import JSONResponse

from imageport.service.api import tokens
from imageport.service.api.problems import responses
from imageport.service.api.state import Service
from imageport.service.errors import WrongSecret
from imageport.service.store import audit, customers
from imageport.service.store.database import Tx
from imageport.wire.base import NAME_PATTERN
from imageport.wire.documents import Token, TokenError

router = APIRouter(tags=["tokens"])

ANY_CUSTOMER = "root"
"""Citrix's own clients ask below `root`: whose client it is, its id says."""

_PROBLEMS = responses()
"""Of requests that are none: those errors are ours, not OAuth's."""
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@router.post(
    "/cctrustoauth2/{customerId}/tokens/clients",
    response_model=Token,
    responses={
        **{status: _PROBLEMS[status] for status in (413, 422, 429, 500, 503)},
        400: {**_PROBLEMS[400], "model": TokenError, "description": "Not a request of this kind"},
        401: {"model": TokenError, "description": "Not a client's id and secret"},
    },
)
def issue_token(  # noqa: PLR0913, PLR0917  # a form's fields
    request: Request,
    service: Service,
    customer: Annotated[
        str,
        Path(
            alias="customerId",
            pattern=NAME_PATTERN,
            description="The client's customer, or `root`: the client's id says whose it is.",
        ),
    ],
    grant_type: Annotated[
        str, Form(max_length=64, description="Must be `client_credentials`.")
    ] = "",
    client_id: Annotated[str, Form(max_length=128)] = "",
    client_secret: Annotated[str, Form(max_length=128)] = "",
) -> Response:
    """A token for an hour; id and secret in the form, or by HTTP Basic (RFC 6749, 2.3.1)."""
    service.logins.take(request.client.host if request.client else "local")
    if grant_type != "client_credentials":
        return _refused(400, "unsupported_grant_type", "grant_type must be client_credentials")
    basic = _basic(request.headers.get("Authorization", ""))
    id, secret = basic or (client_id, client_secret)
    owner = None if customer == ANY_CUSTOMER else customer
    age, lifetime = service.settings.token_key_age, service.settings.token_lifetime
    tokens.ensure_token_key(service.store, service.wallet, age, lifetime)

    def effect(tx: Tx) -> str:
        client = customers.client_of_secret(tx, owner, id, secret)
        audit.write(tx, client.customer, f"{client.name} ({client.id})"[:128], "token", "")
        return tokens.issue(tx, service.wallet, client, lifetime)

    try:
        signed = service.wallet.writing(service.store, effect)
    except WrongSecret as error:
        return _refused(401, "invalid_client", error.message)
    document = Token(access_token=signed, expires_in=int(lifetime.total_seconds()))
    return JSONResponse(document.as_json(), headers=_NO_STORE)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(id), unquote_plus(secret)


def _refused(status: int, error: str, description: str) -> Response:
    headers = dict(_NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="imageport"'
    document = TokenError(error=error, error_description=description)
    return JSONResponse(document.as_json(), status, headers)
