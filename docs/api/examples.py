"""What docs/api.md shows for examples; made of the API's own models, so that they are right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from imageport.model.service import CredentialType, JobStatus, JobType, Level, PlatformName, Role
from imageport.wire import aws, connector, credentials, documents, guest, images, stored
from imageport.wire.base import Document

_PLACE = "7d1b8f0e-6a52-4c1e-9a3b-0f7c2b9d4e11"
_JOB = "5a0e9f0c-7d1c-4b9e-8f57-3f0f6f3c9d11"
_CONNECTOR = "91acd3f2-53c7-4d0e-8a29-6b1c0e5d7f42"
_CLIENT = "c2b7e4a9-10f3-4b66-9d55-8e7a1f0c3b24"
_AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

_EXPORT = images.ExportImage(
    resource_location_id=_PLACE,
    platform=PlatformName.LOCAL,
    source_disk_name="golden/win11.vmdk",
    output_storage_location=stored.StorageLocation(
        location="smb://10.0.1.212/Files/", credential_id="files"
    ),
    output_image_filename="win11-march",
)
_UPLOAD = aws.UploadToAws(
    resource_location_id=_PLACE,
    platform=PlatformName.AWS,
    platform_credential_id="aws",
    aws_region="eu-west-1",
    input_storage_location=stored.StorageLocation(
        location="smb://10.0.1.212/Files/", credential_id="files"
    ),
    input_image_filename="win11-march",
    parent_snapshot_id="snap-0123456789abcdef0",
    tags={"team": "images"},
)
_MIGRATION = images.MigrateImage(
    resource_location_id=_PLACE,
    platform=PlatformName.LOCAL,
    source_disk_name="golden/win11.vmdk",
    target_platform=guest.TargetPlatform.GCP,
    output_disk_name="golden/win11.raw",
    driver_library="virtio-win.iso",
)
_PUBLICATION = images.PrepareAndPublishImage(
    resource_location_id=_PLACE,
    platform=PlatformName.LOCAL,
    input_storage_location=stored.StorageLocation(
        location="smb://10.0.1.212/Files/", credential_id="files"
    ),
    input_image_filename="win11-march",
    target_platform=guest.TargetPlatform.VSPHERE,
    provisioning_type=guest.ProvisioningType.PVS,
    output_storage_location=stored.StorageLocation(
        location="smb://10.0.1.220/Store/", credential_id="store"
    ),
    output_image_filename="win11",
)
_FILES = credentials.UsernamePasswordCredential(
    id="files",
    type=CredentialType.USERNAME_PASSWORD,
    username="svc-images",
    password="...",  # noqa: S106  # left out
    domain="CORP",
)
_BEGUN = documents.Job(
    id=_JOB,
    type=JobType.EXPORT,
    overall_status=JobStatus.IN_PROGRESS,
    overall_progress_percent=41.5,
    is_cancellable=True,
    cancel_requested=False,
    dry_run=False,
    resource_location_id=_PLACE,
    connector_id=_CONNECTOR,
    attempt=1,
    created_at=_AT,
    created_by=f"robot ({_CLIENT})",
    started_at=_AT,
    ended_at=None,
    forgotten_at=None,
    step=documents.StepProgress(
        name="copy", title="Copy", done=13207024435, total=31824076800, unit="bytes"
    ),
    error=None,
    parameters=_EXPORT.as_json(),
    tags={},
    warnings=(),
    result=None,
)
_LINE = documents.LogLine(
    position="1.2", at=_AT, level=Level.INFO, text="Copy to smb://10.0.1.212/Files/win11-march.vhdx"
)

REQUESTS: dict[str, Document] = {
    "exportImage": _EXPORT,
    "uploadImage": _UPLOAD,
    "migrateImage": _MIGRATION,
    "prepareAndPublishImage": _PUBLICATION,
    "addCredential": _FILES,
    "addLocation": documents.NewLocation(name="rack-4"),
    "addConnector": documents.NewConnector(resource_location_id=_PLACE, name="rack-4-a"),
    "addClient": documents.NewClient(name="robot", role=Role.OPERATE),
    "claimJob": connector.Claim(wait=50, version="0.1.0", health={"slots": 2, "running": 0}),
}
"""By operation; only what is not a default is shown."""

ANSWERS: dict[str, Document] = {
    "issueToken": documents.Token(access_token="eyJhbGciOi...", expires_in=3600),  # noqa: S106
    "readJob": _BEGUN,
    "addCredential": credentials.Credential(
        id="files", type=CredentialType.USERNAME_PASSWORD, created_at=_AT, updated_at=_AT
    ),
    "readLog": documents.LogPage(page_size=500, items=(_LINE,), continuation_token="1.2"),  # noqa: S106
    "addClient": documents.NewApiClient(
        id=_CLIENT,
        name="robot",
        role=Role.OPERATE,
        created_at=_AT,
        client_secret="...",  # noqa: S106
    ),
    "readStatus": documents.Status(
        status="ok", version="0.1.0", jobs={JobStatus.IN_PROGRESS: 1}, connectors_online=2
    ),
}


def request(operation: str) -> dict[str, Any] | None:
    """The body of an example, without what is a default."""
    shown = REQUESTS.get(operation)
    return shown.model_dump(mode="json", by_alias=True, exclude_defaults=True) if shown else None


def answer(operation: str) -> dict[str, Any] | None:
    """The document of an example's answer."""
    shown = ANSWERS.get(operation)
    return shown.as_json() if shown else None
