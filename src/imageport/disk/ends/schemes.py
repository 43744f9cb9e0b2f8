"""What is behind each kind of address; see `open`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from imageport.disk.base import DiskReader
from imageport.disk.create import create_for
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.ends.ebs.reader import EbsReader
from imageport.disk.ends.ebs.writer import EbsWriter, SnapshotOptions
from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.gcs.file import GcsFile
from imageport.disk.ends.gcs.place import ENDPOINT, GcsPlace
from imageport.disk.ends.gcs.target import GcsMethod, GcsTarget
from imageport.disk.ends.http.file import HttpFile
from imageport.disk.ends.nbd.address import NbdAddress, NbdTls
from imageport.disk.ends.nbd.ends import NbdReader, NbdWriter
from imageport.disk.ends.open import Access, Made, Wish
from imageport.disk.ends.pageblob.file import PageBlobFile
from imageport.disk.ends.pageblob.service import Options as BlobOptions
from imageport.disk.ends.pageblob.target import PageBlobTarget
from imageport.disk.ends.smb.file import SmbFile
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.target import SmbTarget
from imageport.disk.open import open_disk
from imageport.disk.unpack import ArchiveReader
from imageport.model.credentials import (
    AwsKey,
    AzureSas,
    BearerToken,
    GcpServiceAccount,
    GcpToken,
    UsernamePassword,
)
from imageport.model.target import DiskFormat

_TAG = "tag:"
"""What the names of options begin with that are tags of a snapshot."""
_YES = frozenset({"yes", "true", "1"})


def _smb_source(address: str, access: Access) -> DiskReader:
    account = access.needed(address, UsernamePassword)
    return open_disk(SmbFile(SmbLocation.parse(address), account))


def _smb_target(address: str, wish: Wish) -> Made:
    _only(address, wish, "signed-only")
    location = SmbLocation.parse(address)
    target = SmbTarget(
        location,
        wish.access.needed(address, UsernamePassword),
        state=wish.state / "blocks",
        resume=True,
        overwrite=wish.overwrite,
        require_encryption=not _is_on(wish, "signed-only"),
    )
    form = wish.form(location.path)
    return Made(create_for(wish.source, target, form), lambda: address)


def _nbd_source(address: str, access: Access) -> DiskReader:
    place = NbdAddress.parse(address)
    return NbdReader(place, _nbd_tls(place, access))


def _nbd_target(address: str, wish: Wish) -> Made:
    _only(address, wish)
    place = NbdAddress.parse(address)
    writer = NbdWriter(place, wish.source.size, _nbd_tls(place, wish.access))
    return Made(writer, lambda: address)


def _nbd_tls(place: NbdAddress, access: Access) -> NbdTls | None:
    return NbdTls(ca=access.ca) if place.secure else None


def _http_source(address: str, access: Access) -> DiskReader:
    token = access.needed(address, BearerToken) if access.credential else None
    return open_disk(HttpFile(address, authorization=token, ca=access.ca))


def _blob_url(address: str, access: Access) -> str:
    place = address.partition("://")[2]
    if "?" in place:
        detail = "a signature belongs into a credentials file"
        raise AddressError(file=address.partition("?")[0], detail=detail)
    return f"{access.endpoint.rstrip('/')}/{place}" if access.endpoint else f"https://{place}"


def _blob_source(address: str, access: Access) -> DiskReader:
    sas = access.needed(address, AzureSas)
    options = BlobOptions(ca=access.ca)
    return open_disk(PageBlobFile(_blob_url(address, access), sas, options=options))


def _blob_target(address: str, wish: Wish) -> Made:
    _only(address, wish)
    target = PageBlobTarget(
        _blob_url(address, wish.access),
        wish.access.needed(address, AzureSas),
        state=wish.state / "blob.json",
        resume=True,
        overwrite=wish.overwrite,
        update=wish.update,
        options=BlobOptions(ca=wish.access.ca),
    )
    return Made(create_for(wish.source, target, DiskFormat.VHD_FIXED), lambda: address)


def _ebs_account(address: str, access: Access) -> EbsAccount:
    region = urlsplit(address).hostname or ""
    if not region:
        raise AddressError(file=address, detail="it names no region, as ebs://eu-west-1/... does")
    key = access.needed(address, AwsKey)
    return EbsAccount(region, key, access.endpoint, access.endpoint, access.ca)


def _ebs_source(address: str, access: Access) -> DiskReader:
    snapshot = urlsplit(address).path.strip("/")
    if not snapshot.startswith("snap-"):
        raise AddressError(file=address, detail="it names no snapshot")
    return EbsReader(_ebs_account(address, access), snapshot)


def _ebs_target(address: str, wish: Wish) -> Made:
    tags = {name: value for name, value in wish.options.items() if name.startswith(_TAG)}
    _only(address, wish, "parent", "encrypted", "kms-key", "description", *tags)
    if urlsplit(address).path.strip("/"):
        raise AddressError(file=address, detail="a new snapshot gets its id from AWS: leave it out")
    account = _ebs_account(address, wish.access)
    options = SnapshotOptions(
        parent=wish.options.get("parent"),
        encrypted=_is_on(wish, "encrypted") or "kms-key" in wish.options,
        kms_key=wish.options.get("kms-key"),
        description=wish.options.get("description", ""),
        tags={name.removeprefix(_TAG): value for name, value in tags.items()},
    )
    writer = EbsWriter(
        account, wish.source.size, state=wish.state / "snapshot.json", resume=True, options=options
    )
    return Made(writer, lambda: f"ebs://{account.region}/{writer.snapshot}")


def _gcs_place(address: str, access: Access) -> GcsPlace:
    credential = access.credential
    if not isinstance(credential, GcpToken | GcpServiceAccount | None):
        raise access.unfit(address, "GcpToken or GcpServiceAccount")
    endpoint = access.endpoint or ENDPOINT
    return GcsPlace.parse(address, credential, endpoint=endpoint, ca=access.ca)


def _gcs_source(address: str, access: Access) -> DiskReader:
    file = GcsFile(_gcs_place(address, access))
    return ArchiveReader(file) if address.endswith(".tar.gz") else open_disk(file)


def _gcs_target(address: str, wish: Wish) -> Made:
    _only(address, wish, "method")
    target = GcsTarget(
        _gcs_place(address, wish.access),
        state=wish.state / "upload.json",
        source=wish.source.fingerprint,
        overwrite=wish.overwrite,
        method=GcsMethod(wish.options.get("method", GcsMethod.COMPOSITE)),
    )
    return Made(create_for(wish.source, target, DiskFormat.TAR_GZ), lambda: address)


def _only(address: str, wish: Wish, *known: str) -> None:
    for name in wish.options:
        if name not in known:
            choice = f"one of {', '.join(known)}" if known else "none"
            raise AddressError(file=address, detail=f"it has no option {name}, but {choice}")


def _is_on(wish: Wish, name: str) -> bool:
    return wish.options.get(name, "").lower() in _YES


SOURCES: dict[str, Callable[[str, Access], DiskReader]] = {
    "smb": _smb_source,
    "nbd": _nbd_source,
    "nbds": _nbd_source,
    "nbd+unix": _nbd_source,
    "nbds+unix": _nbd_source,
    "http": _http_source,
    "https": _http_source,
    "pageblob": _blob_source,
    "ebs": _ebs_source,
    "gs": _gcs_source,
}

TARGETS: dict[str, Callable[[str, Wish], Made]] = {
    "smb": _smb_target,
    "nbd": _nbd_target,
    "nbds": _nbd_target,
    "nbd+unix": _nbd_target,
    "nbds+unix": _nbd_target,
    "pageblob": _blob_target,
    "ebs": _ebs_target,
    "gs": _gcs_target,
}
