"""A real OpenBao on this computer, with a transit engine and what a token of the service may do."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx

from lab.certificates import LabAuthority

POLICY = """
path "{mount}/encrypt/{key}" {{ capabilities = ["update"] }}
path "{mount}/decrypt/{key}" {{ capabilities = ["update"] }}
path "{mount}/keys/{key}" {{ capabilities = ["read"] }}
"""
"""The rights that docs/operations.md names."""
_CONFIG = """
storage "raft" {{
  path = "{data}"
  node_id = "lab"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
}}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
"""
_STARTING_SECONDS = 60


class OpenBao:
    """Runs until `close`; what it keeps is below `folder`."""

    def __init__(self, folder: Path) -> None:
        authority = LabAuthority(folder / "certificates")
        self.ca = authority.path
        certificate, key = authority.sign("openbao")
        data = folder / "data"
        data.mkdir()
        self.port, cluster = _free_ports(2)
        self._config, self._log = folder / "config.hcl", folder / "log"
        self._config.write_text(
            _CONFIG.format(
                data=data, port=self.port, cluster=cluster, certificate=certificate, key=key
            )
        )
        self._client = httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}/v1/",
            verify=ssl.create_default_context(cafile=self.ca),
            timeout=30,
        )
        self._start()
        made = self.ask("PUT", "sys/init", secret_shares=1, secret_threshold=1)
        self._unseal_key = made["keys"][0]
        self._client.headers["X-Vault-Token"] = made["root_token"]
        self.unseal()

    def ask(self, method: str, path: str, namespace: str = "", **said: object) -> Any:
        """As its owner; what it answers, or None."""
        headers = {"X-Vault-Namespace": namespace} if namespace else {}
        answer = self._client.request(method, path, json=said or None, headers=headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def new_key(self, mount: str, key: str, namespace: str = "") -> str:
        """A key, below an engine that is made when missing; returns a token for the key alone."""
        mounts = self.ask("GET", "sys/mounts", namespace)["data"]
        if f"{mount}/" not in mounts:
            self.ask("POST", f"sys/mounts/{mount}", namespace, type="transit")
        self.ask("POST", f"{mount}/keys/{key}", namespace, type="aes256-gcm96")
        policy = POLICY.format(mount=mount, key=key)
        self.ask("PUT", f"sys/policies/acl/{key}", namespace, policy=policy)
        policies = {"policies": [key], "no_default_policy": True}
        token = self.ask("POST", "auth/token/create", namespace, **policies)
        return str(token["auth"]["client_token"])

    def seal(self) -> None:
        """It then answers every request with 503."""
        self.ask("PUT", "sys/seal")

    def unseal(self) -> None:
        """And wait until it answers."""
        self._client.put("sys/unseal", json={"key": self._unseal_key}).raise_for_status()
        deadline = time.monotonic() + _STARTING_SECONDS
        while self._client.get("sys/health").status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise TimeoutError("OpenBao does not become active")
            time.sleep(0.05)

    def close(self) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        program = Path(sys.executable).with_name("bao")
        with self._log.open("ab") as log:
            # It goes with us, even when we are killed.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", str(program), "server", f"-config={self._config}"],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _STARTING_SECONDS
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"OpenBao does not start: {self._log.read_text()}")
            try:
                self._client.get("sys/health")
                return
            except httpx.TransportError:
                time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
