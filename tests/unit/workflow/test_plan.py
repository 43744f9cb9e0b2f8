"""What becomes of each target, by the record of a run and the jobs that the service has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imageport.model.service import JobStatus, JobType
from imageport.wire.documents import Job
from imageport.wire.images import MigrateImage
from imageport.workflow.errors import RecordUnusable, RunBusy, RunNameUnusable
from imageport.workflow.plan import Doing, Plan, decide, told
from imageport.workflow.record import Entry, Record, kept_record, path_of, run_name
from imageport.workflow.wanted import Wanted

PLACE = "3f0f6f3c-7d1c-4b9e-8f57-5a0e9f0c9d11"
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def wanted(name: str = "gcp", **more: Any) -> Wanted:
    said = {
        "platform": "Local",
        "resourceLocationId": PLACE,
        "sourceDiskName": "master.vmdk",
        "targetPlatform": "Gcp",
        "outputDiskName": f"{name}.raw",
        "tags": {"run": "golden"},
        **more,
    }
    return Wanted(name, MigrateImage.model_validate(said))


def job(status: JobStatus, **more: Any) -> Job:
    said = {
        "id": "job",
        "type": JobType.MIGRATE,
        "overallStatus": status,
        "overallProgressPercent": 0,
        "isCancellable": False,
        "cancelRequested": False,
        "dryRun": False,
        "resourceLocationId": PLACE,
        "connectorId": None,
        "attempt": 1,
        "createdAt": NOON,
        "createdBy": "test",
        "startedAt": NOON,
        "endedAt": NOON.replace(minute=2) if status.ended else None,
        "forgottenAt": None,
        "step": None,
        "error": None,
        "parameters": {},
        "tags": {},
        "warnings": [],
        "result": None,
        **more,
    }
    return Job.model_validate(said)


def planned(
    target: Wanted, entry: Entry | None, found: Job | None = None, *, fresh: bool = False
) -> Plan:
    """Of one target; the service says `found` of its job."""
    record = Record(name="golden", file="golden.yaml")
    if entry:
        record.entries[target.identity] = entry
    return decide([target], [target], record, lambda _: found, fresh=fresh)


def entry(status: JobStatus | None, id: str | None = "job", attempt: int = 1) -> Entry:
    return Entry(target="gcp", output="gcp.raw", request={}, job=id, status=status, attempt=attempt)


ERROR, COMPLETE, RUNNING = JobStatus.ERROR, JobStatus.COMPLETE, JobStatus.IN_PROGRESS


@pytest.mark.parametrize(
    ("known", "found", "doing", "attempt"),
    [
        (None, None, Doing.START, 1),
        (entry(None, id=None), None, Doing.START, 1),
        (entry(RUNNING), job(RUNNING), Doing.FOLLOW, 1),
        (entry(RUNNING), job(COMPLETE), Doing.NOTHING, 1),
        (entry(RUNNING), job(ERROR), Doing.AGAIN, 2),
        (entry(RUNNING), job(JobStatus.CANCELLED), Doing.AGAIN, 2),
        (entry(RUNNING), None, Doing.AGAIN, 2),
        (entry(ERROR, attempt=3), None, Doing.AGAIN, 4),
        # The service took no job: nobody knows of the attempt.
        (entry(ERROR, id=None), None, Doing.AGAIN, 1),
        # The service has forgotten it, which the record has not.
        (entry(COMPLETE), None, Doing.NOTHING, 1),
    ],
)
def test_the_same_command_again(
    known: Entry | None, found: Job | None, doing: Doing, attempt: int
) -> None:
    plan = planned(wanted(), known, found)
    (step,) = plan.steps
    assert (step.doing, step.entry.attempt) == (doing, attempt)
    assert plan.changes == (doing in (Doing.START, Doing.AGAIN))
    assert not plan.stray


def test_fresh_begins_anew_whatever_there_is() -> None:
    target = wanted()
    for known in (entry(COMPLETE), entry(RUNNING), None):
        plan = planned(target, known, job(RUNNING), fresh=True)
        (step,) = plan.steps
        assert step.doing is Doing.START
        assert target.key(1, step.entry.salt) != target.key(1, "")
        assert plan.stray == ((target.identity,) if known and known.open else ())
    assert planned(target, entry(COMPLETE), fresh=True).steps[0].written


def test_a_changed_target_is_another_one_whose_forerunner_is_stray() -> None:
    before, after = wanted(), wanted(tryUntouched=False)
    record = Record(name="golden", file="golden.yaml")
    record.entries[before.identity] = entry(RUNNING)
    plan = decide([after], [after], record, lambda _: job(RUNNING))
    assert plan.steps[0].doing is Doing.START
    assert plan.stray == (before.identity,)
    ended = decide([after], [after], record, lambda _: job(COMPLETE))
    assert ended.stray == ()
    assert ended.steps[0].written
    # One that was only left out by --only is not stray.
    record.entries[before.identity] = entry(RUNNING)
    assert not decide([before, after], [after], record, lambda _: job(RUNNING)).stray


def test_what_makes_another_target() -> None:
    same = wanted(timeout=7200, tags={"run": "other"})
    assert same.identity == wanted("gcp").identity
    others = [wanted(outputDiskName="b.raw"), wanted(timeout=600), wanted(sourceDiskName="b.vmdk")]
    assert len({each.identity for each in [same, *others]}) == 4
    # Of another run it is another job.
    assert same.key(1, "") != wanted().key(1, "")
    assert wanted().key(1, "") == wanted().key(1, "") != wanted().key(2, "")


def test_what_is_kept_of_a_job() -> None:
    ended = job(COMPLETE, result={"output": {"root": "ab"}}, warnings=["Warning: slow"])
    known = told(entry(None), ended)
    assert (known.root, known.seconds, known.warnings) == ("ab", 120, ("Warning: slow",))
    assert told(entry(None), job(COMPLETE, result={"nothing_to_do": {}})).root is None
    forgotten = told(entry(RUNNING), None)
    assert forgotten.error
    assert forgotten.error["code"] == "workflow.job-forgotten"


def test_the_record_is_the_owners_alone_and_held_by_one(own_home: Path) -> None:
    with kept_record("golden", "golden.yaml") as record:
        record.entries["id"] = entry(RUNNING)
        record.save()
        with pytest.raises(RunBusy), kept_record("golden", "golden.yaml"):
            raise AssertionError
        with kept_record("other", "golden.yaml") as other:
            assert not other.entries
    path = own_home / "runs" / "golden.json"
    assert path == path_of("golden")
    assert path.stat().st_mode & 0o777 == 0o600
    with kept_record("golden", "golden.yaml") as again:
        assert again.entries == record.entries
    for broken in ("{", '{"name": "golden"}', "[]"):
        path.write_text(broken)
        with pytest.raises(RecordUnusable), kept_record("golden", "golden.yaml"):
            raise AssertionError


def test_names_of_runs() -> None:
    assert run_name("golden-2026.12_a") == "golden-2026.12_a"
    for bad in ("../golden", "golden image", "", "a" * 129, ".hidden"):
        with pytest.raises(RunNameUnusable):
            run_name(bad)
