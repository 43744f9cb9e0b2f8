"""What can be wrong with a store, its vDisks and their versions."""

from __future__ import annotations

from imageport.model.errors import ImageportError


class StoreError(ImageportError):
    """Base of every error about a store."""


class VdiskUnknown(StoreError):
    """There is no vDisk of this name."""

    code = "pvs.no-such-vdisk"
    sentence = "{store} has no vDisk {name}."
    remedy = "It has: {known}. Give the name without version and suffix."


class VdiskAmbiguous(StoreError):
    """Two files may be the same version of a vDisk."""

    code = "pvs.ambiguous"
    sentence = "{store} has several files that may be the vDisk {name}: {files}."
    remedy = "Give the file's own name, such as {name}.vhdx, or move the other ones away."


class VersionUnknown(StoreError):
    """The vDisk has no such version."""

    code = "pvs.no-such-version"
    sentence = "The vDisk {name} has no version {version}."
    remedy = "It has: {known}."


class ParentMissing(StoreError):
    """A version lacks the file that it was made on: there is a gap in the chain."""

    code = "pvs.parent-missing"
    sentence = "{file} is a child of {parent}, which is not in {store}."
    remedy = (
        "Copy every file of the chain into the store, from the server that has them all "
        "(in the Provisioning console: Versions, Replication)."
    )


class ParentChanged(StoreError):
    """A file is not any more what its child was made on."""

    code = "pvs.parent-changed"
    sentence = "{parent} is not as it was when {file} was made on it: {detail}."
    remedy = (
        "Bring back {parent} as it was; something has written to it since, or it was replaced. "
        "Without it, versions above it are lost."
    )


class ChainUnexpected(StoreError):
    """The files are sound, but no chain that Provisioning would have made."""

    code = "pvs.chain"
    sentence = "{file} does not fit into the vDisk {name}: {detail}."
    remedy = (
        "Merge the vDisk to a new base in the Provisioning console, or give the file by its path "
        "as a plain disk image."
    )


class ManifestUnreadable(StoreError):
    """The exported manifest is none."""

    code = "pvs.manifest"
    sentence = "{file} is not a usable manifest: {detail}."
    remedy = "Export the vDisk again in the Provisioning console, or move the file away."


class ManifestOutdated(StoreError):
    """The store has newer versions than the manifest."""

    code = "pvs.manifest-outdated"
    sentence = "{file} ends with version {listed}, and the store has version {found}."
    remedy = (
        "Export the vDisk again in the Provisioning console, move the manifest away so that the "
        "files alone count, or give the version that is wanted."
    )


class VdiskInUse(StoreError):
    """Provisioning, or somebody else, is at work on the vDisk."""

    code = "pvs.vdisk-in-use"
    sentence = "{file} is in use: {detail}."
    remedy = (
        "Shut down the target devices that have it ({name}: Show Usage in the Provisioning "
        "console). A lock that a crash has left goes with Manage Locks, Remove Locks, there."
    )


class VdiskExists(StoreError):
    """Publishing would replace something."""

    code = "pvs.vdisk-exists"
    sentence = "{store} has a vDisk {name} already ({files})."
    remedy = "Choose another name, or ask for the vDisk to be overwritten."


class VdiskNotReplaceable(StoreError):
    """The vDisk that is there cannot be overwritten by one file."""

    code = "pvs.not-replaceable"
    sentence = "The vDisk {name} cannot be overwritten: {detail}."
    remedy = "Publish under another name, or remove the vDisk in the Provisioning console first."


class NameRefused(StoreError):
    """A name that Provisioning or Windows does not take, or that would be misread."""

    code = "pvs.name"
    sentence = "{name!r} cannot be the name of a vDisk: {detail}."
    remedy = "Choose up to 52 letters, digits, hyphens and underscores, without suffix."


class NotAsWritten(StoreError):
    """The new vDisk does not hold what was written to it."""

    code = "pvs.differs"
    sentence = "{file} does not hold what was written to it (content hash {read}, not {written})."
    remedy = "Check the storage below the store; the file was removed, and nothing replaced."
