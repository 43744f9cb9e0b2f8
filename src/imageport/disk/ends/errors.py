"""Errors of remote ends; `data["file"]` is the end's address, without any secret in it."""

from __future__ import annotations

from typing import ClassVar

from imageport.disk.errors import DiskError


class EndError(DiskError):
    """Base of every error about a remote end."""


class UnreachableError(EndError):
    """Nobody answers, or only with errors, for longer than the copy's patience."""

    code: ClassVar[str] = "end.unreachable"
    sentence: ClassVar[str] = "{file} could not be reached for {seconds} seconds: {detail}."
    remedy: ClassVar[str] = (
        "Check the network, the proxy and the service's health, then start again: "
        "with its journal the copy goes on where it stopped."
    )


class DeniedError(EndError):
    """The peer refuses these credentials, or they are no longer valid."""

    code: ClassVar[str] = "end.denied"
    sentence: ClassVar[str] = "{file} refuses access: {detail}."
    remedy: ClassVar[str] = (
        "Give valid credentials with the needed rights; a signed address or token may have expired."
    )


class NotFoundError(EndError):
    """The peer does not have what the address names."""

    code: ClassVar[str] = "end.not-found"
    sentence: ClassVar[str] = "{file} does not exist: {detail}."
    remedy: ClassVar[str] = "Check the address."


class ChangedError(EndError):
    """What is read was replaced while it was read."""

    code: ClassVar[str] = "end.changed"
    sentence: ClassVar[str] = "{file} changed while it was being read: {detail}."
    remedy: ClassVar[str] = "Stop what writes to it, or read from a snapshot, then start again."


class PeerChecksumError(EndError):
    """What arrived is not what was sent, again and again."""

    code: ClassVar[str] = "end.checksum"
    sentence: ClassVar[str] = "{file} at byte {offset}: the checksum does not match: {detail}."
    remedy: ClassVar[str] = "Start again; if it happens again, the stored data is damaged."


class NoSpaceError(EndError):
    """The peer has no room or no quota left."""

    code: ClassVar[str] = "end.full"
    sentence: ClassVar[str] = "{file} has no space left: {detail}."
    remedy: ClassVar[str] = "Free space or raise the quota, then start again."


class RefusedError(EndError):
    """The peer understood the request and will never carry it out."""

    code: ClassVar[str] = "end.refused"
    sentence: ClassVar[str] = "{file} at byte {offset} was refused: {detail}."
    remedy: ClassVar[str] = "Read the peer's own words above; the request is not repeated."


class InUseError(RefusedError):
    """Another program has the file open, in a way that shuts ours out."""

    code: ClassVar[str] = "end.in-use"
    sentence: ClassVar[str] = "{file} is in use: {detail}."
    remedy: ClassVar[str] = "End what uses the file, then start again."


class UnsuitableError(RefusedError):
    """The peer answers, but cannot do what a disk needs: not its protocol, no ranges, no TLS."""

    code: ClassVar[str] = "end.unsuitable"
    sentence: ClassVar[str] = "{file} cannot be used: {detail}."
    remedy: ClassVar[str] = (
        "Check the address and the server's settings, or bring the file here by other means first."
    )


class AddressError(UnsuitableError):
    """An address names no end that we know, or not in its way."""

    code: ClassVar[str] = "end.address"
    sentence: ClassVar[str] = "{file} is not a usable address: {detail}."
    remedy: ClassVar[str] = (
        "Give a path, or an address such as smb://host/share/folder/disk.vhdx, without an account."
    )


class InsecureError(EndError):
    """The data would travel less protected than was asked for."""

    code: ClassVar[str] = "end.insecure"
    sentence: ClassVar[str] = "{file} cannot be used safely: {detail}."
    remedy: ClassVar[str] = (
        "Turn encryption on at the server, or allow this end explicitly to do without."
    )
