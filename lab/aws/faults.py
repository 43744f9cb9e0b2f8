"""The errors of the EBS direct APIs, by the names of botocore's model."""

from __future__ import annotations

from typing import ClassVar

from moto.core.exceptions import ServiceException


class EbsError(ServiceException):
    """An error with a `Reason`, as the model has it."""

    default: ClassVar[str] = ""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.Reason = reason or self.default


class ValidationError(EbsError):
    code = "ValidationException"
    default = "INVALID_PARAMETER_VALUE"


class NotFound(EbsError):
    code = "ResourceNotFoundException"
    default = "SNAPSHOT_NOT_FOUND"


class Throttled(EbsError):
    code = "RequestThrottledException"
    default = "ACCOUNT_THROTTLED"


class QuotaExceeded(EbsError):
    code = "ServiceQuotaExceededException"
    default = "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"


class Conflict(EbsError):
    code = "ConflictException"
