"""Connectors behind a real proxy (tinyproxy), and a service whose certificate a CA of ours signed.

The service is asked for by a name that nobody but the proxy can resolve: what gets there went
through it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.certificates import LabAuthority
from tests.contract.connector.running import (
    Program,
    announced,
    ended,
    export,
    large,
    share,
    under_way,
)
from tests.contract.connector.tinyproxy import NAME, Tinyproxy
from tests.contract.ends.contract import make_disk
from tests.contract.ends.peers import free_port
from tests.contract.ends.samba import Samba
from tests.contract.secrets.search import Secret, descendants, in_files, in_processes
from tests.contract.service.replica import location, replica, scratch
from tests.system.command import error_of, imageport

_USER, _PASSWORD = "ada", "Love-Lace-1815"
_ACCOUNT = f"BasicAuth {_USER} {_PASSWORD}"


@dataclass(frozen=True)
class Site:
    """A service behind TLS, a proxy that is not yet run, a share, and a folder with a disk."""

    url: str
    admin: httpx.Client
    place: str
    folder: Path
    ca: Path
    proxy: Tinyproxy
    samba: Samba

    @property
    def by_name(self) -> str:
        """The service's URL with the name that the proxy alone knows."""
        return f"https://{NAME}:{httpx.URL(self.url).port}"

    def account(self, password: str = _PASSWORD) -> Path:
        """A credentials file for the proxy."""
        path = self.folder / ("account" if password == _PASSWORD else "wrong")
        path.touch(mode=0o600)
        said = {"type": "UsernamePassword", "username": _USER, "password": password}
        path.write_text(json.dumps(said))
        return path

    def connector(self, url: str, *options: str | Path) -> Program:
        """Register one and run it."""
        known = announced(self.admin, self.place)
        home, images = self.folder / "connector", self.folder / "images"
        return Program(url, known, home, images, [*map(str, options)], self.ca)

    def export(self, source: str, name: str) -> str:
        """Start an export to the share; returns the job's id."""
        body = export(self.place, self.samba, source, name)
        id: str = self.admin.post("/ips/images/$export", json=body).json()["id"]
        return id

    def register(self, *options: str | Path, url: str | None = None) -> dict[str, Any]:
        """What `register` says when it cannot."""
        code = self.folder / "code"
        code.write_text("none")
        words = ("--id", "none", "--code-file", code, "--ca", self.ca, *options, "--json")
        return error_of(imageport("connector", "register", url or self.by_name, *words))


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture
def site(
    tmp_path: Path, samba: Samba, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    (tmp_path / "images").mkdir()
    make_disk(tmp_path / "images/master.raw")
    authority = LabAuthority(tmp_path / "ca")
    proxy = Tinyproxy(tmp_path / "proxy")
    with (
        replica(scratch(tmp_path), authority=authority, hosts=[NAME]) as running,
        running.client() as admin,
    ):
        share(admin, samba)
        place = location(admin)
        yield Site(running.url, admin, place, tmp_path, authority.path, proxy, samba)


def test_the_name_is_the_proxys_alone(site: Site) -> None:
    """Else the tests below say nothing."""
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(NAME, 443)
    assert site.register()["code"] == "client.unreachable"
    with site.proxy.run():
        assert site.register("--proxy", site.proxy.url)["code"] != "client.unreachable"


def test_a_whole_job_through_a_proxy_with_an_account(site: Site) -> None:
    large(site.folder / "images")
    account = site.account()
    secret = Secret("proxy's password", _PASSWORD, known=(account.name, "proxy/conf"))
    with site.proxy.run(_ACCOUNT):
        program = site.connector(
            site.by_name, "--proxy", site.proxy.url, "--proxy-account", account
        )
        try:
            job = site.export("large.raw", "proxied")
            under_way(site.admin, job)
            assert len(descendants(program.process.pid)) > 1
            assert not in_processes([secret], below=program.process.pid)
            done = ended(site.admin, job)
        finally:
            program.stop()
    assert done["overallStatus"] == "complete", program.log.read_text()
    assert "proxied.vhdx" in site.samba.names()
    asked = f"CONNECT {NAME}:{httpx.URL(site.url).port} HTTP/1.1"
    assert set(site.proxy.asked()) == {asked}
    assert not in_files([secret], site.folder)


@pytest.mark.parametrize(
    "variable",
    [
        "HTTPS_PROXY",
        pytest.param("https_proxy", marks=pytest.mark.slow),
        pytest.param("ALL_PROXY", marks=pytest.mark.slow),
    ],
)
def test_the_proxy_of_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, site.proxy.url)
    with site.proxy.run(_ACCOUNT):
        program = site.connector(site.by_name, "--proxy-account", site.account())
        try:
            done = ended(site.admin, site.export("master.raw", f"{variable}-{variable.isupper()}"))
        finally:
            program.stop()
    assert done["overallStatus"] == "complete", program.log.read_text()
    assert site.proxy.asked()


