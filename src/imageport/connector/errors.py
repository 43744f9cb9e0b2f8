"""Errors of connectors."""

from __future__ import annotations

from typing import Any, ClassVar

from imageport.model.errors import ImageportError


class NotRegistered(ImageportError):
    """There is no identity to work under."""

    code: ClassVar[str] = "connector.not-registered"
    sentence: ClassVar[str] = "No connector is registered in {path}."
    remedy: ClassVar[str] = (
        "Make one with `imageport connector add`, and run `imageport connector register` here."
    )


class IdentityExposed(ImageportError):
    """Others on this computer could read the connector's keys."""

    code: ClassVar[str] = "connector.identity-exposed"
    sentence: ClassVar[str] = "The connector's keys in {path} can be read by others."
    remedy: ClassVar[str] = "Run: chmod 600 {path}"


class AlreadyRegistered(ImageportError):
    """Another identity would be lost."""

    code: ClassVar[str] = "connector.already-registered"
    sentence: ClassVar[str] = "The connector {id} is registered in {path} already."
    remedy: ClassVar[str] = (
        "Remove that file if the connector is no longer needed, or set IMAGEPORT_HOME to another "
        "folder for a second one."
    )


class OutsideFolders(ImageportError):
    """A job names a path that the connector may not touch."""

    code: ClassVar[str] = "connector.outside-folders"
    sentence: ClassVar[str] = (
        "{path} is not below a folder that this connector may use ({folders})."
    )
    remedy: ClassVar[str] = (
        "Put the file there, or start the connector with another --images FOLDER."
    )


class CredentialMissing(ImageportError):
    """A job came without a credential that it names."""

    code: ClassVar[str] = "connector.credential-missing"
    sentence: ClassVar[str] = "The credential {id} was not handed out with the job."
    remedy: ClassVar[str] = "Check that it still exists (`imageport credential list`); start again."


class CredentialUnfit(ImageportError):
    """A job names a credential of a type that is for something else."""

    code: ClassVar[str] = "connector.credential-unfit"
    sentence: ClassVar[str] = "The credential {id} is of the type {type}; {wanted} is needed here."
    remedy: ClassVar[str] = "Name another one, or make one (`imageport credential add`)."


class TargetsFailed(ImageportError):
    """Some targets of a job failed; `results` says what became of each."""

    code: ClassVar[str] = "job.targets-failed"
    sentence: ClassVar[str] = "{failed} of {count} targets failed: {targets}."
    remedy: ClassVar[str] = (
        "`result` of the job says why; the others are complete: start again with those that "
        "failed alone."
    )

    def __init__(self, results: list[dict[str, Any]]) -> None:
        failed = [each["target"] for each in results if each["status"] == "error"]
        super().__init__(failed=len(failed), count=len(results), targets=", ".join(failed))
        self.results = results


class JobTimeout(ImageportError):
    """A job took longer than its request allows."""

    code: ClassVar[str] = "job.timeout"
    sentence: ClassVar[str] = "The job was stopped after {seconds} s, as its timeout says."
    remedy: ClassVar[str] = "Start it again with a larger timeout; its log says what took so long."


class ProxyPassword(ImageportError):
    """A secret stands where every process of the computer can read it."""

    code: ClassVar[str] = "connector.proxy-password"
    sentence: ClassVar[str] = (
        "The proxy's URL has an account in it, which every list of processes shows."
    )
    remedy: ClassVar[str] = (
        "Leave it out, and give --proxy-account a file with the username and the password."
    )


class ProxyInvalid(ImageportError):
    """What is named is no proxy."""

    code: ClassVar[str] = "connector.proxy-invalid"
    sentence: ClassVar[str] = "The proxy {url} cannot be used: {detail}."
    remedy: ClassVar[str] = "Give --proxy (or IMAGEPORT_PROXY, HTTPS_PROXY) as http://HOST:PORT."
