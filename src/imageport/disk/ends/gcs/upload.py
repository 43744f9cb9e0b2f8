"""The two ways to bring a stream into an object share this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from imageport.disk.ends.errors import PeerChecksumError
from imageport.disk.ends.gcs.parts import Part, Parts
from imageport.disk.ends.gcs.service import GcsService, StoredObject
from imageport.disk.ends.gcs.state import UploadState
from imageport.disk.errors import TargetExistsError

MARK = "imageport-upload"
"""The metadata of an object by which an upload knows it as its own."""


@dataclass(frozen=True, slots=True)
class UploadJob:
    """What both ways need."""

    service: GcsService
    state: UploadState
    overwrite: bool


class Upload(ABC):
    """One upload. Everything but `discard` raises `DiskError`."""

    def __init__(self, job: UploadJob) -> None:
        self.service, self.state = job.service, job.state
        self.place = job.service.place
        self._overwrite = job.overwrite
        self.replaced = 0
        """The generation of the object that is replaced; 0 for none."""
        self.complete: StoredObject | None = None
        """The object, where an earlier process had made it but not told anyone."""

    @abstractmethod
    def open(self) -> None:
        """Begin, or find what an earlier process sent."""

    @abstractmethod
    def send(self, part: Part) -> None:
        """Send a part; it may still be on its way when this returns."""

    @abstractmethod
    def finish(self, last: Part | None, whole: Parts) -> None:
        """Send the last part and make the object. Raises `TargetExistsError`."""

    @abstractmethod
    def stop(self) -> None:
        """Let no thread send any more; safe to repeat."""

    @abstractmethod
    def discard(self) -> None:
        """Remove everything but a complete object."""

    def check_free(self, own_mark: str | None) -> None:
        """See what bears the name. Raises `TargetExistsError`, having cleared leftovers."""
        found = self.service.find(self.place.object)
        if found is None:
            return
        if own_mark is not None and found.metadata.get(MARK) == own_mark:
            self.complete = found
            return
        if not self._overwrite:
            self.discard()
            raise TargetExistsError(file=self.place.name)
        self.replaced = found.generation

    def verify(self, made: StoredObject, whole: Parts) -> None:
        """Raise `PeerChecksumError`, and delete `made`, when it is not what was sent."""
        if (made.size, made.crc32c) == (whole.total, whole.crc):
            return
        self.service.delete(made.name, made.generation)
        raise PeerChecksumError(
            file=self.place.name,
            offset=0,
            detail=f"the service has {made.size} bytes of CRC32C {made.crc32c}, "
            f"sent were {whole.total} of {whole.crc}",
        )
