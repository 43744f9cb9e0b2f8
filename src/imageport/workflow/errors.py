"""Errors of workflow files and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from imageport.model.errors import ImageportError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in a file, and where; lines count from 1."""

    line: int
    text: str


class WorkflowInvalid(ImageportError):
    """The file does not say what to do, or says what cannot be done."""

    code: ClassVar[str] = "workflow.invalid"
    sentence: ClassVar[str] = "The workflow file {path} cannot be used:\n{detail}"
    remedy: ClassVar[str] = "Correct these lines; docs/workflow-files.md describes every field."

    @classmethod
    def of(cls, path: str, problems: Sequence[Problem]) -> WorkflowInvalid:
        """All that is wrong, in the order of the file."""
        found = sorted(set(problems))
        detail = "\n".join(f"  line {each.line}: {each.text}" for each in found)
        listed = [{"line": each.line, "problem": each.text} for each in found]
        return cls(path=path, detail=detail, problems=listed)


class WorkflowUnreadable(ImageportError):
    """The file is not there, or is no text."""

    code: ClassVar[str] = "workflow.unreadable"
    sentence: ClassVar[str] = "The workflow file {path} cannot be read: {detail}."
    remedy: ClassVar[str] = "Give a YAML file in UTF-8; docs/workflow-files.md has examples."


class RunNameUnusable(ImageportError):
    """The run cannot be called that."""

    code: ClassVar[str] = "workflow.name"
    sentence: ClassVar[str] = "A run cannot be called {name!r}."
    remedy: ClassVar[str] = (
        "Give it a name of letters, digits, '.', '_' and '-': `name` in the file, or --name."
    )


class RunBusy(ImageportError):
    """The same run is followed by another command now."""

    code: ClassVar[str] = "workflow.busy"
    sentence: ClassVar[str] = "The run {name} is under way in another command."
    remedy: ClassVar[str] = "Wait for that one, or stop it; its jobs go on meanwhile."


class RecordUnusable(ImageportError):
    """The record of a run is not as it was written."""

    code: ClassVar[str] = "workflow.record"
    sentence: ClassVar[str] = "The record {path} of the run cannot be used: {detail}."
    remedy: ClassVar[str] = (
        "Remove it: what an earlier command began within a day is found again without it."
    )


class TargetUnknown(ImageportError):
    """--only names none of the file."""

    code: ClassVar[str] = "workflow.target"
    sentence: ClassVar[str] = "The workflow file has no target {name!r}."
    remedy: ClassVar[str] = "Its targets are: {known}."


class Unconfirmed(ImageportError):
    """There is nobody to ask whether to start."""

    code: ClassVar[str] = "workflow.unconfirmed"
    sentence: ClassVar[str] = "Jobs would be started, and there is no terminal to ask at."
    remedy: ClassVar[str] = "Add --yes to start them; --plan checks everything and starts nothing."


class JobForgotten(ImageportError):
    """The service knows nothing of a job that it was given."""

    code: ClassVar[str] = "workflow.job-forgotten"
    sentence: ClassVar[str] = "The service has no job {job} any more: how it ended is not known."
    remedy: ClassVar[str] = "Look whether its output is there; the same command tries it again."
