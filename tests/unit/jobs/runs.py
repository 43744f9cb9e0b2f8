"""A job under way as its output sees it: without a machine."""

from __future__ import annotations

from typing import Any, cast

from imageport.jobs.ends import HERE, Ends
from imageport.jobs.folder import JobFolder
from imageport.jobs.migration import JobRun
from imageport.jobs.report import Silent
from imageport.jobs.source import SourceFacts
from imageport.model.job import JobRequest
from imageport.model.target import Target
from imageport.platforms.base import Platform
from imageport.platforms.local.hardware import hardware_for


def job_run(
    folder: JobFolder, request: JobRequest, facts: SourceFacts, ends: Ends = HERE
) -> JobRun[Any]:
    reporter = Silent()
    hardware = hardware_for(Target.AHV, facts.firmware)
    platform = cast(Platform, None)
    return JobRun(folder, request, {}, facts, platform, hardware, "key", reporter, ends)
