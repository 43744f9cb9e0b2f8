"""Logs of what runs for long: lines on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

_OF_JOBS = ("job", "trace_id")


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


class _OneLine(logging.Formatter):
    """Whatever was said, it is one line: nobody writes lines of their own into a log."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(
            each if each.isprintable() else "\\n" if each == "\n" else "?" for each in text
        )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        # What `traces.base.log_extra` says of a job's lines.
        said |= {name: record.__dict__[name] for name in _OF_JOBS if name in record.__dict__}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)


def write_logs(form: LogFormat) -> None:
    """From now on, of imageport: information and worse; of others: warnings and worse."""
    handler = logging.StreamHandler(sys.stderr)
    if form is LogFormat.JSON:
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("imageport").setLevel(logging.INFO)
