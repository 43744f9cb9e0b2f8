"""A replica of the service in this process, spoken to over real HTTP."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from imageport.model.service import Role
from imageport.service.api.app import create_app, state_of
from imageport.service.api.settings import Settings
from imageport.service.api.state import State
from imageport.service.server import Address, Server
from imageport.service.store import customers
from imageport.service.store.database import Database
from imageport.service.wallet.local import LocalMasterKey, new_line
from imageport.service.wallet.master import MasterKey
from imageport.traces.base import OFF, Traces
from imageport.wire.connector import AUDIENCE
from lab.certificates import LabAuthority

MASTER = LocalMasterKey(new_line(), "a test")
TLS = ssl.create_default_context()
"""Made once: httpx would read every authority again for each client."""
QUICK = Settings(requests_rate=10_000, requests_burst=10_000, logins_rate=1000, logins_burst=1000)


@dataclass
class Replica:
    """One that runs."""

    url: str
    state: State
    tls: ssl.SSLContext = TLS

    def client(self, customer: str = "acme", role: Role = Role.ADMINISTER) -> httpx.Client:
        """A client of the customer with a token; the customer is made when missing."""
        with self.state.store.writing() as tx:
            customers.add_customer(tx, customer, customer)
            row, secret = customers.add_client(tx, customer, "test", role)
        token = self.token(customer, row.id, secret)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, verify=self.tls, timeout=30)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask without a token, or with whatever headers."""
        return httpx.get(self.url + path, headers=headers, verify=self.tls)

    def ask_token(self, customer: str, form: dict[str, str], **how: Any) -> httpx.Response:
        """Ask for a token."""
        url = f"{self.url}/cctrustoauth2/{customer}/tokens/clients"
        return httpx.post(url, data=form, verify=self.tls, **how)

    def token(self, customer: str, id: str, secret: str) -> str:
        """Get one as any OAuth client does."""
        form = {"grant_type": "client_credentials", "client_id": id, "client_secret": secret}
        answer = self.ask_token(customer, form)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token


@contextmanager
def replica(
    store: Database,
    settings: Settings = QUICK,
    *,
    master: MasterKey = MASTER,
    traces: Traces = OFF,
    authority: LabAuthority | None = None,
    hosts: Sequence[str] = (),
) -> Iterator[Replica]:
    """Run one over the store; with an authority, it speaks TLS, also for other names of it."""
    app = create_app(store, master, settings, traces)
    certificate, key = authority.sign("service", hosts=hosts) if authority else (None, None)
    tls = ssl.create_default_context(cafile=authority.path) if authority else TLS
    server = Server(app, Address(port=0, certificate=certificate, key=key))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.wait_ready(30)
        yield Replica(server.url, state_of(app), tls)
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


class RawConnector:
    """Speaks the connector's protocol request by request."""

    def __init__(self, admin: httpx.Client, location: str, name: str = "raw") -> None:
        """Announce and register it."""
        body = {"resourceLocationId": location, "name": name}
        made = admin.post("/ips/connectors", json=body).json()
        self.id = made["id"]
        self.signing, self.sealing = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        self._url = str(admin.base_url.join(f"/ips/connectors/{self.id}/"))
        self.registration = {
            "code": made["code"],
            "signingKey": _public(self.signing),
            "sealingKey": _public(self.sealing),
            "version": "1",
        }
        assert self.ask("$register", self.registration).status_code == 200

    def move(self, url: str) -> None:
        """Speak to another replica."""
        self._url = f"{url}/ips/connectors/{self.id}/"

    def headers(self, **claims: Any) -> dict[str, str]:
        """A token that it has signed."""
        now = int(time.time())
        said = {"iss": self.id, "sub": self.id, "aud": AUDIENCE, "iat": now, "exp": now + 60}
        token = jwt.encode(said | claims, self.signing, "EdDSA", headers={"kid": self.id})
        return {"Authorization": f"Bearer {token}"}

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Ask."""
        return self.ask(path, body, self.headers())

    def ask(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Ask, with whatever token."""
        return httpx.post(self._url + path, json=body, headers=headers, timeout=60, verify=TLS)

    def claim(self, wait: float = 0) -> Any:
        """The work, or None."""
        answer = self.post("$claim", wait=wait, version="1")
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.status_code == 200 else None


def _public(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def location(admin: httpx.Client, name: str = "here") -> str:
    """Make a resource location."""
    answer = admin.post("/ips/resourceLocations", json={"name": name})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def migration(location: str, **more: Any) -> dict[str, Any]:
    """A body for `$migrate`."""
    return {
        "platform": "Local",
        "resourceLocationId": location,
        "sourceDiskName": "/images/master.vmdk",
        "targetPlatform": "Gcp",
        "outputDiskName": "/images/master.raw",
        **more,
    }


def export(place: str, credential: str) -> dict[str, Any]:
    """A body for `$export`."""
    return {
        "platform": "Local",
        "resourceLocationId": place,
        "sourceDiskName": "/images/master.vmdk",
        "outputStorageLocation": {
            "location": "smb://10.0.1.212/Files/",
            "credentialId": credential,
        },
        "outputImageFilename": "nightly",
    }


def scratch(folder: Path) -> Database:
    """A store of its own."""
    store = Database(f"sqlite:///{folder}/service.db")
    store.upgrade()
    return store
