"""Whole jobs by clients that are not ours, against a real service, connector and Samba."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from imageport.model.service import Role
from imageport.service.store import audit, customers
from lab.certificates import LabAuthority
from tests.contract.clients.programs import BIN, answer_of
from tests.contract.connector.running import connector, ended, export, registered, share, texts
from tests.contract.ends.contract import make_disk
from tests.contract.ends.samba import Samba
from tests.contract.service.replica import QUICK, Replica, location, replica, scratch

_CUSTOMER = "acme"


@dataclass(frozen=True)
class Site:
    """A service behind TLS, a connector that runs, and a share."""

    service: Replica
    ca: Path
    place: str
    samba: Samba

    def client(self, role: Role) -> dict[str, str]:
        """A new client, as somebody who was handed it."""
        with self.service.state.store.writing() as tx:
            row, secret = customers.add_client(tx, _CUSTOMER, "stranger", role)
        return {
            "url": self.service.url,
            "ca": str(self.ca),
            "customer": _CUSTOMER,
            "id": row.id,
            "secret": secret,
        }

    def tokens(self, client: str) -> int:
        """How many tokens a client has got."""
        with self.service.state.store.reading() as tx:
            found = audit.entries(tx, _CUSTOMER, 0, 1000)
        return len([each for each in found if each.action == "token" and client in each.who])


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture
def site(
    request: pytest.FixtureRequest, tmp_path: Path, samba: Samba, own_home: Path
) -> Iterator[Site]:
    """`request.param`: the service's settings."""
    images = tmp_path / "images"
    images.mkdir()
    make_disk(images / "master.raw")
    authority = LabAuthority(tmp_path / "ca")
    settings = getattr(request, "param", QUICK)
    with (
        replica(scratch(tmp_path), settings, authority=authority) as running,
        running.client(_CUSTOMER) as admin,
    ):
        share(admin, samba)
        place = location(admin)
        with connector(registered(admin, place, authority.path), images):
            yield Site(running, authority.path, place, samba)


_ONE_MINUTE = replace(QUICK, token_lifetime=timedelta(minutes=1))


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("site", [_ONE_MINUTE], indirect=True)
def test_a_stock_oauth_library_drives_a_job(site: Site, method: str) -> None:
    client = site.client(Role.OPERATE)
    request = export(site.place, site.samba, "master.raw", method)
    said = answer_of("oauth_job.py", {**client, "method": method, "request": request})
    assert said["type"] == "Bearer"
    assert said["job"]["overallStatus"] == "complete", said
    assert any(line["text"].startswith("Copy to smb://") for line in said["log"])
    assert f"{method}.vhdx" in site.samba.names()
    # It renews a token a minute before its end, which is always here.
    assert site.tokens(client["id"]) > 2


@pytest.fixture
def generated(site: Site, tmp_path: Path) -> Path:
    """A folder with the package that openapi-python-client makes of the service's description."""
    description = site.service.get("/ips/openapi.json")
    file = tmp_path / "openapi.json"
    file.write_bytes(description.content)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"post_hooks": []}))
    folder = tmp_path / "library"
    folder.mkdir()
    argv: list[str | Path] = [BIN / "openapi-python-client", "generate", "--path", file]
    argv += ["--config", config, "--output-path", folder / "generated_client"]
    argv += ["--meta", "none", "--fail-on-warning"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    return folder


def test_a_generated_client_drives_jobs(site: Site, generated: Path) -> None:
    told: dict[str, Any] = {
        **site.client(Role.ADMINISTER),
        "place": site.place,
        "username": site.samba.account.username,
        "password": site.samba.account.password,
        "share": f"smb://127.0.0.1:{site.samba.port}/data/",
    }
    said = answer_of("generated_job.py", told, generated)
    assert said["twice"] == "service.exists"
    assert said["export"]["overallStatus"] == "complete", said
    assert len(said["export"]["result"]["root"]) == 64
    assert any(line["text"].startswith("Copy to smb://") for line in said["log"])
    # What is on the disk is no system.
    assert said["plan"]["error"]["code"] == "job.not-bootable", said
    assert said["credentials"] == ["share"]
    assert "generated.vhdx" in site.samba.names()


def test_a_generated_client_has_every_route(site: Site, generated: Path) -> None:
    paths = site.service.get("/ips/openapi.json").json()["paths"]
    operations = [each["operationId"] for path in paths.values() for each in path.values()]
    assert len(operations) == len(set(operations)) > 30
    modules = (generated / "generated_client/api").glob("*/*.py")
    made = [path.stem.replace("_", "") for path in modules if path.stem != "__init__"]
    assert sorted(made) == sorted(each.lower() for each in operations)


@pytest.mark.parametrize(
    ("scheme", "name"), [("CwsAuth Bearer=", "cws"), ("CWSAuth bearer=", "CVAD")]
)
def test_headers_and_bodies_as_citrix_own_clients_send_them(
    site: Site, scheme: str, name: str
) -> None:
    client = site.client(Role.OPERATE)
    token = site.service.token("root", client["id"], client["secret"])
    headers = {
        "Authorization": scheme + token,
        "Citrix-CustomerId": _CUSTOMER,
        "Accept": "application/json",
        "Content-Type": "application/json;charset=utf-8",
    }
    request = export(site.place, site.samba, "master.raw", name, Tags={"ctx-user": "ada"})
    request["ResourceLocationId"] = request.pop("resourceLocationId")
    with httpx.Client(base_url=site.service.url, headers=headers, verify=site.service.tls) as http:
        answer = http.post("/ips/images/$export?async=true", content=json.dumps(request))
        assert answer.status_code == 202, answer.text
        job = ended(http, answer.json()["id"])
        assert (job["overallStatus"], job["tags"]) == ("complete", {"ctx-user": "ada"}), job
        assert texts(http, job["id"])
        other = http.get("/ips/jobs", headers={"Citrix-CustomerId": "other"})
    assert (other.status_code, other.json()["code"]) == (403, "auth.customer")
    assert f"{name}.vhdx" in site.samba.names()
