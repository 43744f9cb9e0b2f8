"""The job `convertToUefi` (SPEC B7), on the local platform: an image whose Windows a BIOS starts
in, one for UEFI out, as a child of it.

    engine      a thin layer over the source; the engine's machine with it; wait until it answers
    inspect     what would be changed, and whether anything stands in the way
    hash        every block of the source
    convert     partition table, boot loader, boot store, drive letters; everything is read back
    write       what differs from the source, as a child of it
    read-back   the child read whole, through its parent, and compared
    prove       the proof; only now does the child get its name
"""

from __future__ import annotations

from datetime import UTC, datetime

from dbos import DBOS
from pydantic import TypeAdapter

from imageport import __version__
from imageport.disk.ends.open import open_source
from imageport.disk.treehash import tree_hash
from imageport.guest.errors import ConversionBlockedError
from imageport.jobs.child import source_manifest
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.migration import CONVERSIONS
from imageport.jobs.migration import Conversion as Run
from imageport.jobs.output import read_back, write_output
from imageport.jobs.wish import conversion_wish
from imageport.jobs.work_disk import base_of, make_work_disk, work_disk
from imageport.model.conversion import Conversion, ConversionPlan
from imageport.model.findings import Severity
from imageport.model.proof import ConversionProof, DiskProof

TITLES = {
    "engine": "Start the engine",
    "inspect": "Look inside the image",
    "hash": "Hash the source",
    "convert": "Convert to GPT and UEFI",
    "write": "Write the child ({format})",
    "read-back": "Read the child back",
    "prove": "Write the proof",
}
"""Every step, in order, and what it is called for a person."""

_PLAN = TypeAdapter(ConversionPlan)
_CONVERSION = TypeAdapter(Conversion)


@DBOS.workflow(name="convert-to-uefi")
def convert(job: str) -> ConversionProof:
    """The workflow; its conversion is found by id in `CONVERSIONS`."""
    run = CONVERSIONS[job]
    steps = _Steps(run)
    root, done = run.with_engine(steps.work_on_image)
    written = run.step("write", lambda: write_output(run))
    output = run.step("read-back", lambda: read_back(run, written))
    return run.step("prove", lambda: steps.prove(output, root, done), reads_source=False)


class _Steps:
    """The steps of one conversion."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._wish = conversion_wish(run.request, run.source)
        self._root = ""

    def work_on_image(self, attempt: int) -> tuple[str, Conversion]:
        """Engine and conversion: begun again from the source by each attempt."""
        run = self._run
        work = EngineWork(
            run.platform,
            run.folder,
            work_disk(run.folder),
            run.source.firmware,
            run.reporter,
            attempt,
        )
        run.step("engine", lambda: self._start_engine(work), attempt=attempt)
        run.step("inspect", lambda: self._inspect(work), attempt=attempt)
        self._root = self._root or run.step("hash", self._hash)
        done = run.step("convert", lambda: self._convert(work), attempt=attempt)
        return self._root, done

    def _start_engine(self, work: EngineWork) -> None:
        run = self._run
        run.platform.release(run.folder.id)
        base = base_of(run.folder, run.request.source, run.ends, run.report_bytes)
        make_work_disk(run.folder, base)
        work.start()

    def _inspect(self, work: EngineWork) -> None:
        plan = _PLAN.validate_python(work.run("plan-conversion", self._wish))
        if plan.layout is None:
            raise ConversionBlockedError.by(plan.findings)
        for found in plan.findings:
            if found.severity is Severity.WARNING:
                self._run.reporter.say(f"Warning: {found.sentence} {found.remedy}")

    def _hash(self) -> str:
        with open_source(self._run.request.source, self._run.ends.source) as reader:
            manifest = tree_hash(reader, self._run.report_bytes)
        manifest.save(source_manifest(self._run.folder))
        return manifest.root.hex()

    def _convert(self, work: EngineWork) -> Conversion:
        done = _CONVERSION.validate_python(work.run("convert-to-uefi", self._wish))
        self._run.platform.release(self._run.folder.id)
        return done

    def prove(self, output: DiskProof, root: str, done: Conversion) -> ConversionProof:
        """Write the proof, then give the child its name."""
        run, facts = self._run, self._run.source
        source = DiskProof(
            run.request.source, facts.format, facts.virtual_size, facts.file_size, root
        )
        proof = ConversionProof(
            job=run.folder.id,
            imageport=__version__,
            engine=run.engine_key,
            started=run.folder.began.isoformat(timespec="seconds"),
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            request=run.request,
            source=source,
            output=output,
            conversion=done,
            seconds=dict(run.seconds),
        )
        return run.output.prove(proof, run.folder.evidence)
