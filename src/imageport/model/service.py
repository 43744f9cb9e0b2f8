"""Words of the service that every side of it knows."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a client may do; each may do what those before it may."""

    READ = "read"
    OPERATE = "operate"
    ADMINISTER = "administer"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what needs `needed`."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


class JobStatus(StrEnum):
    """How far a job is: `overallStatus`."""

    NOT_STARTED = "notStarted"
    IN_PROGRESS = "inProgress"
    COMPLETE = "complete"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (JobStatus.NOT_STARTED, JobStatus.IN_PROGRESS)


class JobType(StrEnum):
    """The jobs that can be started; the value is also the path: `/ips/images/$migrate`."""

    EXPORT = "export"
    UPLOAD = "upload"
    PREPARE = "prepare"
    PUBLISH = "publish"
    PREPARE_AND_PUBLISH = "prepareAndPublish"
    REVERSE_IMAGE = "reverseImage"
    CONVERT_TO_UEFI = "convertToUefi"
    UPGRADE_PVS = "upgradePvs"
    DIAGNOSTICS = "diagnostics"
    MIGRATE = "migrate"


class PlatformName(StrEnum):
    """Which platform a job works on: its request's `platform`."""

    LOCAL = "Local"
    AWS = "Aws"


class CredentialType(StrEnum):
    """The types of credentials, by Citrix's names."""

    USERNAME_PASSWORD = "UsernamePassword"  # noqa: S105  # a type's name
    AWS = "Aws"
    AZURE = "Azure"
    GCP = "Gcp"
    SIMPLE = "Simple"


class Level(StrEnum):
    """How much a log line matters."""

    INFO = "info"
    WARNING = "warning"
