"""Errors of clients; what the service itself says is a `RemoteError` with its own code."""

from __future__ import annotations

from typing import ClassVar

from imageport.model.errors import ImageportError


class ServiceUnreachable(ImageportError):
    """Nobody answers, or no service of ours."""

    code: ClassVar[str] = "client.unreachable"
    sentence: ClassVar[str] = "The service {url} cannot be reached: {detail}."
    remedy: ClassVar[str] = "Check that it runs, its address, the network, and whose TLS it trusts."


class JobFailed(ImageportError):
    """A job that was waited for did not end well."""

    code: ClassVar[str] = "client.job-failed"
    sentence: ClassVar[str] = "The job {job} ended as {status}: {reason}"
    remedy: ClassVar[str] = "{advice}"
