"""Credentials files: what is taken, and that no secret shows when one is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imageport.cli.credential_files import CredentialsExposed, CredentialsUnusable, read_credentials
from imageport.model.credentials import (
    AwsKey,
    AzureSas,
    Credential,
    GcpServiceAccount,
    UsernamePassword,
)


def saved(folder: Path, said: object, mode: int = 0o600) -> Path:
    path = folder / "credentials.json"
    path.write_text(json.dumps(said))
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"type": "UsernamePassword", "username": "u", "password": "p", "domain": "d"},
            UsernamePassword("u", "p", "d"),
        ),
        (
            {"type": "Aws", "accessKeyId": "a", "secretAccessKey": "s"},
            AwsKey("a", "s", None),
        ),
        ({"type": "AzureSas", "sas": "https://x/c/b?sv=1&sig=2"}, AzureSas("sv=1&sig=2")),
        ({"type": "AzureSas", "sas": "sv=1&sig=2"}, AzureSas("sv=1&sig=2")),
        (
            {"type": "service_account", "project_id": "p"},
            GcpServiceAccount('{"type": "service_account", "project_id": "p"}'),
        ),
    ],
)
def test_what_is_taken(said: dict[str, Any], expected: Credential, tmp_path: Path) -> None:
    found = read_credentials(saved(tmp_path, said))
    assert found == expected
    assert "sig=2" not in repr(found)


@pytest.mark.parametrize(
    "said",
    [
        {"type": "UsernamePassword", "username": "u", "pasword": "hunter2"},
        {"type": "Unknown", "password": "hunter2"},
        {"type": "Aws", "accessKeyId": ["hunter2"], "secretAccessKey": 5},
        ["hunter2"],
    ],
)
def test_what_is_refused_without_showing_it(said: object, tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnusable) as caught:
        read_credentials(saved(tmp_path, said))
    assert "hunter2" not in json.dumps(caught.value.as_dict())
    assert caught.value.__cause__ is None


def test_files_that_others_can_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsExposed, match="can be read by others"):
        read_credentials(saved(tmp_path, {"type": "Aws"}, mode=0o640))
    with pytest.raises(CredentialsUnusable):
        read_credentials(tmp_path / "none.json")