def test_no_proxy_of_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    assert site.register(url=site.url)["code"] == "client.proxy-unreachable"
    monkeypatch.setenv("NO_PROXY", f"example.org,127.0.0.1,{NAME}")
    program = site.connector(site.url)
    try:
        done = ended(site.admin, site.export("master.raw", "direct"))
    finally:
        program.stop()
    assert done["overallStatus"] == "complete", program.log.read_text()
    # What is named as an option counts, whatever the environment says.
    with site.proxy.run():
        assert site.register("--proxy", site.proxy.url)["code"] == "request.invalid"
    assert site.proxy.asked()


@pytest.mark.parametrize(
    ("options", "password", "code", "word"),
    [
        ((_ACCOUNT,), None, "client.proxy-account", "--proxy-account"),
        ((_ACCOUNT,), "wrong", "client.proxy-account", "--proxy-account"),
        (("ConnectPort 443",), None, "client.proxy-refuses", "CONNECT"),
    ],
)
def test_a_proxy_that_refuses(
    site: Site, options: tuple[str, ...], password: str | None, code: str, word: str
) -> None:
    account = ("--proxy-account", site.account(password)) if password else ()
    with site.proxy.run(*options):
        error = site.register("--proxy", site.proxy.url, *account)
    assert error["code"] == code, error
    assert site.proxy.url in error["sentence"]
    assert word in error["remedy"]


@pytest.mark.slow
def test_a_connector_goes_on_trying(site: Site) -> None:
    account = site.account()
    options = ("--proxy", site.proxy.url, "--proxy-account", account)
    with site.proxy.run(_ACCOUNT):
        program = site.connector(site.by_name, *options)
        assert ended(site.admin, site.export("master.raw", "before"))["endedAt"]
    try:
        _logged(program, f"The proxy {site.proxy.url} on the way to {site.by_name} cannot be")
        assert "Check that it runs" in program.log.read_text()
        with site.proxy.run("BasicAuth ada another"):
            _logged(program, "wants an account, or another one: 401")
        with site.proxy.run("ConnectPort 443"):
            _logged(program, f"does not connect to {site.by_name}: 403")
        job = site.export("master.raw", "after")
        with site.proxy.run(_ACCOUNT):
            done = ended(site.admin, job)
            assert done["overallStatus"] == "complete", program.log.read_text()
    finally:
        program.stop()
    assert not in_files([Secret("password", _PASSWORD)], program.home)


def _logged(program: Program, text: str) -> None:
    deadline = time.monotonic() + 120
    while text not in program.log.read_text():
        assert time.monotonic() < deadline, program.log.read_text()
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        ("http://ada:Love-Lace-1815@127.0.0.1:1", "connector.proxy-password"),
        ("ada:Love-Lace-1815@127.0.0.1:1", "connector.proxy-password"),
        ("socks5://127.0.0.1:1", "connector.proxy-invalid"),
        ("http://", "connector.proxy-invalid"),
    ],
)
def test_what_is_no_proxy_and_what_gives_a_secret_away(site: Site, proxy: str, code: str) -> None:
    error = site.register("--proxy", proxy)
    assert error["code"] == code
    assert _PASSWORD not in json.dumps(error)


def test_an_authority_that_is_none(site: Site) -> None:
    with site.proxy.run():
        mine = site.folder / "mine.pem"
        mine.write_text("none")
        words = ("--proxy", site.proxy.url, "--ca", mine)
        assert site.register(*words)["code"] == "client.authority"
        other = LabAuthority(site.folder / "other").path
        error = site.register("--proxy", site.proxy.url, "--ca", other)
        assert error["code"] == "client.unreachable"
        assert "CERTIFICATE_VERIFY_FAILED" in error["sentence"]
