"""What a service can be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from imageport.service.store.claims import Terms


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults are those of `imageport serve`; sizes in bytes, rates in requests a second."""

    lease: timedelta = timedelta(seconds=60)
    retention: timedelta = timedelta(hours=24)
    attempts: int = 20
    token_lifetime: timedelta = timedelta(minutes=60)
    token_key_age: timedelta = timedelta(days=30)
    """When a new key signs tokens."""
    request_bytes: int = 1 << 20
    result_bytes: int = 16 << 20
    """Of what connectors say: a proof with its findings is larger than any other request."""
    requests_rate: float = 50.0
    requests_burst: int = 200
    logins_rate: float = 1.0
    logins_burst: int = 20
    """Of one address, also of those that fail."""
    poll_seconds: float = 0.5
    """How often a replica looks for jobs that another one took in."""

    @property
    def terms(self) -> Terms:
        """Of leases."""
        return Terms(self.lease, self.retention, self.attempts)
