"""Refusals and failures of the guest layer, each with its own code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from imageport.model.errors import ImageportError
from imageport.model.findings import Finding, Severity


class GuestError(ImageportError):
    """Base of what can be wrong with an image's content."""

    code = "guest"


class NoOperatingSystemError(GuestError):
    """Nothing on the disk is a Windows or Linux installation."""

    code = "guest.no-os"
    sentence = "No operating system was found on the disk ({seen})."
    remedy = "Check that this is the image of a master machine's system disk."


class UnsupportedOsError(GuestError):
    """There is an operating system, and it is none that can be prepared."""

    code = "guest.unsupported-os"
    sentence = "{name} cannot be prepared: {reason}."
    remedy = (
        "Supported are 64-bit Windows Server 2016 and newer, Windows 10 and 11, and 64-bit Linux "
        "with initramfs-tools (Debian, Ubuntu) or dracut (Red Hat, SUSE)."
    )


class UnsupportedArchitectureError(UnsupportedOsError):
    """A Windows for another processor: 32-bit, or ARM."""

    code = "guest.unsupported-architecture"
    sentence = "{name} cannot be prepared: it is built for {machine}, not x86_64."


class SeveralOperatingSystemsError(GuestError):
    """More than one installation: which of them is meant cannot be known."""

    code = "guest.several-os"
    sentence = "The disk holds several operating systems: {seen}."
    remedy = "Remove all but one of them from the master machine, then take the image again."


class BitLockerError(GuestError):
    """The system volume is encrypted by BitLocker."""

    code = "guest.bitlocker"
    sentence = "The volume {device} is encrypted by BitLocker."
    remedy = (
        "Turn BitLocker off in the source machine (manage-bde -off C:), wait until decryption has "
        "ended, then take the image again."
    )


class LuksError(GuestError):
    """The system volume is encrypted by LUKS."""

    code = "guest.luks"
    sentence = "The volume {device} is encrypted by LUKS."
    remedy = "Use a master machine whose system volume is not encrypted."


class LvmError(GuestError):
    """A volume group of the image cannot be opened: it is incomplete, damaged or ambiguous."""

    code = "guest.lvm"
    sentence = "The LVM volume group {group} on {device} cannot be opened: {detail}."
    remedy = (
        "Check the master machine's volume groups (vgs, pvs): the system's must lie on its system "
        "disk alone and have a name of its own. Then take the image again."
    )


class DirtyXfsError(GuestError):
    """An XFS was not unmounted: its log holds changes that its file system does not have yet."""

    code = "guest.dirty-xfs"
    sentence = "The XFS volume {device} was not unmounted cleanly: its log is not empty."
    remedy = "Start the source machine, shut it down fully, then take the image again."


class HibernatedError(GuestError):
    """Windows was not shut down: its memory lies in hiberfil.sys."""

    code = "guest.hibernated"
    sentence = "Windows on {device} is hibernated or was shut down with fast startup."
    remedy = (
        "Start the source machine, run 'powercfg /h off' and 'shutdown /s /t 0', then take the "
        "image again."
    )


class DirtyNtfsError(GuestError):
    """The NTFS volume is marked for a check."""

    code = "guest.dirty-ntfs"
    sentence = "The NTFS volume {device} was not closed cleanly and is marked for a check."
    remedy = (
        "Start the source machine, let chkdsk finish (chkdsk C: /f), shut it down fully, then take "
        "the image again."
    )


class MountError(GuestError):
    """A volume whose content is recognised cannot be mounted."""

    code = "guest.mount"
    sentence = "The {kind} volume {device} cannot be mounted: {detail}."
    remedy = "Check the volume in the source machine, then take the image again."


class ReadOnlyGuestError(GuestError):
    """A change was asked of a guest that was opened for reading."""

    code = "guest.read-only"
    sentence = "The image was opened for reading and cannot be changed."
    remedy = "Please report this with the log."


class CommandError(GuestError):
    """A program that was run on the guest failed."""

    code = "guest.command"
    sentence = "{program} failed with exit code {status}: {output}."
    remedy = "Please report this with the log."


class BlockedError(GuestError):
    """The inspection found what would make the migration fail."""

    code = "guest.blocked"
    sentence = "The image cannot be prepared for {target}: {reasons}"
    remedy = "{remedies}"


class ConversionBlockedError(GuestError):
    """The survey found what keeps the disk from being converted."""

    code = "guest.not-convertible"
    sentence = "The disk cannot be converted to GPT and UEFI: {reasons}"
    remedy = "{remedies}"

    @classmethod
    def by(cls, findings: Sequence[Finding]) -> Self:
        """Because of the blockers among `findings`."""
        blockers = [found for found in findings if found.severity is Severity.BLOCKER]
        return cls(
            reasons=" ".join(found.sentence for found in blockers),
            remedies=" ".join(dict.fromkeys(found.remedy for found in blockers)),
            findings=[found.code for found in blockers],
        )


class VerificationError(GuestError):
    """A change was made and is not on the disk."""

    code = "guest.verification"
    sentence = "After the preparation the disk does not hold what was written: {failed}."
    remedy = "Please report this with the log; the output must not be used."


class DriverLibraryError(GuestError):
    """The driver library lacks a driver, or cannot be read."""

    code = "guest.driver-library"
    sentence = "The driver library {library} has no {driver} driver for {windows}: {detail}."
    remedy = (
        "Give --drivers the content of the virtio-win ISO "
        "(https://fedorapeople.org/groups/virt/virtio-win/), or a folder with the driver's INF, "
        "SYS and CAT files."
    )


class DriverLockError(GuestError):
    """The driver library's lock cannot be read."""

    code = "guest.driver-lock"
    sentence = "Line {line} of {lock} is not a SHA-256 and a path."
    remedy = "Write it anew: run sha256sum over the library's files, with paths from its root."


class UnreadableInitramfsError(GuestError):
    """The initramfs is none of the forms the kernel takes."""

    code = "guest.initramfs"
    sentence = "The initramfs {path} cannot be read: {detail}."
    remedy = "Rebuild it in the source machine (update-initramfs -u), then take the image again."
