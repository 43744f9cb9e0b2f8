"""Errors of clients; what the service itself says is a `RemoteError` with its own code."""

from __future__ import annotations

from typing import ClassVar

from imageport.model.errors import ImageportError


class ServiceUnreachable(ImageportError):
    """Nobody answers, or no service of ours."""

    code: ClassVar[str] = "client.unreachable"
    sentence: ClassVar[str] = "The service {url} cannot be reached: {detail}."
    remedy: ClassVar[str] = "Check that it runs, its address, the network, and whose TLS it trusts."


class ProxyUnreachable(ServiceUnreachable):
    """Nobody answers where the proxy should be."""

    code: ClassVar[str] = "client.proxy-unreachable"
    sentence: ClassVar[str] = "The proxy {proxy} on the way to {url} cannot be reached: {detail}."
    remedy: ClassVar[str] = (
        "Check that it runs, and its address (--proxy, IMAGEPORT_PROXY, HTTPS_PROXY); NO_PROXY "
        "names hosts that need none."
    )


class ProxyWantsAccount(ServiceUnreachable):
    """The proxy does not know who asks."""

    code: ClassVar[str] = "client.proxy-account"
    sentence: ClassVar[str] = "The proxy {proxy} wants an account, or another one: {detail}."
    remedy: ClassVar[str] = (
        "Give --proxy-account a file with its username and password; start the connector again "
        "when they have changed."
    )


class ProxyRefuses(ServiceUnreachable):
    """The proxy does not make the connection."""

    code: ClassVar[str] = "client.proxy-refuses"
    sentence: ClassVar[str] = "The proxy {proxy} does not connect to {url}: {detail}."
    remedy: ClassVar[str] = (
        "Have it allow connections (CONNECT) to this host and port; its log says why it does not."
    )


class AuthorityUnusable(ImageportError):
    """The file of authorities to trust cannot be used."""

    code: ClassVar[str] = "client.authority"
    sentence: ClassVar[str] = "The authorities in {path} cannot be used: {detail}."
    remedy: ClassVar[str] = "Give a PEM file with the certificate of whoever signed the service's."


class JobFailed(ImageportError):
    """A job that was waited for did not end well."""

    code: ClassVar[str] = "client.job-failed"
    sentence: ClassVar[str] = "The job {job} ended as {status}: {reason}"
    remedy: ClassVar[str] = "{advice}"
