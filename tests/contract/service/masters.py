"""Master keys of each kind with their real peers, for the suite that all of them have to pass.

AWS KMS is moto with the lab's stricter layer, an emulator; Vault is a real OpenBao.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest

from imageport.service.wallet.chosen import master_key
from imageport.service.wallet.local import new_line
from imageport.service.wallet.master import MasterKey
from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, SECRET_KEY
from lab.openbao import OpenBao
from tests.contract.ends.faults import TcpFaults

REGION = "eu-west-1"


class Case(Protocol):
    """A kind of master key. `said` is what `--master-key` is given, the newest first."""

    said: list[str]

    def foreign(self) -> MasterKey:
        """Another key of the same kind."""

    def rotate(self) -> None:
        """Make a newer key; `said` names both, where one name does not stand for both."""

    def forget_old(self) -> None:
        """Make older keys unusable; `said` names the newest alone."""


class RemoteCase(Case, Protocol):
    """One behind a service that can be away."""

    relay: TcpFaults

    def forbid(self) -> None:
        """Take the right to use the key away."""

    def allow(self) -> None:
        """Give it back."""


def opened(case: Case) -> MasterKey:
    """As a start of the service has it."""
    return master_key(case.said, Path("/nonexistent/master.key"))


class LocalCase:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "master.key"
        self.said = [str(self._file)]
        opened(self)

    def foreign(self) -> MasterKey:
        return master_key([str(self._folder / "other.key")], self._file)

    def rotate(self) -> None:
        self._file.write_text(new_line() + self._file.read_text())

    def forget_old(self) -> None:
        self._file.write_text(self._file.read_text().splitlines()[0])


class KmsCase:
    """Keys of an emulated AWS KMS, spoken to through a relay."""

    def __init__(self, lab: LabProcess, patch: pytest.MonkeyPatch) -> None:
        self.relay = TcpFaults("127.0.0.1", lab.port)
        patch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{self.relay.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        self.client: Any = boto3.client("kms", endpoint_url=lab.url)
        self._keys = [self._new_key()]
        self.alias = f"alias/imageport-{uuid.uuid4()}"
        self.client.create_alias(AliasName=self.alias, TargetKeyId=self._keys[0])
        self.said = [f"aws-kms:{self.alias}"]

    def foreign(self) -> MasterKey:
        return master_key([f"aws-kms:{self._new_key()}"], Path())

    def rotate(self) -> None:
        self._keys.insert(0, self._new_key())
        self.client.update_alias(AliasName=self.alias, TargetKeyId=self._keys[0])
        old = self.client.describe_key(KeyId=self._keys[1])["KeyMetadata"]["Arn"]
        self.said = [f"aws-kms:{self.alias}", f"aws-kms:{old}"]

    def forget_old(self) -> None:
        self.client.schedule_key_deletion(KeyId=self._keys[1], PendingWindowInDays=7)
        self.said = [f"aws-kms:{self.alias}"]

    def forbid(self) -> None:
        self.client.disable_key(KeyId=self._keys[0])

    def allow(self) -> None:
        self.client.enable_key(KeyId=self._keys[0])

    def _new_key(self) -> str:
        return str(self.client.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"])


class VaultCase:
    """A transit key of a real OpenBao, spoken to through a relay, with a token for it alone."""

    def __init__(self, bao: OpenBao, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.bao, self.token_file = bao, folder / "token"
        self.relay = TcpFaults("127.0.0.1", bao.port)
        patch.setenv("VAULT_ADDR", f"https://127.0.0.1:{self.relay.port}")
        patch.setenv("VAULT_CACERT", str(bao.ca))
        patch.setenv("VAULT_TOKEN_FILE", str(self.token_file))
        patch.delenv("VAULT_NAMESPACE", raising=False)
        self.token_file.touch(mode=0o600)
        self.key, other = (f"k-{uuid.uuid4()}" for _ in range(2))
        self._other = f"vault:transit/{other}"
        self.token_file.write_text(bao.new_key("transit", self.key))
        bao.new_key("transit", other)
        self.said = [f"vault:transit/{self.key}"]
        self._policy(other, self.key)

    def foreign(self) -> MasterKey:
        return master_key([self._other], Path())

    def rotate(self) -> None:
        self.bao.ask("POST", f"transit/keys/{self.key}/rotate")

    def forget_old(self) -> None:
        self.bao.ask("POST", f"transit/keys/{self.key}/config", min_decryption_version=2)

    def forbid(self) -> None:
        path = f"sys/policies/acl/{self.key}"
        self._kept = self.bao.ask("GET", path)["data"]["policy"]
        self.bao.ask("PUT", path, policy=f'path "transit/keys/{self.key}" {{ capabilities = [] }}')

    def allow(self) -> None:
        self.bao.ask("PUT", f"sys/policies/acl/{self.key}", policy=self._kept)

    def _policy(self, of: str, to: str) -> None:
        """The test's token may use the other key, too."""
        both = [self.bao.ask("GET", f"sys/policies/acl/{id}")["data"]["policy"] for id in (of, to)]
        self.bao.ask("PUT", f"sys/policies/acl/{to}", policy="\n".join(both))


@contextlib.contextmanager
def case(
    kind: str, request: pytest.FixtureRequest, folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[LocalCase | KmsCase | VaultCase]:
    """One of its kind."""
    if kind == "local":
        yield LocalCase(folder)
        return
    made: KmsCase | VaultCase
    if kind == "kms":
        made = KmsCase(request.getfixturevalue("aws"), patch)
    else:
        made = VaultCase(request.getfixturevalue("bao"), folder, patch)
    yield made
    made.relay.close()
