"""Getting and keeping a token (RFC 6749, 4.4)."""

from __future__ import annotations

import time

import httpx

from imageport.client.account import Account
from imageport.client.calls import problem
from imageport.model.errors import RemoteError
from imageport.wire.documents import Token

_EARLY_SECONDS = 60.0


class TokenKeeper:
    """The account's token, until shortly before it expires."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._token, self._until = "", 0.0

    @property
    def headers(self) -> dict[str, str] | None:
        """Who asks; None when a new token is needed."""
        if time.monotonic() >= self._until:
            return None
        return {
            "Authorization": f"Bearer {self._token}",
            "Citrix-CustomerId": self._account.customer,
        }

    def forget(self) -> None:
        """The service did not take it."""
        self._until = 0.0

    @property
    def request(self) -> tuple[str, dict[str, str]]:
        """Path and form of the request for a token."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret,
        }
        return f"/cctrustoauth2/{self._account.customer}/tokens/clients", form

    def take(self, answer: httpx.Response) -> None:
        """Raises RemoteError."""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise RemoteError(
                "auth.secret",
                "There is no client with this id and secret.",
                "Check customer, client id and secret, and log in again (`imageport login`).",
                {},
            )
        if answer.status_code != httpx.codes.OK:
            raise problem(answer)
        token = Token.model_validate_json(answer.content)
        self._token = token.access_token
        self._until = time.monotonic() + token.expires_in - _EARLY_SECONDS
