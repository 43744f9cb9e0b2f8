"""What is checked before any work: output and space. Takes seconds and changes nothing."""

from __future__ import annotations

from imageport.disk.base import MIB
from imageport.host.home import home
from imageport.jobs.child import check_child
from imageport.jobs.ends import Ends
from imageport.jobs.outputs.base import Output
from imageport.jobs.outputs.local import LocalOutput, check_space
from imageport.jobs.source import SourceFacts
from imageport.jobs.vdisk import check_vdisk
from imageport.model.job import JobRequest, MigrateRequest
from imageport.model.wishes import Operation

WORK_SPACE = 1024 * MIB
"""Bytes that the changes to an image, the engine's disk and the logs may take in our own folder."""


def check_output(request: JobRequest, source: SourceFacts, ends: Ends, output: Output) -> list[str]:
    """Warnings; or OutputExists, OutputFolder, NoSpace, and what checks of children and vDisks
    raise."""
    if isinstance(request, MigrateRequest) and request.operation is Operation.UPGRADE_PVS:
        check_vdisk(request, source.format, ends.source)
    size = source.data
    if request.writes_child:
        size = WORK_SPACE  # no more than has changed
    # A chain, and what is elsewhere, is copied first, see `base_of`.
    work = WORK_SPACE + (0 if source.here and source.layers == 1 else source.data)
    shared = isinstance(output, LocalOutput) and output.shares_space
    warnings = output.check(size + (work if shared else 0), source.virtual_size)
    if not shared:
        check_space(home(), work)
    if request.writes_child:
        check_child(request, source.format, ends.source, output)
    return warnings
