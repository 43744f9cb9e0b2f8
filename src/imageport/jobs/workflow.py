"""Where a job's workflow keeps which of its steps have ended: beside the job, or in PostgreSQL.

`$IMAGEPORT_WORKFLOWS` names the database (`postgresql://host/name`, its password in `~/.pgpass`).
Connectors that also share the folder of jobs (`$IMAGEPORT_JOBS`) go on with each other's there:
which of them may is the service's to say, by its lease.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbos import DBOS, DBOSConfig

if TYPE_CHECKING:
    from imageport.jobs.folder import JobFolder

VARIABLE = "IMAGEPORT_WORKFLOWS"


@contextmanager
def launched(folder: JobFolder, id: str) -> Iterator[None]:
    """DBOS for the one workflow `id`: a process has one, and each job a process.

    It recovers what it finds of its executor, which is therefore the workflow itself.
    """
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
    config: DBOSConfig = {
        "name": "imageport",
        "system_database_url": os.environ.get(VARIABLE) or f"sqlite:///{folder.state}",
        "application_version": "imageport",  # what may go on with what is decided by its caller
        "executor_id": id,
        "log_level": "CRITICAL",
    }
    DBOS(config=config)
    try:
        DBOS.launch()
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)


def forget(folder: JobFolder) -> None:
    """Remove what a database of its own keeps of the job's workflows, which have ended. Within
    `launched`; the file goes with the job's folder."""
    if os.environ.get(VARIABLE):
        known = DBOS.list_workflows(workflow_id_prefix=f"{folder.id}.", load_input=False)
        DBOS.delete_workflows([each.workflow_id for each in known])
