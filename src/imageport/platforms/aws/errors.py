"""Errors of AWS alone."""

from __future__ import annotations

from typing import ClassVar

from imageport.model.errors import ImageportError


class RegionUnknown(ImageportError):
    """A typing error, most likely."""

    code: ClassVar[str] = "aws.region"
    sentence: ClassVar[str] = "AWS has no region {region}: {detail}."
    remedy: ClassVar[str] = "Name one of AWS' regions, such as {hint}."


class SnapshotUnusable(ImageportError):
    """A snapshot that a job begins with cannot be read as a disk."""

    code: ClassVar[str] = "aws.snapshot"
    sentence: ClassVar[str] = "The snapshot {snapshot} in {region} cannot be used: {detail}."
    remedy: ClassVar[str] = (
        "Name a completed snapshot of this account and region, or one that is shared with it."
    )
