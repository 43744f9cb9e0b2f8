"""What a dry run says of AWS: region, credential, permissions one by one. It changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from imageport.disk.ends.errors import DeniedError, EndError
from imageport.model.errors import ImageportError
from imageport.model.findings import Finding, Severity
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.errors import RegionUnknown
from imageport.platforms.aws.permissions import Permission, statement
from imageport.platforms.aws.probes import Verdict, probe
from imageport.platforms.aws.regions import check_region
from imageport.platforms.aws.snapshots import Snapshots


def preflight(
    api: AwsApi, needs: Sequence[Permission], snapshot: str | None = None
) -> tuple[Finding, ...]:
    """Whether a job with these needs would get through; `snapshot` is one that it begins with."""
    try:
        identity = _identity(api)
    except (RegionUnknown, EndError) as error:
        return (_blocker(error),)
    asked = [_permission(api, need, snapshot) for need in needs]
    missing = [each.data["action"] for each in asked if _is_missing(each)]
    found = [identity, *asked]
    if missing:
        found.append(_grant(missing))
    if snapshot:
        found += _snapshot(api, snapshot)
    return tuple(found)


def blocks(findings: Iterable[Finding]) -> bool:
    """Whether any of them keeps the job from its end."""
    return any(each.severity is Severity.BLOCKER for each in findings)


def _identity(api: AwsApi) -> Finding:
    check_region(api)
    said = api.run(api.sts.get_caller_identity)
    data = {"account": said["Account"], "arn": said["Arn"], "region": api.account.region}
    sentence = f"The key is that of {said['Arn']}, in {api.account.region}."
    return Finding("aws.identity", Severity.INFO, sentence, "Nothing is to be done.", data)


def _permission(api: AwsApi, need: Permission, snapshot: str | None) -> Finding:
    try:
        verdict, said = probe(api, need.action, snapshot)
    except EndError as error:
        verdict, said = Verdict.UNKNOWN, error.message
    data = {"action": need.action, "optional": need.optional, "verdict": verdict.value}
    code = f"aws.{verdict.value}"
    if verdict is Verdict.ALLOWED:
        text = f"{need.action} is allowed: it {need.why}."
        return Finding(code, Severity.INFO, text, "Nothing is to be done.", data)
    remedy = f"Grant it: {json.dumps(statement([need.action]))}"
    if verdict is Verdict.UNKNOWN:
        text = f"Whether {need.action} is allowed, which {need.why}, cannot be known ({said})."
        return Finding(code, Severity.WARNING, text, remedy, data)
    severity = Severity.WARNING if need.optional else Severity.BLOCKER
    text = " ".join(filter(None, (f"{need.action} is denied: it {need.why}.", need.lost)))
    return Finding(code, severity, text, remedy, data)


def _is_missing(found: Finding) -> bool:
    return found.code == f"aws.{Verdict.DENIED.value}"


def _grant(actions: list[str]) -> Finding:
    wanted = statement(actions)
    return Finding(
        "aws.grant",
        Severity.INFO,
        f"{len(actions)} actions are missing: {', '.join(actions)}.",
        f"Add this statement to the policy of the key's user: {json.dumps(wanted)}",
        {"statement": wanted},
    )


def _snapshot(api: AwsApi, id: str) -> list[Finding]:
    try:
        found = Snapshots(api).find(id)
    except DeniedError:
        return []  # said above, as a permission
    except ImageportError as error:
        return [_blocker(error)]
    if not found.encrypted:
        return []
    sentence = f"{id} is encrypted; whether the key may use its KMS key shows only when it does."
    remedy = "The policy of the KMS key must let the key's user decrypt and encrypt with it."
    return [Finding("aws.kms", Severity.INFO, sentence, remedy, {"snapshot": id})]


def _blocker(error: ImageportError) -> Finding:
    return Finding(error.code, Severity.BLOCKER, error.message, error.advice, error.data)
