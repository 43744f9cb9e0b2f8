"""The lab's KMS refuses what the service is documented to refuse, asked by Amazon's own SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, SECRET_KEY

CONTEXT = {"imageport": "x"}


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with LabProcess(tmp_path_factory.mktemp("aws")) as lab:
        yield boto3.client(
            "kms",
            endpoint_url=lab.url,
            region_name="eu-west-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )


def _refused(code: str, ask: Callable[[], object]) -> None:
    with pytest.raises(ClientError) as caught:
        ask()
    assert caught.value.response["Error"]["Code"] == code


def _key(kms: Any, **how: str) -> str:
    return str(kms.create_key(**{"KeyUsage": "ENCRYPT_DECRYPT", **how})["KeyMetadata"]["KeyId"])


def test_what_was_encrypted_opens_with_its_key_and_context_alone(kms: Any) -> None:
    key, other = _key(kms), _key(kms)
    blob = kms.encrypt(KeyId=key, Plaintext=b"k", EncryptionContext=CONTEXT)["CiphertextBlob"]

    def decrypt(key: str, context: dict[str, str], blob: bytes = blob) -> Any:
        return kms.decrypt(KeyId=key, EncryptionContext=context, CiphertextBlob=blob)

    assert decrypt(key, CONTEXT)["Plaintext"] == b"k"
    _refused("IncorrectKeyException", lambda: decrypt(other, CONTEXT))
    for context in ({}, {"imageport": "y"}, {"other": "x"}, {**CONTEXT, "more": "x"}):
        _refused("InvalidCiphertextException", partial(decrypt, key, context))
    for damaged in (blob[:-1] + bytes([blob[-1] ^ 1]), b"short"):
        _refused("InvalidCiphertextException", partial(decrypt, key, CONTEXT, damaged))


def test_states_and_kinds_of_keys(kms: Any) -> None:
    key, signs = _key(kms), _key(kms, KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    blob = kms.encrypt(KeyId=key, Plaintext=b"k")["CiphertextBlob"]

    def both(key: str, code: str) -> None:
        _refused(code, lambda: kms.encrypt(KeyId=key, Plaintext=b"k"))
        _refused(code, lambda: kms.decrypt(KeyId=key, CiphertextBlob=blob))

    both(signs, "InvalidKeyUsageException")
    kms.disable_key(KeyId=key)
    both(key, "DisabledException")
    kms.enable_key(KeyId=key)
    assert kms.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"] == b"k"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    both(key, "KMSInvalidStateException")
