"""What is Vault's own of a master key: token, namespace, TLS, seal, versions. A real OpenBao."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from imageport.service.errors import KeyServiceAway, KeyServiceRefused, MasterKeyMisnamed
from imageport.service.store.database import Database
from imageport.service.wallet.chosen import master_key
from imageport.service.wallet.local import new_line
from imageport.service.wallet.wallet import Wallet
from lab.certificates import LabAuthority
from lab.openbao import OpenBao
from tests.contract.ends.faults import HttpFaults
from tests.contract.service.masters import VaultCase, opened
from tests.contract.service.replica import TLS
from tests.system.command import COMMAND

KEY = bytes(range(32))


@pytest.fixture
def vault(bao: OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VaultCase]:
    made = VaultCase(bao, tmp_path, monkeypatch)
    yield made
    made.relay.close()


def test_each_version_is_a_master_key(vault: VaultCase) -> None:
    master = opened(vault)
    first = master.wrap(KEY, "x")
    vault.rotate()
    # Without a restart: what is new is under the new version, and the old one still opens.
    second = master.wrap(KEY, "x")
    assert first.master == f"vault:transit/{vault.key}:v1"
    assert second.master == master.newest() == f"vault:transit/{vault.key}:v2"
    for wrapped in (first, second):
        assert master.unwrap(wrapped, "x") == KEY


def test_the_token_is_read_anew_from_its_file(
    vault: VaultCase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    master = opened(vault)
    good = vault.token_file.read_text()
    # The variable that other programs read is not.
    monkeypatch.setenv("VAULT_TOKEN", good)
    vault.token_file.write_text("hvs.another-token")
    with pytest.raises(KeyServiceRefused, match="permission denied"):
        master.newest()
    vault.token_file.unlink()
    with pytest.raises(KeyServiceRefused, match="no token"):
        master.newest()
    vault.token_file.touch(mode=0o600)
    with pytest.raises(KeyServiceRefused, match="has none"):
        master.newest()
    vault.token_file.write_text(good + "\n")
    assert master.unwrap(master.wrap(KEY, "x"), "x") == KEY
    vault.token_file.chmod(0o644)
    with pytest.raises(KeyServiceRefused, match="others can read"):
        master.newest()
    assert good not in caplog.text
    assert "another-token" not in caplog.text


def test_namespace_and_mount(vault: VaultCase, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.bao.ask("POST", "sys/namespaces/team")
    vault.token_file.write_text(vault.bao.new_key("keys/transit", "wallet", "team"))
    master = master_key(["vault:keys/transit/wallet"], Path())
    with pytest.raises(KeyServiceRefused):
        master.newest()
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    master = master_key(["vault:keys/transit/wallet"], Path())
    assert master.unwrap(master.wrap(KEY, "x"), "x") == KEY


def test_a_key_that_is_missing_is_not_made(vault: VaultCase) -> None:
    master = master_key(["vault:transit/missing"], Path())
    for ask in (master.newest, lambda: master.wrap(KEY, "x")):
        with pytest.raises(KeyServiceRefused):
            ask()
    assert "missing" not in vault.bao.ask("LIST", "transit/keys")["data"]["keys"]


def test_a_key_without_aead_is_refused(vault: VaultCase) -> None:
    vault.bao.ask("POST", "transit/keys/rsa", type="rsa-2048")
    path = f"sys/policies/acl/{vault.key}"
    policy = vault.bao.ask("GET", path)["data"]["policy"]
    more = 'path "transit/keys/rsa" { capabilities = ["read"] }'
    vault.bao.ask("PUT", path, policy=f"{policy}\n{more}")
    with pytest.raises(KeyServiceRefused, match="not one of AEAD"):
        master_key(["vault:transit/rsa"], Path()).newest()


def test_sealed(vault: VaultCase, database: Database) -> None:
    master = opened(vault)
    vault.bao.seal()
    try:
        with pytest.raises(KeyServiceAway, match="status 503"):
            Wallet(master).rewrap(database)
    finally:
        vault.bao.unseal()
    assert Wallet(master).rewrap(database) == 0


def test_an_authority_that_is_not_trusted(
    vault: VaultCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_CACERT", str(LabAuthority(tmp_path / "other").path))
    with pytest.raises(KeyServiceAway):
        opened(vault).newest()
    monkeypatch.setenv("VAULT_CACERT", str(tmp_path / "missing.pem"))
    with pytest.raises(MasterKeyMisnamed, match="VAULT_CACERT"):
        opened(vault)


def test_the_token_goes_nowhere_else(vault: VaultCase, monkeypatch: pytest.MonkeyPatch) -> None:
    standby, elsewhere = (HttpFaults("127.0.0.1", vault.bao.port) for _ in range(2))
    location = {"Location": f"{elsewhere.address}/v1/transit/keys/{vault.key}"}
    redirects = standby.add(status=307, headers=location)
    monkeypatch.setenv("VAULT_ADDR", standby.address)
    try:
        with pytest.raises(KeyServiceAway, match="status 307"):
            opened(vault).newest()
        assert redirects.happened == 1
        assert elsewhere.requests == []
    finally:
        standby.close()
        elsewhere.close()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "VAULT_ADDR is not set"),
        ("vault.example.org:8200", "VAULT_ADDR"),
        ("http://vault.example.org:8200", "not HTTPS"),
        ("https://", "VAULT_ADDR"),
    ],
)
def test_addresses_that_are_none(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", address)
    with pytest.raises(MasterKeyMisnamed, match=said):
        master_key(["vault:transit/imageport"], Path())


@pytest.mark.parametrize(
    "place",
    ["", "imageport", "/imageport", "transit/", "transit/../sys/x", "a/b?c", f"a/{'b' * 60}"],
)
def test_places_that_are_none(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.org:8200")
    with pytest.raises(MasterKeyMisnamed):
        master_key([f"vault:{place}"], Path())


def test_the_command(vault: VaultCase, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = ["serve", "--no-connector", "--port", "0", "--json"]
    environment = {**os.environ, "IMAGEPORT_HOME": str(home)}
    # The variable takes several, the newest first.
    old = tmp_path / "old.key"
    old.touch(mode=0o600)
    old.write_text(new_line())
    environment["IMAGEPORT_MASTER_KEY_FROM"] = f"{vault.said[0]} {old}"
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    assert process.stdout
    try:
        said = ""
        while not said.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, (home / "log").read_text()
            said += line
        url, administrator = json.loads(said)["url"], json.loads(said)["administrator"]
        form = {
            "grant_type": "client_credentials",
            "client_id": administrator["client_id"],
            "client_secret": administrator["secret"],
        }
        asked = f"{url}/cctrustoauth2/{administrator['customer']}/tokens/clients"
        assert httpx.post(asked, data=form, verify=TLS).status_code == 200
    finally:
        process.terminate()
        process.communicate()
    assert not (home / "service" / "master.key").exists()
    with sqlite3.connect(home / "service" / "service.db") as database:
        (master,) = database.execute("SELECT master FROM token_keys").fetchone()
    database.close()
    assert master == f"{vault.said[0]}:v1"


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    environment = {**os.environ, "IMAGEPORT_HOME": str(tmp_path)}
    environment.pop("VAULT_ADDR", None)
    words = ["serve", "--no-connector", "--master-key", "vault:transit/imageport", "--json"]
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode != 0
    assert "wallet.master-key-name" in done.stdout + done.stderr
    assert "VAULT_ADDR" in done.stdout + done.stderr
