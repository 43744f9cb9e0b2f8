"""Whole jobs by a client that was generated from /ips/openapi.json; imageport is not imported.

PYTHONPATH=FOLDER .clients/bin/python generated_job.py < what-to-do.json
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from typing import Any

from generated_client import AuthenticatedClient, Client
from generated_client.api.credentials import add_credential, list_credentials, remove_credential
from generated_client.api.images import export_image, migrate_image
from generated_client.api.jobs import read_job, read_log, remove_job
from generated_client.api.tokens import issue_token
from generated_client.models import (
    BodyIssueToken,
    Credential,
    ExportImage,
    Job,
    JobStatus,
    MigrateImage,
    Problem,
    StorageLocation,
    TargetPlatform,
    Token,
    UsernamePasswordCredential,
)

NAME = "made-by-a-generated-client"


def main() -> None:
    """A credential, an export with it, a dry run that fails, their logs; then all is removed."""
    told = json.load(sys.stdin)
    client = _logged_in(told)
    account = UsernamePasswordCredential(
        NAME, "UsernamePassword", told["username"], told["password"]
    )
    kept = add_credential.sync(client=client, body=account)
    assert isinstance(kept, Credential), kept
    again = add_credential.sync(client=client, body=account)
    assert isinstance(again, Problem), again
    place = told["place"]
    share = StorageLocation(told["share"], NAME)
    export = ExportImage(
        resource_location_id=place,
        platform="Local",
        source_disk_name="master.raw",
        output_storage_location=share,
        output_image_filename="generated",
    )
    exported = _ended(client, export_image.sync(client=client, body=export))
    migration = MigrateImage(
        resource_location_id=place,
        platform="Local",
        source_disk_name="master.raw",
        target_platform=TargetPlatform.GCP,
        output_disk_name="out.raw",
    )
    planned = _ended(client, migrate_image.sync(client=client, body=migration, dry_run=True))
    log = read_log.sync(exported.id, client=client)
    for job in (exported, planned):
        assert remove_job.sync_detailed(job.id, client=client).status_code == 204
    assert remove_credential.sync_detailed(NAME, client=client).status_code == 204
    said = {
        "twice": again.code,
        "export": exported.to_dict(),
        "plan": planned.to_dict(),
        "log": [line.to_dict() for line in log.items],
        "credentials": [each.id for each in list_credentials.sync(client=client).items],
    }
    print(json.dumps(said))


def _logged_in(told: dict[str, Any]) -> AuthenticatedClient:
    trusted = ssl.create_default_context(cafile=told["ca"])
    form = BodyIssueToken("client_credentials", told["id"], told["secret"])
    nobody = Client(told["url"], verify_ssl=trusted)
    token = issue_token.sync(told["customer"], client=nobody, body=form)
    assert isinstance(token, Token), token
    return AuthenticatedClient(
        told["url"], token.access_token, verify_ssl=trusted, raise_on_unexpected_status=True
    )


def _ended(client: AuthenticatedClient, job: Any) -> Job:
    assert isinstance(job, Job), job
    deadline = time.monotonic() + 120
    while job.overall_status in (JobStatus.NOTSTARTED, JobStatus.INPROGRESS):
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
        job = read_job.sync(job.id, client=client)
        assert isinstance(job, Job), job
    return job


if __name__ == "__main__":
    main()
