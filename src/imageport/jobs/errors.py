"""Errors of jobs."""

from __future__ import annotations

from imageport.model.errors import ImageportError


class SourceChanged(ImageportError):
    """The source was written to while we read it."""

    code = "job.source-changed"
    sentence = "{path} changed while it was being migrated."
    remedy = "Shut the source machine down, or take a snapshot, and run the command again."


class OutputExists(ImageportError):
    """The output is already there."""

    code = "job.output-exists"
    sentence = "{path} exists already."
    remedy = "Remove it, or choose another --output."


class OutputFolder(ImageportError):
    """The output cannot be written where it should go."""

    code = "job.output-folder"
    sentence = "Nothing can be written to the folder {path}: {detail}."
    remedy = "Choose a folder that exists and that you may write to."


class ChildFolder(ImageportError):
    """A child has to lie beside its parent."""

    code = "job.child-folder"
    sentence = "{path} would be a child of the source, and is not in its folder."
    remedy = "Choose a name in {folder}: the versions of a disk lie beside each other."


class ChildName(ImageportError):
    """The name promises another format than a child of the source has."""

    code = "job.child-name"
    sentence = "{path} cannot be a child of the source, which is {parent}: that is {format}."
    remedy = "Choose a name that ends with {suffix}."


class VdiskFormat(ImageportError):
    """Citrix Provisioning has no such vDisks."""

    code = "job.vdisk-format"
    sentence = "{path} is {format}; a vDisk is a VHD or a VHDX."
    remedy = "Give the vDisk as it lies in the store of Citrix Provisioning."


class VdiskLocked(ImageportError):
    """Citrix Provisioning has the vDisk in use."""

    code = "job.vdisk-locked"
    sentence = "{path} is locked by Citrix Provisioning: its lock file {lock} is not empty."
    remedy = (
        "Shut its target devices down, or remove the lock in the Provisioning console (Manage "
        "Locks). Where devices only read it, --ignore-lock goes on."
    )


class NothingToDo(ImageportError):
    """The image is already as it was to become."""

    code = "job.nothing-to-do"
    sentence = "{reason} Nothing was done, and no output written."
    remedy = "Go on with the image as it is."


class NoSpace(ImageportError):
    """Not enough free space."""

    code = "job.no-space"
    sentence = "{path} has {free} bytes free; the migration needs {needed}."
    remedy = "Free some space there, or choose another folder (--output, or IMAGEPORT_HOME)."


class FirmwareUnclear(ImageportError):
    """The image has no boot code that this computer could start."""

    code = "job.not-bootable"
    sentence = "{path} has neither an EFI system partition nor boot code for a BIOS."
    remedy = "Give the image of a machine's system disk, or say --firmware if you know better."


class BootTimeout(ImageportError):
    """The image's OS did not hand the machine back."""

    code = "job.boot-timeout"
    sentence = "The image did not finish its first boot within {seconds:.0f} s."
    remedy = "Look at the picture and the serial text that were kept; --boot-timeout allows more."


class BootFailed(ImageportError):
    """The image's OS did not come up, or its first-boot work failed."""

    code = "job.boot-failed"
    sentence = "The image did not boot as it must: {reason}."
    remedy = "Look at the picture and the serial text that were kept."


class NotVerified(ImageportError):
    """A change is not in place after the boot."""

    code = "job.not-verified"
    sentence = "After its boot the image does not hold what was prepared: {failed}."
    remedy = "Something in the image undoes it at boot; look at the serial text that was kept."


class CopyStopped(ImageportError):
    """The user stopped a copy that can be gone on with."""

    code = "copy.stopped"
    sentence = "The copy to {target} was stopped."
    remedy = "Run the command again: it goes on; with --drop, what was copied is removed instead."


class OutputDiffers(ImageportError):
    """What was read back from the output is not what was written."""

    code = "job.output-differs"
    sentence = "{path} does not hold what was written to it (content hash {read}, not {written})."
    remedy = "Check the storage below it, and do not use the output."


class Md5Differs(ImageportError):
    """The source is not the image that was meant."""

    code = "job.md5-differs"
    sentence = "The content of {path} has the MD5 {found}, not {wanted}."
    remedy = "Name the image that was exported with that hash, or export and upload it again."


class EngineLost(ImageportError):
    """The engine's machine went away in the middle of its work."""

    code = "job.engine-lost"
    sentence = "The engine's machine of the job {job} went away while it worked on the image."
    remedy = (
        "The job starts that part again by itself; if it happens again, run `imageport doctor`."
    )


class ProofUnwritable(ImageportError):
    """The proof cannot be written beside the output."""

    code = "proof.unwritable"
    sentence = "The proof cannot be written to {path}: {detail}."
    remedy = "Check free space and permissions there, and run the command again."


class ProofBroken(ImageportError):
    """A proof does not prove."""

    code = "proof.broken"
    sentence = "The proof does not hold: {path}: {detail}."
    remedy = "Do not use the output; migrate the image again."


class Interrupted(ImageportError):
    """The user stopped the command."""

    code = "job.interrupted"
    sentence = "The command was stopped."
    remedy = "Everything that it had made was removed; run it again to start afresh."


class Blocked(ImageportError):
    """Something in the image would make the migration fail."""

    code = "job.blocked"
    sentence = "The image cannot be migrated to {target}: {reasons}"
    remedy = "{remedies}"


class UpgradeBlocked(Blocked):
    """Something in the vDisk would make the upgrade fail."""

    sentence = "The Provisioning target device in the vDisk cannot be upgraded: {reasons}"
