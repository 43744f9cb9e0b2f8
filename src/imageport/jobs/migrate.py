"""The job `migrate` (SPEC B10), on the local platform: image file in, proven image file out.

Other operations on an image (`upgradePvs`, SPEC B8) are the same job with other changes, whose
output is a child of the source.

    engine      a thin layer over the source; the engine's machine with it; wait until it answers
    inspect     what is inside, and whether anything stands in the way
    hash        tree hash of the source
    untouched   the source as it is on the target's hardware: shows why the migration is needed
    prepare     every change, read back
    boot        the image's own OS on this hardware, first-boot work included
    verify      every change read back again, and the guest's own report
    write       one pass into the target's format
    read-back   the output read whole and compared
    prove       the proof; only now does the output get its name

Each is a step of a durable workflow: what has ended is not done again after a crash. The machine
itself outlives the process that made it, so a step that was cut off is mostly found done, too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dbos import DBOS
from pydantic import TypeAdapter

from imageport import __version__
from imageport.disk.ends.open import open_source
from imageport.disk.treehash import tree_hash
from imageport.jobs.blockers import refuse_blockers
from imageport.jobs.boot import Boot, boot_image, try_untouched
from imageport.jobs.child import source_manifest
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.errors import BootFailed, NotVerified
from imageport.jobs.migration import MIGRATIONS, Migration
from imageport.jobs.output import read_back, write_output
from imageport.jobs.watch import Evidence, verdict_of
from imageport.jobs.wish import wish
from imageport.jobs.work_disk import base_of, make_work_disk, work_disk
from imageport.model.findings import Finding
from imageport.model.guest import Check, FirstBootReport, Inspection, Preparation
from imageport.model.proof import BootTrial, DiskProof, Proof, Verdict
from imageport.platforms.base import DiskRef

TITLES = {
    "engine": "Start the engine on {hardware} hardware",
    "inspect": "Look inside the image",
    "hash": "Hash the source",
    "untouched": "Try the untouched image on {hardware} hardware",
    "prepare": "Prepare the image for {target}",
    "boot": "Boot the image on {hardware} hardware",
    "verify": "Verify every change after the boot",
    "write": "Write the output ({format})",
    "read-back": "Read the output back",
    "prove": "Write the proof",
}
"""Every step, in order, and what it is called for a person."""

_INSPECTION = TypeAdapter(Inspection)
_FINDINGS = TypeAdapter(tuple[Finding, ...])
_PREPARATION = TypeAdapter(Preparation)
_REPORT = TypeAdapter(FirstBootReport | None)
_CHECKS = TypeAdapter(tuple[Check, ...])


@DBOS.workflow(name="migrate")
def migrate(job: str) -> Proof:
    """The workflow; its migration is found by id in `MIGRATIONS`."""
    run = MIGRATIONS[job]
    steps = _Steps(run)
    done = run.with_engine(steps.work_on_image)
    written = run.step("write", lambda: write_output(run))
    output = run.step("read-back", lambda: read_back(run, written))
    # The output has its name when this ends: what happens to the source from then on is not ours.
    return run.step("prove", lambda: steps.prove(output, done), reads_source=False)


class _Steps:
    """The steps of one migration; what the first ones found is kept for the later ones."""

    def __init__(self, run: Migration) -> None:
        self._run = run
        self._request = run.request
        self._source_root = ""
        self._untouched: BootTrial | None = None

    def work_on_image(self, attempt: int) -> dict[str, Any]:
        """Engine, preparation, boot, verification: begun again from the source by each attempt."""
        run = self._run
        run.step("engine", lambda: self._start_engine(attempt), attempt=attempt)
        work = self._engine(attempt)
        inspection = run.step("inspect", lambda: self._inspect(work), attempt=attempt)
        if not self._source_root:
            self._source_root = run.step("hash", self._hash)
            if self._request.try_untouched:
                self._untouched = run.step("untouched", lambda: self._try_untouched(work))
        preparation = run.step("prepare", lambda: self._prepare(work), attempt=attempt)
        boot = run.step(
            "boot", lambda: boot_image(work, self._request.boot_seconds), attempt=attempt
        )
        report, checks = run.step("verify", lambda: self._verify(work, boot), attempt=attempt)
        return {
            "inspection": inspection,
            "preparation": preparation,
            "first_boot": report,
            "checks_after_boot": checks,
            "boot": self._trial("boot", Verdict.BOOTS, "first-boot work complete", boot.seconds),
        }

    def _engine(self, attempt: int) -> EngineWork:
        run = self._run
        disk = work_disk(run.folder)
        return EngineWork(
            run.platform, run.folder, disk, run.source.firmware, run.reporter, attempt
        )

    def _start_engine(self, attempt: int) -> None:
        run = self._run
        run.platform.release(run.folder.id)
        make_work_disk(run.folder, self._base())
        work = self._engine(attempt)
        work.start()
        work.send_libraries(self._request)

    def _base(self) -> DiskRef:
        run = self._run
        return base_of(run.folder, self._request.source, run.ends, run.report_bytes)

    def _wish(self) -> dict[str, Any]:
        run = self._run
        return wish(
            self._request, isolated=run.platform.isolated, controller=run.hardware.controller
        )

    def _inspect(self, work: EngineWork) -> Inspection:
        said = work.run("inspect", self._wish())
        refuse_blockers(
            _FINDINGS.validate_python(said["findings"]), self._request, self._run.reporter
        )
        return _INSPECTION.validate_python(said["inspection"])

    def _hash(self) -> str:
        with open_source(self._request.source, self._run.ends.source) as reader:
            found = tree_hash(reader, self._run.report_bytes)
        if self._request.operation.writes_child:
            found.save(source_manifest(self._run.folder))
        return found.root.hex()

    def _try_untouched(self, work: EngineWork) -> BootTrial:
        run = self._run
        evidence = Evidence(run.folder.evidence, "untouched")
        verdict, reason, seconds = try_untouched(
            work, self._base(), evidence, run.seconds["engine"]
        )
        run.reporter.say(f"Untouched: {verdict} ({reason})")
        return self._trial("untouched", verdict, reason, seconds)

    def _trial(self, name: str, verdict: Verdict, reason: str, seconds: float) -> BootTrial:
        run = self._run
        evidence = Evidence(run.folder.evidence, name)
        return BootTrial(
            run.hardware.name,
            run.source.firmware,
            run.hardware.controller,
            verdict,
            reason,
            round(seconds, 1),
            evidence.picture.name if evidence.picture.exists() else None,
            evidence.serial.name if evidence.serial.exists() else None,
        )

    def _prepare(self, work: EngineWork) -> Preparation:
        return _PREPARATION.validate_python(work.run("prepare", self._wish())["preparation"])

    def _verify(self, work: EngineWork, boot: Boot) -> tuple[FirstBootReport, tuple[Check, ...]]:
        said = work.run("verify", self._wish())
        report = _REPORT.validate_python(said["first_boot"])
        if report is None or not report.complete:
            _, reason = verdict_of(boot.text)
            what = "its first-boot work did not run" if report is None else "it was cut off"
            raise BootFailed(reason=f"{what} ({reason})")
        bad = self._failed_steps(report)
        checks = _CHECKS.validate_python(said["checks"])
        bad += [f"{check.what} ({check.seen})" for check in checks if not check.passed]
        if bad:
            raise NotVerified(failed="; ".join(bad))
        self._run.platform.release(self._run.folder.id)
        return report, checks

    def _failed_steps(self, report: FirstBootReport) -> list[str]:
        """What failed that the image needs; what it can do without is said as a warning."""
        failed = [step for step in report.steps if step.failed]
        for step in failed:
            if not step.required:
                self._run.reporter.say(f"Warning: {step.name} ended with code {step.exit_code}.")
        return [f"{s.name} ended with code {s.exit_code}" for s in failed if s.required]

    def prove(self, output: DiskProof, done: dict[str, Any]) -> Proof:
        """Write the proof, then give the output its name."""
        run = self._run
        facts = run.source
        source = DiskProof(
            self._request.source,
            facts.format,
            facts.virtual_size,
            facts.file_size,
            self._source_root,
        )
        proof = Proof(
            job=run.folder.id,
            imageport=__version__,
            engine=run.engine_key,
            started=run.folder.began.isoformat(timespec="seconds"),
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            request=self._request,
            source=source,
            output=output,
            untouched=self._untouched,
            seconds=dict(run.seconds),
            **done,
        )
        return run.output.prove(proof, run.folder.evidence)
