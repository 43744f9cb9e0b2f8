"""An order as the functions that do it see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from imageport.connector.errors import CredentialMissing
from imageport.connector.folders import Folders
from imageport.connector.names import folder_name
from imageport.connector.talk import Order
from imageport.disk.ends.open import Access, is_local
from imageport.model.credentials import UsernamePassword
from imageport.wire.base import Request
from imageport.wire.credentials import CREDENTIAL, UsernamePasswordCredential
from imageport.wire.stored import StorageLocation

R = TypeVar("R", bound=Request)


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

    def _account(self, id: str) -> UsernamePassword:
        said = self.order.credentials.get(id)
        found = CREDENTIAL.validate_json(said) if said else None
        if not isinstance(found, UsernamePasswordCredential):
            raise CredentialMissing(id=id)
        return UsernamePassword(found.username, found.password, found.domain)
