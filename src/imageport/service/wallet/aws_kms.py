"""A master key in AWS KMS, which never leaves it.

Source: AWS Key Management Service API reference: DescribeKey, Encrypt, Decrypt, and their errors.
Region and credentials come from the SDK's own chain, endpoints too (`AWS_ENDPOINT_URL_KMS`).
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
)

from imageport.service.errors import (
    KeyServiceAway,
    KeyServiceRefused,
    MasterKeyMisnamed,
    MasterKeyMissing,
    SecretUnreadable,
    ServiceError,
)
from imageport.service.wallet.master import Wrapped

_LOG = logging.getLogger(__name__)
_NAME = "AWS KMS"
_KEY = re.compile(
    r"(?:arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:(?:key|alias)/|alias/|(?=[0-9a-f-]{36}$)|"
    r"(?=mrk-))[A-Za-z0-9/_-]{1,256}"
)
_CONTEXT = "imageport"
"""The name in the encryption context, which a policy may ask for."""
_FOREIGN = {"InvalidCiphertextException", "IncorrectKeyException"}
_PASSING = {
    "DependencyTimeoutException",
    "KeyUnavailableException",
    "KMSInternalException",
    "LimitExceededException",
    "ThrottlingException",
}
_UNREACHED = (
    ConnectionError,
    HTTPClientError,
    CredentialRetrievalError,
    MetadataRetrievalError,
)


@dataclass(frozen=True, slots=True)
class _Key:
    """What KMS calls the key."""

    id: str
    arn: str


class AwsKms:
    """A symmetric key by its ARN, id or alias. An alias is looked up once: a start takes the key
    that it names then."""

    def __init__(self, key: str) -> None:
        """Raises MasterKeyMisnamed."""
        found = _KEY.fullmatch(key)
        if found is None:
            raise MasterKeyMisnamed(said=f"aws-kms:{key}", detail="this names no key of AWS KMS")
        self._named, self._region = key, found["region"]

    def newest(self) -> str:
        """See `MasterKey`. What KMS itself rotates keeps its id, and opens with it."""
        # Without its region: the replicas of a multi-Region key are one key.
        return f"aws-kms:{self._key.id}"

    def knows(self, master: str) -> bool:
        """See `MasterKey`."""
        return master.startswith("aws-kms:") and master == self.newest()

    def wrap(self, key: bytes, context: str) -> Wrapped:
        """See `MasterKey`."""
        answer = self._ask("encrypt", context, KeyId=self._key.arn, Plaintext=key)
        return Wrapped(self.newest(), bytes(answer["CiphertextBlob"]))

    def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See `MasterKey`."""
        if not self.knows(wrapped.master):
            raise MasterKeyMissing(what=context, master=wrapped.master)
        said = {"KeyId": self._key.arn, "CiphertextBlob": wrapped.key}
        return bytes(self._ask("decrypt", context, **said)["Plaintext"])

    @functools.cached_property
    def _client(self) -> Any:
        # Nobody who waits for an answer waits longer than for two attempts.
        config = Config(
            connect_timeout=2,
            read_timeout=3,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        return boto3.session.Session().client("kms", region_name=self._region, config=config)

    @functools.cached_property
    def _key(self) -> _Key:
        described = _mapped(lambda: self._client.describe_key(KeyId=self._named), self._named)
        known = described["KeyMetadata"]
        if (
            known.get("KeySpec") != "SYMMETRIC_DEFAULT"
            or known.get("KeyUsage") != "ENCRYPT_DECRYPT"
        ):
            raise KeyServiceRefused(service=_NAME, detail="the key is not one that encrypts")
        return _Key(known["KeyId"], known["Arn"])

    def _ask(self, operation: str, context: str, **said: Any) -> dict[str, Any]:
        send = getattr(self._client, operation)
        return _mapped(lambda: send(EncryptionContext={_CONTEXT: context}, **said), context)


def _mapped(send: Callable[[], dict[str, Any]], what: str) -> dict[str, Any]:
    try:
        return send()
    except (ClientError, BotoCoreError) as error:
        # The whole of it names accounts and roles, which customers need not know.
        _LOG.warning("AWS KMS, %s: %s", what, error)
        raise _judged(error, what) from error


def _judged(error: ClientError | BotoCoreError, what: str) -> ServiceError:
    if isinstance(error, _UNREACHED):
        return KeyServiceAway(service=_NAME, detail="it does not answer")
    if not isinstance(error, ClientError):
        return KeyServiceRefused(service=_NAME, detail=type(error).__name__)
    code = str(error.response["Error"].get("Code", "Unknown"))
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code in _FOREIGN:
        return SecretUnreadable(what=what)
    if code in _PASSING or status >= 500:
        return KeyServiceAway(service=_NAME, detail=code)
    return KeyServiceRefused(service=_NAME, detail=code)
