"""Images to EBS snapshots and back, by the service, a connector, Samba and the lab's AWS."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from imageport.disk.base import GIB
from imageport.disk.ends.ebs.writer import EbsWriter, SnapshotOptions
from imageport.disk.ends.open import Access
from imageport.disk.manifest import compare
from imageport.jobs.aws import SnapshotUpload, upload_snapshot
from imageport.jobs.report import Silent
from imageport.platforms.aws.snapshots import JOB, ROOT, STATE, new_tags
from tests.contract.aws.case import BLOCKS, KEY, REGION, AwsSite, change, content, is_put
from tests.contract.connector.running import (
    Program,
    announced,
    connector,
    ended,
    texts,
    under_way,
)


def test_there_and_back_again(aws: AwsSite) -> None:
    job = aws.upload(tags={"team": "images"}, description="a master")
    done = aws.done(job)
    before = content(aws.disk)
    assert (done["root"], done["virtual_size"]) == (before.root.hex(), GIB)
    assert (done["read_back"], done["parent"]) == (True, None)
    assert done["changed_blocks"] == aws.puts() == BLOCKS
    found = aws.snapshots.find(done["snapshot"])
    tags = {"team": "images", JOB: job, STATE: "read-back", ROOT: done["root"]}
    assert (found.state, found.tags) == ("completed", tags)
    again = aws.done(aws.export(done["snapshot"], "back", hashDisk=True))
    assert again["root"] == done["root"]
    assert len(again["md5"]) == 32
    assert content(aws.site.samba.data / "back.vhdx").root == before.root
    assert list(aws.lab.snapshots()) == [done["snapshot"]]


@pytest.mark.parametrize("known", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_newer_version_moves_what_has_changed(aws: AwsSite, known: bool) -> None:
    first = aws.done(aws.upload())
    before, moved = content(aws.disk), aws.puts()
    change(aws.disk, BLOCKS // 50)
    aws.store("newer")
    if not known:
        # As on another connector: what the parent holds is read from AWS.
        aws.manifest(first["snapshot"]).unlink()
    done = aws.done(aws.upload("newer", parentSnapshotId=first["snapshot"]))
    assert done["parent"] == first["snapshot"]
    assert done["root"] == content(aws.disk).root.hex() != first["root"]
    assert done["changed_blocks"] == aws.puts() - moved == BLOCKS // 50 == 4
    changed = [at // (512 * 1024) for at in compare(before, content(aws.disk))]
    assert aws.lab.snapshots()[done["snapshot"]]["blocks"] == changed
    back = aws.done(aws.export(done["snapshot"], "back", outputImageFormat="VhdDiskFormat"))
    assert back["root"] == done["root"]


@pytest.mark.slow
def test_an_encrypted_snapshot_has_every_block(aws: AwsSite) -> None:
    aws.lab.set(denied=["ebs:ListSnapshotBlocks"])  # reading a GiB back would prove nothing here
    done = aws.done(aws.upload(encrypted=True))
    assert aws.snapshots.find(done["snapshot"]).encrypted
    assert done["root"] == content(aws.disk).root.hex()
    # Blocks that are never put are noise there.
    assert len(aws.lab.snapshots()[done["snapshot"]]["blocks"]) == GIB // (512 * 1024)


@pytest.mark.slow
def test_throttling_and_errors_pass(aws: AwsSite) -> None:
    aws.lab.set(throttle=4)
    aws.proxy.add(when=is_put, times=5, skip=30, status=503)
    aws.proxy.add(when=is_put, times=3, skip=60, cut_response=True)
    done = aws.done(aws.upload())
    assert done["root"] == content(aws.disk).root.hex()
    assert list(aws.lab.snapshots()) == [done["snapshot"]]


def test_what_cannot_be(aws: AwsSite) -> None:
    region, missing, parent, stored, unfit = aws.all_failed(
        aws.upload(awsRegion="eu-wset-1"),
        aws.export("snap-0123456789abcdef0", "x"),
        aws.upload(parentSnapshotId="snap-0123456789abcdef0"),
        aws.upload("nothing"),
        aws.upload(platformCredentialId="share"),
    )
    assert (region["code"], region["data"]["region"]) == ("aws.region", "eu-wset-1")
    assert "eu-west-1" in region["remedy"]
    assert missing["code"] == stored["code"] == "end.not-found"
    assert parent["code"] == "aws.snapshot"
    assert (unfit["code"], unfit["data"]["wanted"]) == ("connector.credential-unfit", "Aws")
    aws.credential(secretAccessKey="wrong")
    assert aws.failed(aws.upload())["code"] == "end.denied"
    assert aws.lab.snapshots() == {}


@pytest.mark.slow
def test_a_cancelled_job_leaves_no_snapshot(aws: AwsSite, own_home: Path) -> None:
    aws.proxy.add(when=is_put, times=10_000, delay=0.3)
    job = aws.upload()
    with connector(aws.site.identity, aws.site.images):
        under_way(aws.site.admin, job)
        assert [each.job for each in aws.snapshots.leftovers([])] == [job]
        assert aws.snapshots.leftovers([job]) == []
        assert aws.site.admin.post(f"/ips/jobs/{job}/$cancel").status_code == 202
        done = ended(aws.site.admin, job)
    assert done["overallStatus"] == "cancelled", done
    assert aws.lab.snapshots() == {}
    assert not list((own_home / "copies").iterdir())


def test_a_refused_upload_leaves_no_snapshot(aws: AwsSite) -> None:
    aws.proxy.add(when=is_put, times=10_000, skip=20, status=400, body=b"{}")
    assert aws.failed(aws.upload())["code"] == "end.refused"
    assert aws.lab.snapshots() == {}


@pytest.mark.slow
def test_killed_jobs_are_gone_on_with(aws: AwsSite, tmp_path: Path) -> None:
    aws.proxy.add(when=is_put, times=10_000, delay=0.3)
    known = announced(aws.site.admin, aws.site.place)
    program = Program(aws.site.url, known, tmp_path / "connector", aws.site.images)
    try:
        job = aws.upload()
        under_way(aws.site.admin, job)
        os.kill(_worker_of(program.process.pid), signal.SIGKILL)
        _attempt(aws, job, 2)
        under_way(aws.site.admin, job)
        program.kill()
        program.start()
        done = ended(aws.site.admin, job)
    finally:
        program.stop()
    assert (done["overallStatus"], done["attempt"]) == ("complete", 3), program.log.read_text()
    assert done["result"]["root"] == content(aws.disk).root.hex()
    assert list(aws.lab.snapshots()) == [done["result"]["snapshot"]]
    assert aws.puts() < 2 * BLOCKS
    assert KEY.secret_access_key not in program.log.read_text() + str(texts(aws.site.admin, job))


def _worker_of(connector: int) -> int:
    """The process of a connector's only job."""
    tasks = Path(f"/proc/{connector}/task").glob("*/children")
    (pid,) = (int(pid) for path in tasks for pid in path.read_text().split())
    return pid


