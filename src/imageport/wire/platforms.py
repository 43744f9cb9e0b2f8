"""The fields of every request that starts a job, by the platform that it works on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from imageport.model.service import PlatformName
from imageport.wire.base import Guid, Name, Request, Tags, value_in_any_case
from imageport.wire.guest import LONGEST_SECONDS


class PlatformRequest(Request):
    """Those of all platforms."""

    platform: PlatformName
    resource_location_id: Guid
    """Whose connectors may run the job."""
    timeout: int = Field(default=7200, ge=60, le=LONGEST_SECONDS)
    """Seconds that the work may take in one go; then the job is ended with an error."""
    tags: Tags = Field(default_factory=dict)
    """Kept with the job, and given back with it."""


class LocalRequest(PlatformRequest):
    """The local platform's: image files, as the connector sees them."""

    platform: Literal[PlatformName.LOCAL]


class AwsRequest(PlatformRequest):
    """AWS'."""

    platform: Literal[PlatformName.AWS]
    platform_credential_id: Name
    """Of type `Aws`."""
    aws_region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,8}(-[a-z0-9]{1,16}){1,4}$")]
    """Such as `eu-west-1`."""


def platform_said(said: Any) -> str | None:
    """For a union of one job's requests: which platform, before any model reads keys."""
    return value_in_any_case(said, "platform")
