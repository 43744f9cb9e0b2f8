"""What is AWS KMS' own of a master key: names, keys that cannot serve, credentials. Emulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.service.errors import KeyServiceAway, KeyServiceRefused, MasterKeyMisnamed
from imageport.service.wallet.chosen import master_key
from imageport.service.wallet.master import MasterKey
from lab.aws.process import LabProcess
from lab.aws.signature import EXPIRED_SESSION
from tests.contract.service.masters import KmsCase, opened

KEY = bytes(range(32))


@pytest.fixture
def kms(aws: LabProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsCase]:
    made = KmsCase(aws, monkeypatch)
    yield made
    made.relay.close()


def _named(key: str) -> MasterKey:
    return master_key([f"aws-kms:{key}"], Path())


def test_a_key_has_one_id_by_whatever_name(kms: KmsCase, monkeypatch: pytest.MonkeyPatch) -> None:
    known = kms.client.describe_key(KeyId=kms.alias)["KeyMetadata"]
    wrapped = opened(kms).wrap(KEY, "x")
    alias = known["Arn"].rpartition(":")[0] + f":{kms.alias}"
    # An ARN says its region itself.
    for region, names in (
        ("eu-west-1", (kms.alias, known["KeyId"])),
        ("us-east-1", (known["Arn"], alias)),
    ):
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        for name in names:
            assert _named(name).newest() == wrapped.master == f"aws-kms:{known['KeyId']}"
            assert _named(name).unwrap(wrapped, "x") == KEY


def test_an_alias_is_looked_up_at_a_start(kms: KmsCase) -> None:
    running = opened(kms)
    before = running.newest()
    kms.rotate()
    assert running.wrap(KEY, "x").master == running.newest() == before
    assert opened(kms).newest() != before


@pytest.mark.parametrize(
    "name",
    ["", "alias/", "key", "arn:aws:kms:eu-west-1:1:key/x", "arn:aws:s3:::bucket", "alias/a b"],
)
def test_what_names_no_key(name: str) -> None:
    with pytest.raises(MasterKeyMisnamed):
        _named(name)


def test_keys_that_cannot_serve(kms: KmsCase) -> None:
    signs = kms.client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]
    rsa = kms.client.create_key(KeyUsage="ENCRYPT_DECRYPT", KeySpec="RSA_2048")["KeyMetadata"]
    for key in (signs, rsa):
        with pytest.raises(KeyServiceRefused, match="not one that encrypts"):
            _named(key["Arn"]).newest()
    for missing in ("alias/missing", signs["KeyId"].replace(signs["KeyId"][:8], "00000000")):
        with pytest.raises(KeyServiceRefused, match="NotFoundException"):
            _named(missing).newest()
    wrapped = opened(kms).wrap(KEY, "x")
    id = wrapped.master.removeprefix("aws-kms:")
    kms.client.schedule_key_deletion(KeyId=id, PendingWindowInDays=7)
    with pytest.raises(KeyServiceRefused, match="KMSInvalidStateException"):
        opened(kms).unwrap(wrapped, "x")


def test_credentials(
    kms: KmsCase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", EXPIRED_SESSION)
    with pytest.raises(KeyServiceRefused, match="ExpiredTokenException"):
        opened(kms).newest()
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(KeyServiceRefused, match="InvalidSignatureException"):
        opened(kms).newest()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(KeyServiceRefused, match="NoCredentialsError"):
        opened(kms).newest()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(KeyServiceRefused, match="NoRegionError"):
        opened(kms).newest()
    assert "another-secret" not in caplog.text


def test_nobody_listens(kms: KmsCase, monkeypatch: pytest.MonkeyPatch) -> None:
    kms.relay.close()
    with pytest.raises(KeyServiceAway):
        opened(kms).newest()
