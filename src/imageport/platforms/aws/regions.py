"""Whether a region is one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import boto3

from imageport.disk.ends.errors import EndError, UnreachableError
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.errors import RegionUnknown


def check_region(api: AwsApi) -> None:
    """Ask AWS only about a region that the SDK does not know. Raises RegionUnknown.

    `ec2:DescribeRegions` helps, and is not needed: a region that answers is one.
    """
    region, known = api.account.region, _known()
    if region in known:
        return
    try:
        answer = api.run(lambda: api.ec2.describe_regions(AllRegions=True))
    except UnreachableError:
        raise _unknown(region, known, "nothing answers at its address") from None
    except EndError:
        return
    told = {each["RegionName"] for each in answer["Regions"]}
    if region not in told:
        raise _unknown(region, told, "it is not among those that AWS names")


def _known() -> set[str]:
    session = boto3.session.Session()
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    }


def _unknown(region: str, known: Iterable[str], detail: str) -> RegionUnknown:
    close = difflib.get_close_matches(region, known, 3)
    hint = " or ".join(close) or "eu-west-1"
    return RegionUnknown(region=region, detail=detail, hint=hint)
