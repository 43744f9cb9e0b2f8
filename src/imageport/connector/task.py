"""An order as the functions that do it see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from imageport.connector.errors import CredentialMissing, CredentialUnfit
from imageport.connector.folders import Folders
from imageport.connector.names import folder_name
from imageport.connector.talk import Order
from imageport.disk.ends.open import Access, is_local
from imageport.model.credentials import AwsKey, UsernamePassword
from imageport.wire.base import Request
from imageport.wire.credentials import (
    CREDENTIAL,
    AnyCredential,
    AwsCredential,
    UsernamePasswordCredential,
)
from imageport.wire.stored import StorageLocation

R = TypeVar("R", bound=Request)
C = TypeVar("C", bound=AnyCredential)


@dataclass(frozen=True, slots=True)
class Task:
    """An order, and what it may touch."""

    order: Order
    folders: Folders
    part: Callable[[int, int], None]
    """Told the number of each of several parts, from 0, and how many there are."""

    @property
    def id(self) -> str:
        """Of the job's folder."""
        return folder_name(self.order.job)

    def request(self, kind: type[R]) -> R:
        """What is asked for."""
        return kind.model_validate(self.order.request)

    def place(self, address: str) -> str:
        """The address; of a file here, the absolute path. Raises OutsideFolders."""
        return self.folders.inside(address) if is_local(address) else address

    def access(self, place: StorageLocation | None) -> Access:
        """To a share, or to files here. Raises CredentialMissing."""
        return Access(self._account(place.credential_id)) if place else Access()

    def aws_key(self, id: str) -> AwsKey:
        """Raises CredentialMissing, CredentialUnfit."""
        found = self._credential(id, AwsCredential)
        return AwsKey(found.access_key_id, found.secret_access_key, found.session_token)

    def _account(self, id: str) -> UsernamePassword:
        found = self._credential(id, UsernamePasswordCredential)
        return UsernamePassword(found.username, found.password, found.domain)

    def _credential(self, id: str, kind: type[C]) -> C:
        said = self.order.credentials.get(id)
        if said is None:
            raise CredentialMissing(id=id)
        found = CREDENTIAL.validate_json(said)
        if not isinstance(found, kind):
            wanted = kind.__name__.removesuffix("Credential")
            raise CredentialUnfit(id=id, wanted=wanted, type=found.type.value)
        return found
