"""Where an object lies, and with what it may be reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from imageport.disk.ends.errors import AddressError
from imageport.model.credentials import GcpServiceAccount, GcpToken

ENDPOINT = "https://storage.googleapis.com"


@dataclass(frozen=True, slots=True)
class GcsPlace:
    """An object of a bucket; None for the credential means anonymous access."""

    bucket: str
    object: str
    credential: GcpToken | GcpServiceAccount | None = None
    endpoint: str = ENDPOINT
    """Another one for Private Service Connect or a lab, such as `https://host:port`."""
    ca: Path | None = None
    """A PEM file of the only authorities to trust; nothing in the environment overrides it."""

    @classmethod
    def parse(
        cls,
        address: str,
        credential: GcpToken | GcpServiceAccount | None = None,
        *,
        endpoint: str = ENDPOINT,
        ca: Path | None = None,
    ) -> Self:
        """The place that `gs://BUCKET/OBJECT` names. Raises `AddressError`."""
        bucket, _, name = address.removeprefix("gs://").partition("/")
        if not address.startswith("gs://") or not bucket or not name or name.endswith("/"):
            raise AddressError(file=address, detail="it is not gs://BUCKET/OBJECT")
        return cls(bucket, name, credential, endpoint, ca)

    @property
    def name(self) -> str:
        """The address, without secrets."""
        return f"gs://{self.bucket}/{self.object}"

    def beside(self, name: str) -> GcsPlace:
        """The object `name` of the same folder."""
        return replace(self, object=self.object[: self.object.rfind("/") + 1] + name)
