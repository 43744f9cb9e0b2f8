"""A whole run with secrets of every kind, which is looked at while it goes on and after it."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.contract.connector.running import (
    SHARE,
    Program,
    announced,
    ended,
    export,
    large,
    share,
    under_way,
)
from tests.contract.ends.samba import Samba
from tests.contract.secrets.search import Secret, descendants, in_files, in_processes
from tests.contract.service.replica import TLS
from tests.system.serving import Service

OURS = ("imageport serve", "imageport connector run", "imageport.connector.worker")


@dataclass
class Run:
    """What was seen; `folders` hold everything that the run wrote, but the share."""

    folders: tuple[Path, ...]
    secrets: list[Secret] = field(default_factory=list)
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    programs: set[str] = field(default_factory=set)
    looks: int = 0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def secret(self, name: str, *known: str) -> str:
        """A new one."""
        text = f"{name.title()}-{secrets.token_urlsafe(9)}"
        self.secrets.append(Secret(name, text, known))
        return text

    def random(self, name: str, text: str, *known: str) -> None:
        """One that the service has made: 256 random bits, of which it keeps the hash."""
        self.secrets.append(Secret(name, text, known, random=True))

    def look(self) -> None:
        """At every file and process as they are now."""
        self.looks += 1
        self.found += in_files(self.secrets, *self.folders)
        self.found += in_processes(self.secrets, below=os.getpid())
        for pid in descendants(os.getpid()):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.programs |= {each for each in OURS if each in words}

    def client(self, url: str) -> httpx.Client:
        """Whose answers are all kept."""

        def keep(answer: httpx.Response) -> None:
            place = f"{answer.request.method} {answer.request.url.path}"
            headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            self.answers.append((place, headers.encode() + answer.read()))

        hooks = {"response": [keep]}
        return httpx.Client(base_url=url, verify=TLS, timeout=60, event_hooks=hooks)


def run(run: Run, samba: Samba, folder: Path, images: Path) -> None:
    """Clients, credentials, a job that ends well, and whatever goes wrong with secrets in it."""
    large(images)
    service = Service(images, folder / "serve.log", "--no-connector")
    try:
        with run.client(service.url) as http:
            _log_in(run, http, service.first["administrator"])
            place = http.post("/ips/resourceLocations", json={"name": "here"}).json()["id"]
            known = announced(http, place)
            run.random("one-time code", known[1], "POST /ips/connectors")
            connector = Program(service.url, known, folder / "connector", images)
            try:
                _keys(run, folder)
                _credentials(run, http, samba)
                _mistakes(run, http)
                _jobs(run, http, samba, place)
            finally:
                connector.stop()
            http.get("/metrics")
    finally:
        service.stop()
    run.look()


def _log_in(run: Run, http: httpx.Client, first: dict[str, str]) -> None:
    run.random("administrator's secret", first["secret"])
    _token(run, http, first["client_id"], first["secret"])
    body = {"name": "robot", "role": "administer"}
    made = http.post("/ips/clients", json=body, headers={"Idempotency-Key": "robot"}).json()
    run.random("client's secret", made["clientSecret"], "POST /ips/clients")
    _token(run, http, made["id"], made["clientSecret"])


def _token(run: Run, http: httpx.Client, id: str, secret: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": id, "client_secret": secret}
    answer = http.post("/cctrustoauth2/local/tokens/clients", data=form).json()
    http.headers["Authorization"] = f"CwsAuth Bearer={answer['access_token']}"
    run.random("token", answer["access_token"], "/tokens/clients")


def _keys(run: Run, folder: Path) -> None:
    master = Path(os.environ["IMAGEPORT_HOME"], "service/master.key")
    run.random("master key", master.read_text().split()[1], "service/master.key")
    said = json.loads((folder / "connector/connector/identity.json").read_text())
    for name in ("signing", "sealing"):
        run.random(f"connector's {name} key", said[name], "identity.json")


def _credentials(run: Run, http: httpx.Client, samba: Samba) -> None:
    share(http, samba)
    nt_hash = samba.nt_hash()
    also = (bytes.fromhex(nt_hash), nt_hash.encode(), nt_hash.lower().encode())
    run.secrets.append(Secret("share's password", samba.account.password, also=also))
    key = {"type": "service_account", "private_key": run.secret("google key")}
    others: list[dict[str, Any]] = [
        {"type": "UsernamePassword", "username": "root", "password": run.secret("wrong password")},
        {"type": "Aws", "accessKeyId": "AKIA", "secretAccessKey": run.secret("amazon key")},
        {
            "type": "Azure",
            "tenantId": "t",
            "clientId": "c",
            "clientSecret": run.secret("azure secret"),
        },
        {"type": "Gcp", "serviceAccountKey": key},
        {"type": "Simple", "secret": run.secret("simple secret")},
    ]
    for other in others:
        id = f"a-{other['type']}"
        answer = http.post("/ips/credentials", json={"id": id, **other})
        assert answer.status_code == 201, answer.text
        http.get(f"/ips/credentials/{id}")
    changed = {"id": "a-Simple", "type": "Simple", "secret": run.secret("changed secret")}
    assert http.put("/ips/credentials/a-Simple", json=changed).status_code == 200
    assert http.post("/ips/credentials/$rotate").status_code == 200
    http.get("/ips/credentials")


def _mistakes(run: Run, http: httpx.Client) -> None:
    """Each is answered with a problem."""
    typed = run.secret("mistyped secret")
    url = "/ips/credentials"
    base = {"id": "mistake", "type": "UsernamePassword", "username": "u"}
    answers = [
        http.post(url, json={**base, "passwort": typed}),
        http.post(url, json={**base, "password": [typed]}),
        http.post(url, json={**base, "password": typed, "type": "Simple"}),
        http.post(url, json=typed),
        http.post(url, content=typed, headers={"Content-Type": "application/json"}),
        http.put(f"{url}/other", json={**base, "password": typed}),
        http.get("/ips/jobs", headers={"Authorization": f"Bearer {typed}"}),
        http.get("/ips/jobs", headers={"Authorization": f"Basic {typed}"}),
        http.get("/ips/jobs", headers={"Authorization": typed}),
        http.post(
            "/cctrustoauth2/local/tokens/clients",
            data={"grant_type": "client_credentials", "client_id": "x", "client_secret": typed},
        ),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers), answers


def _jobs(run: Run, http: httpx.Client, samba: Samba, place: str) -> None:
    for name, credential in (("good", SHARE), ("bad", "a-UsernamePassword")):
        body = export(place, samba, "large.raw", name)
        body["outputStorageLocation"]["credentialId"] = credential
        job = http.post("/ips/images/$export", json=body).json()["id"]
        if name == "good":
            under_way(http, job)
        run.look()
        while http.get(f"/ips/jobs/{job}").json()["endedAt"] is None:
            run.look()
            time.sleep(0.1)
        run.jobs[name] = ended(http, job)
        http.get(f"/ips/jobs/{job}/logs")
        http.get(f"/ips/jobs/{job}/events")
    for path in ("/ips/jobs", "/ips/audit", "/ips/clients", "/ips/connectors", "/ips/status"):
        assert http.get(path).status_code == 200
