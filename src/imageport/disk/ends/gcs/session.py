"""Authorised HTTP sessions, one for each thread."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.credentials import Credentials as TokenCredentials
from google.oauth2.service_account import Credentials as AccountCredentials

from imageport.disk.ends.errors import DeniedError
from imageport.disk.ends.gcs.place import GcsPlace
from imageport.model.credentials import GcpToken

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and of silence."""
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def google_credentials(place: GcsPlace) -> Credentials:
    """The credentials in google-auth's form. Raises `DeniedError` for a key that is none."""
    if place.credential is None:
        return AnonymousCredentials()
    if isinstance(place.credential, GcpToken):
        return TokenCredentials(place.credential.token)
    try:
        key = json.loads(place.credential.key)
        account: Credentials = AccountCredentials.from_service_account_info(key, scopes=[_SCOPE])
    except (ValueError, TypeError, AttributeError, KeyError):
        # Not chained: the text of these exceptions may quote the key.
        detail = "the service account's key has not the form of one"
        raise DeniedError(file=place.name, detail=detail) from None
    return account


class _Session(AuthorizedSession):
    """Trusts `ca` alone when it is given, whatever the environment says."""

    def __init__(self, credentials: Credentials, ca: Path | None) -> None:
        # Without `auth_request` google-auth would add retries of its own.
        super().__init__(  # type: ignore[no-untyped-call]  # google-auth has types in part
            credentials, max_refresh_attempts=1, auth_request=Request(_PlainSession(ca))
        )
        self._ca = ca

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # as wide as its base
        if self._ca is not None:
            kwargs.setdefault("verify", str(self._ca))
        answer: requests.Response = super().request(  # type: ignore[no-untyped-call]  # as above
            method, url, *args, **kwargs
        )
        return answer


class _PlainSession(requests.Session):
    """What tokens are fetched with."""

    def __init__(self, ca: Path | None) -> None:
        super().__init__()
        self._ca = ca

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # as wide as its base
        # `Session.verify` would lose against REQUESTS_CA_BUNDLE; the argument of a call does not.
        if self._ca is not None:
            kwargs.setdefault("verify", str(self._ca))
        return super().request(method, url, *args, **kwargs)


class Sessions:
    """A session for each thread, since `requests` does not promise that one serves several.

    It also serves as the `_http` of `google.cloud.storage.Client`.
    """

    is_mtls = False

    def __init__(self, place: GcsPlace) -> None:
        self.credentials = google_credentials(place)
        self._ca = place.ca
        self._own = threading.local()
        self._all: list[_Session] = []
        self._lock = threading.Lock()

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send a request; `kwargs` as for `requests.Session.request`. Redirects are answers."""
        session: _Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = _Session(self.credentials, self._ca)
            with self._lock:
                self._all.append(session)
        kwargs.setdefault("timeout", TIMEOUT)
        return session.request(method, url, allow_redirects=False, **kwargs)

    def close(self) -> None:
        """Close every connection; safe to repeat. A later request opens new ones."""
        with self._lock:
            sessions, self._all = self._all, []
            self._own = threading.local()
        for session in sessions:
            session.close()  # type: ignore[no-untyped-call]  # as above
