"""Requests for jobs: which model reads them, and how the description tells them apart."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from imageport.model.service import JobType, PlatformName
from imageport.service.api.app import description
from imageport.wire.aws import ExportFromAws, UploadToAws
from imageport.wire.images import REQUESTS, UploadImage, credential_ids, read_request

_PLACE = "00000000-0000-4000-8000-000000000000"
_INPUT = {
    "resourceLocationId": _PLACE,
    "inputStorageLocation": {"location": "smb://files/images/", "credentialId": "share"},
    "inputImageFilename": "win",
}
_AWS = {
    **_INPUT,
    "platform": "Aws",
    "platformCredentialId": "key",
    "awsRegion": "eu-west-1",
}


def _problem(type: JobType, said: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as found:
        read_request(type, said)
    return str(found.value)


def test_the_platform_chooses_the_request() -> None:
    local = {**_INPUT, "platform": "Local", "outputDiskName": "win.raw"}
    assert isinstance(read_request(JobType.UPLOAD, local), UploadImage)
    upper = {key.upper(): value for key, value in _AWS.items()}
    upload = read_request(JobType.UPLOAD, upper)
    assert isinstance(upload, UploadToAws)
    assert set(credential_ids(upload)) == {"key", "share"}
    # As it is kept by the service, and read by a connector.
    assert read_request(JobType.UPLOAD, upload.as_json()) == upload


@pytest.mark.parametrize("platform", ["Mars", "aws", None, 1])
def test_an_unknown_platform(platform: object) -> None:
    assert "Local, Aws" in _problem(JobType.UPLOAD, {**_AWS, "platform": platform})


def test_a_job_that_the_platform_does_not_have() -> None:
    said = {"platform": "Aws", "resourceLocationId": _PLACE, "targetPlatform": "Aws"}
    assert "Local" in _problem(JobType.PREPARE, said)


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"awsRegion": "Ireland"}, "awsRegion"),
        ({"awsRegion": "eu-west-1.example.org/x"}, "awsRegion"),
        ({"awsRegoin": "eu-west-1"}, "did you mean awsRegion?"),
        ({"parentSnapshotId": "vol-0123456789abcdef0"}, "parentSnapshotId"),
        ({"parentSnapshotId": "snap-0123456789abcdef0", "encrypted": True}, "as its parent is"),
        ({"kmsKeyId": "alias/mine"}, "kmsKeyId"),
        ({"tags": {f"tag{number}": "" for number in range(49)}}, "48"),
        ({"tags": {"imageport-job": "another"}}, "imageport-job"),
        ({"outputDiskName": "win.raw"}, "unknown field outputDiskName"),
    ],
)
def test_what_an_upload_to_aws_may_not_say(more: dict[str, Any], hint: str) -> None:
    assert hint in _problem(JobType.UPLOAD, {**_AWS, **more})


def test_an_export_from_aws() -> None:
    said = {
        "resourceLocationId": _PLACE,
        "platform": "Aws",
        "platformCredentialId": "key",
        "awsRegion": "us-gov-west-1",
        "sourceSnapshotId": "snap-0123456789abcdef0",
        "outputStorageLocation": {"location": "smb://files/images/", "credentialId": "share"},
        "outputImageFilename": "win",
    }
    assert isinstance(read_request(JobType.EXPORT, said), ExportFromAws)


def test_the_description_tells_them_apart() -> None:
    paths = description()["paths"]
    for type, models in REQUESTS.items():
        body = paths[f"/ips/images/${type}"]["post"]["requestBody"]["content"]["application/json"]
        names = {
            platform: f"#/components/schemas/{each.__name__}" for platform, each in models.items()
        }
        if len(models) == 1:
            assert body["schema"] == {"$ref": names[PlatformName.LOCAL]}
        else:
            assert body["schema"]["discriminator"] == {"propertyName": "platform", "mapping": names}
