"""Every call of the API, as a value: what is sent, and how the answer is read.

A POST carries an Idempotency-Key of its own, so that sending the same value again has no second
effect.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel

from imageport.model.errors import ImageportError, RemoteError
from imageport.model.service import CredentialType, JobStatus, Role
from imageport.wire import documents
from imageport.wire.credentials import AnyCredential, Credential, CredentialList
from imageport.wire.images import REQUESTS, ImageRequest

T = TypeVar("T")
D = TypeVar("D", bound=BaseModel)

_TYPES = {request: type for type, each in REQUESTS.items() for request in each.values()}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request; `read` turns a good answer into what was asked for."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Beside who asks."""
        return {"Idempotency-Key": self.key} if self.key else {}


def problem(answer: httpx.Response) -> ImageportError:
    """The error that an answer tells of."""
    try:
        said = answer.json()
        code, remedy, data = said["code"], said["remedy"], said["data"]
        return RemoteError(code, said["detail"], remedy, data)
    except (ValueError, KeyError, TypeError):
        text = f"The service answered {answer.status_code} {answer.reason_phrase}."
        return RemoteError("client.answer", text, "Check the service's address and its log.", {})


def start(
    request: ImageRequest, *, dry_run: bool = False, key: str | None = None
) -> Call[documents.Job]:
    """Start the job that the request is for; with a `key` that was said before, be told of the job
    that was started then."""
    path = f"/ips/images/${_TYPES[type(request)]}"
    query = {"dryRun": "true"} if dry_run else {}
    return _post(path, documents.Job, request.as_json(), query, key)


def jobs(
    *, size: int = 100, token: str | None = None, status: JobStatus | None = None
) -> Call[documents.JobPage]:
    """A page of jobs; `token` is the page's before."""
    query = {"pageSize": str(size)}
    query |= {"continuationToken": token} if token else {}
    query |= {"overallStatus": status.value} if status else {}
    return Call("GET", "/ips/jobs", _reader(documents.JobPage), query=query)


def job(id: str) -> Call[documents.Job]:
    """All of a job."""
    return Call("GET", f"/ips/jobs/{id}", _reader(documents.Job))


def cancel(id: str) -> Call[documents.Job]:
    """Ask for its end."""
    return _post(f"/ips/jobs/{id}/$cancel", documents.Job)


def remove_job(id: str) -> Call[None]:
    """Forget it when it has ended, else cancel it."""
    return _delete(f"/ips/jobs/{id}")


def logs(id: str, after: str = "0.0", size: int = 500) -> Call[documents.LogPage]:
    """The log from behind a position."""
    query = {"continuationToken": after, "pageSize": str(size)}
    return Call("GET", f"/ips/jobs/{id}/logs", _reader(documents.LogPage), query=query)


def credentials(type: CredentialType | None = None) -> Call[CredentialList]:
    """All, without secrets."""
    query = {"type": type.value} if type else {}
    return Call("GET", "/ips/credentials", _reader(CredentialList), query=query)


def add_credential(credential: AnyCredential) -> Call[Credential]:
    """Keep one."""
    return _post("/ips/credentials", Credential, credential.as_json())


def change_credential(credential: AnyCredential) -> Call[Credential]:
    """Replace the one of its id."""
    path = f"/ips/credentials/{credential.id}"
    return Call("PUT", path, _reader(Credential), credential.as_json())


def remove_credential(id: str) -> Call[None]:
    """Forget one."""
    return _delete(f"/ips/credentials/{id}")


def locations() -> Call[documents.LocationList]:
    """All resource locations."""
    return Call("GET", "/ips/resourceLocations", _reader(documents.LocationList))


def location(id: str) -> Call[documents.ResourceLocation]:
    """One."""
    return Call("GET", f"/ips/resourceLocations/{id}", _reader(documents.ResourceLocation))


def add_location(new: documents.NewLocation) -> Call[documents.ResourceLocation]:
    """Make one."""
    return _post("/ips/resourceLocations", documents.ResourceLocation, new.as_json())


def change_location(id: str, new: documents.NewLocation) -> Call[documents.ResourceLocation]:
    """Give one this name and these limits."""
    path = f"/ips/resourceLocations/{id}"
    return Call("PUT", path, _reader(documents.ResourceLocation), new.as_json())


def remove_location(id: str) -> Call[None]:
    """Remove one that has neither connectors nor jobs."""
    return _delete(f"/ips/resourceLocations/{id}")


def connectors() -> Call[documents.ConnectorList]:
    """All connectors."""
    return Call("GET", "/ips/connectors", _reader(documents.ConnectorList))


def add_connector(location: str, name: str) -> Call[documents.AnnouncedConnector]:
    """Expect one; its one-time code is in the answer."""
    body = documents.NewConnector(resource_location_id=location, name=name).as_json()
    return _post("/ips/connectors", documents.AnnouncedConnector, body)


def remove_connector(id: str) -> Call[None]:
    """Let one in no more."""
    return _delete(f"/ips/connectors/{id}")


def add_client(name: str, role: Role) -> Call[documents.NewApiClient]:
    """Make a client; its secret is in the answer."""
    body = documents.NewClient(name=name, role=role).as_json()
    return _post("/ips/clients", documents.NewApiClient, body)


def clients() -> Call[documents.ClientList]:
    """All clients, without secrets."""
    return Call("GET", "/ips/clients", _reader(documents.ClientList))


def remove_client(id: str) -> Call[None]:
    """Forget one; its tokens end with it."""
    return _delete(f"/ips/clients/{id}")


def status() -> Call[documents.Status]:
    """How the service is."""
    return Call("GET", "/ips/status", _reader(documents.Status))


def _post(
    path: str,
    kind: type[D],
    body: dict[str, Any] | None = None,
    query: dict[str, str] | None = None,
    key: str | None = None,
) -> Call[D]:
    return Call("POST", path, _reader(kind), body, query or {}, key or str(uuid.uuid4()))


def _delete(path: str) -> Call[None]:
    return Call("DELETE", path, lambda _: None)


def _reader(kind: type[D]) -> Callable[[httpx.Response], D]:
    return lambda answer: kind.model_validate_json(answer.content)
