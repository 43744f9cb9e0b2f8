"""KMS, as far as the lab makes moto's stricter: what state a key is in, and which one it is.

Source: AWS Key Management Service API reference: Encrypt and Decrypt, "Errors".
"""

from __future__ import annotations

from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse


class StrictKms(KmsResponse):
    """One request."""

    def encrypt(self) -> str:
        self._check_state()
        return super().encrypt()

    def decrypt(self) -> str:
        if not self._get_param("KeyId"):
            raise _refused("ValidationException", "imageport always says which key it means")
        self._check_state()
        try:
            return super().decrypt()
        except JsonRESTError as error:
            # moto's word for a ciphertext of another key.
            if error.error_type == "AccessDeniedException":
                raise _refused("IncorrectKeyException", "") from error
            raise

    def _check_state(self) -> None:
        id = self._get_param("KeyId")
        self._validate_key_id(id)
        key = self.kms_backend.describe_key(id)
        if key.key_usage != "ENCRYPT_DECRYPT":
            raise _refused("InvalidKeyUsageException", f"{key.arn} is for {key.key_usage}")
        if key.key_state == "Disabled":
            raise _refused("DisabledException", f"{key.arn} is disabled.")
        if key.key_state != "Enabled":
            raise _refused("KMSInvalidStateException", f"{key.arn} is {key.key_state}.")


def _refused(code: str, message: str) -> JsonRESTError:
    return JsonRESTError(code, message)
