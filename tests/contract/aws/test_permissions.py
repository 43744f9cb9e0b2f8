"""What AWS' jobs ask of access management (SPEC F1), and what a dry run says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imageport.disk.ends.ebs.api import EbsAccount
from imageport.model.findings import Severity
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.permissions import EXPORT, UPLOAD
from imageport.platforms.aws.preflight import blocks, preflight
from lab.aws.process import LabProcess
from tests.contract.aws.case import KEY, REGION, AwsSite, change, content

LISTED = frozenset(
    {
        "ebs:CompleteSnapshot",
        "ebs:PutSnapshotBlock",
        "ebs:StartSnapshot",
        "ec2:CreateImage",
        "ec2:CreateSnapshot",
        "ec2:CreateTags",
        "ec2:DeleteImage",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "ec2:DeregisterImage",
        "ec2:DescribeImages",
        "ec2:DescribeImportImageTasks",
        "ec2:DescribeInstances",
        "ec2:DescribeRegions",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSnapshots",
        "ec2:DescribeSubnets",
        "ec2:ImportImage",
        "ec2:RebootInstances",
        "ec2:RegisterImage",
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "iam:GetRole",
    }
)
"""What Citrix's service asks for."""
READING = frozenset({"ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"})
"""Reading a snapshot, which their service does not do this way."""
FREE = frozenset({"sts:GetCallerIdentity"})
"""Needs no permission."""


def test_an_upload_needs_nothing_that_is_not_listed(aws: AwsSite) -> None:
    aws.lab.set(denied=sorted(READING))
    first = aws.done(aws.upload())
    assert (first["read_back"], first["root"]) == (False, content(aws.disk).root.hex())
    change(aws.disk, 4)
    aws.store("newer")
    moved = aws.puts()
    second = aws.done(aws.upload("newer", parentSnapshotId=first["snapshot"]))
    assert (second["read_back"], aws.puts() - moved) == (False, 4)
    done = aws.lab.asked() - READING
    assert done - FREE <= LISTED
    assert done - FREE <= {each.action for each in UPLOAD}
    # A parent that was not made here cannot be compared.
    moved = aws.puts()
    aws.manifest(first["snapshot"]).unlink()
    third = aws.done(aws.upload("newer", parentSnapshotId=first["snapshot"]))
    assert (third["parent"], third["root"]) == (None, second["root"])
    assert aws.puts() - moved == third["changed_blocks"] > 4


@pytest.mark.slow
def test_all_that_the_jobs_ask_for(aws: AwsSite) -> None:
    done = aws.done(aws.upload())
    aws.failed(aws.upload(awsRegion="eu-wset-1"))
    assert aws.lab.asked() <= LISTED | READING | FREE
    aws.lab.set(asked=[])
    aws.done(aws.export(done["snapshot"], "back"))
    assert aws.lab.asked() <= {each.action for each in EXPORT}
    aws.lab.set(asked=[])
    aws.done(aws.upload(dry_run=True, parentSnapshotId=done["snapshot"]))
    assert aws.lab.asked() <= LISTED | READING | FREE


def _findings(aws: AwsSite, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.done(job)["findings"]
    return found


def _of(findings: list[dict[str, Any]], code: str) -> list[dict[str, Any]]:
    return [each for each in findings if each["code"] == code]


def test_a_dry_run_asks_for_each_action(aws: AwsSite) -> None:
    done = aws.done(aws.upload(dry_run=True))
    assert done["virtual_size"] == 1 << 30
    asked = {each["data"]["action"] for each in done["findings"] if "action" in each["data"]}
    assert asked == {each.action for each in UPLOAD}
    assert "123456789012" in _of(done["findings"], "aws.identity")[0]["sentence"]
    # Of tags the lab says that there is nothing to tag, before it says whether one may.
    (unknown,) = _of(done["findings"], "aws.unknown")
    assert unknown["data"]["action"] == "ec2:CreateTags"
    assert not [each for each in done["findings"] if each["severity"] == "blocker"]
    assert aws.lab.snapshots() == {}
    assert aws.puts() == 0


@pytest.mark.parametrize("action", [each.action for each in UPLOAD])
def test_what_to_grant_is_named(lab: LabProcess, action: str) -> None:
    lab.set(denied=[action])
    findings = preflight(AwsApi(EbsAccount(REGION, KEY, lab.url, lab.url)), UPLOAD)
    lab.set(denied=[])
    (denied,) = (each for each in findings if each.code == "aws.denied")
    optional = action in READING
    assert denied.severity is (Severity.WARNING if optional else Severity.BLOCKER)
    assert ("not read back" in denied.sentence) is optional
    assert blocks(findings) is not optional
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*"}
    assert json.dumps(statement) in denied.remedy
    (grant,) = (each for each in findings if each.code == "aws.grant")
    assert grant.data["statement"] == statement


def test_a_dry_run_of_an_export(aws: AwsSite) -> None:
    done = aws.done(aws.upload())
    plan = aws.done(aws.export(done["snapshot"], "back", dry_run=True))
    assert (plan["virtual_size"], plan["data"]) == (1 << 30, done["changed_blocks"] * 512 * 1024)
    aws.lab.set(denied=sorted(READING))
    plan = aws.done(aws.export(done["snapshot"], "back", dry_run=True))
    assert {each["data"]["action"] for each in _of(plan["findings"], "aws.denied")} == READING
    assert plan["virtual_size"] is None
    aws.lab.set(denied=[])
    missing = _findings(aws, aws.export("snap-0123456789abcdef0", "back", dry_run=True))
    assert _of(missing, "aws.snapshot")[0]["severity"] == "blocker"
    assert aws.site.samba.names() == ["win.vhdx"]


@pytest.mark.slow
def test_a_dry_run_with_another_key_or_region(aws: AwsSite) -> None:
    (region,) = _findings(aws, aws.upload(dry_run=True, awsRegion="eu-wset-1"))
    assert (region["code"], region["severity"]) == ("aws.region", "blocker")
    aws.credential(accessKeyId="AKIANOBODY0000000000")
    (denied,) = _findings(aws, aws.upload(dry_run=True))
    assert (denied["code"], denied["severity"]) == ("end.denied", "blocker")
