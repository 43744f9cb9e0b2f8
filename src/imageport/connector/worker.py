"""The process of one job: `python -m imageport.connector.worker`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from imageport.connector.errors import TargetsFailed
from imageport.connector.folders import Folders
from imageport.connector.job_spans import TracedReporter
from imageport.connector.reporter import NewsReporter
from imageport.connector.talk import Ended, News, Order
from imageport.host.private_memory import keep_memory_private
from imageport.jobs.errors import CopyStopped, Interrupted
from imageport.jobs.report import Reporter
from imageport.model.errors import ImageportError
from imageport.model.service import JobStatus, Level

if TYPE_CHECKING:
    from imageport.connector.kinds import Kind

ABANDONED = 75
"""Exit code when the connector is gone (EX_TEMPFAIL): another one goes on with the job."""


class _Voice:
    """Says news, a line each; from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()

    def __call__(self, news: News) -> None:
        with self._lock:
            self._out.write(news.model_dump_json(by_alias=True, exclude_none=True) + "\n")
            self._out.flush()


def main() -> None:
    """Do what is ordered, and say how it ended."""
    keep_memory_private()
    # What a library prints goes to the log: standard output is the connector's alone.
    voice = _Voice(os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    connector = os.dup(sys.stdin.fileno())
    with open(os.devnull, "rb") as nothing:
        # Programs that the job starts get no part of what the connector says.
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    order = Order.model_validate_json(_line(connector))
    threading.Thread(target=_watch, args=(connector,), daemon=True).start()
    voice(News(ended=_do(order, voice)))


def _line(connector: int) -> bytes:
    """Its only line; by the descriptor, as a thread that is in a file's lock at the end of a
    program is fatal to it."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(connector, 1 << 16)):
        line += more
    return line


def _watch(connector: int) -> None:
    """Go at once with the connector: nobody renews the lease, and another one may hold the job."""
    while os.read(connector, 1):
        pass
    os._exit(ABANDONED)


def _do(order: Order, voice: _Voice) -> Ended:
    from imageport.connector.kinds import kind_of  # noqa: PLC0415  # takes a second to import
    from imageport.wire.images import read_request  # noqa: PLC0415  # as above

    kind = kind_of(read_request(order.type, order.request).platform, order.type)
    told = NewsReporter(("look",) if order.dry_run else kind.steps, voice)
    if order.trace is None:
        return _done(kind, order, told, told)
    traced = TracedReporter(told, order.trace, voice)
    ended = _done(kind, order, traced, told)
    cancelled = "job.cancelled" if ended.status is JobStatus.CANCELLED else None
    traced.end_step(ended.error["code"] if ended.error else cancelled)
    return ended


def _done(kind: Kind, order: Order, reporter: Reporter, told: NewsReporter) -> Ended:
    from imageport.connector.task import Task  # noqa: PLC0415  # as above

    try:
        task = Task(order, Folders(tuple(map(Path, order.folders))), told.part)
        work = kind.plan if order.dry_run else kind.run
        return Ended(status=JobStatus.COMPLETE, result=work(task, reporter))
    except TargetsFailed as error:
        result = {"targets": error.results}
        return Ended(status=JobStatus.ERROR, result=result, error=error.as_dict())
    except (KeyboardInterrupt, Interrupted, CopyStopped):
        return Ended(status=JobStatus.CANCELLED)
    except ImageportError as error:
        return Ended(status=JobStatus.ERROR, error=error.as_dict())
    except Exception as error:  # noqa: BLE001  # the process' edge
        # The text may hold anything: it goes to the connector's own log alone.
        traceback.print_exc()
        told.tell(Level.WARNING, "The connector's log has more.")
        failed = ImageportError(detail=type(error).__name__)
        return Ended(status=JobStatus.ERROR, error=failed.as_dict())


if __name__ == "__main__":
    main()