def _attempt(aws: AwsSite, job: str, number: int) -> None:
    deadline = time.monotonic() + 60
    while aws.site.admin.get(f"/ips/jobs/{job}").json()["attempt"] < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_an_attempt_of_another_computer_is_known_by_its_tag(aws: AwsSite, tmp_path: Path) -> None:
    account = aws.api.account
    options = SnapshotOptions(tags=new_tags("job-1"))
    EbsWriter(account, GIB, state=tmp_path / "left.json", options=options).suspend()
    wanted = SnapshotUpload("job-1", str(aws.disk), REGION)

    def upload() -> dict[str, object]:
        return upload_snapshot(wanted, Access(), KEY, Silent(), "job-1", again=True)

    done = upload()
    assert list(aws.lab.snapshots()) == [done["snapshot"]]
    # It had ended before anybody came to say so: nothing moves again.
    moved = aws.puts()
    assert upload() == {**done, "changed_blocks": None}
    assert aws.puts() == moved


def test_leftovers_are_removed_when_their_job_has_ended(aws: AwsSite, tmp_path: Path) -> None:
    waiting, over = aws.upload(), aws.upload()
    assert aws.site.admin.post(f"/ips/jobs/{over}/$cancel").status_code == 202
    stranger = "00000000-0000-4000-8000-000000000000"
    left = {}
    for job in (waiting, over, stranger):
        options = SnapshotOptions(tags=new_tags(job))
        state = tmp_path / f"{job}.json"
        writer = EbsWriter(aws.api.account, GIB, state=state, options=options)
        writer.suspend()
        left[job] = writer.snapshot
    found = {each["job"]: each["job_state"] for each in aws.left_over()}
    assert found == {waiting: "lives", over: "ended", stranger: "unknown"}
    assert len(aws.lab.snapshots()) == 3
    gone = [each["job"] for each in aws.left_over("--remove", "--job", waiting) if each["removed"]]
    assert gone == [over]
    assert set(aws.lab.snapshots()) == {left[waiting], left[stranger]}
    aws.left_over("--remove", "--job", stranger)
    assert set(aws.lab.snapshots()) == {left[waiting]}
