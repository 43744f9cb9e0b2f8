"""Parallel composite upload: components are sent side by side, then composed by the service."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from threading import Event

from imageport.disk.ends.errors import NotFoundError, PeerChecksumError
from imageport.disk.ends.gcs.checksum import combine
from imageport.disk.ends.gcs.failures import PreconditionError
from imageport.disk.ends.gcs.parts import Part, Parts, Senders
from imageport.disk.ends.gcs.service import MAX_SOURCES, StoredObject
from imageport.disk.ends.gcs.upload import MARK, Upload, UploadJob
from imageport.disk.errors import TargetExistsError

_CLASS = "STANDARD"
"""Of components: the other storage classes charge for deleting early."""
_ATTEMPTS = 3
"""How often a component is sent again that the service did not store as it was sent."""


class CompositeUpload(Upload):
    """Components are objects `NAME.partial/UPLOAD/NUMBER`, none of which outlives the upload.

    The same stream gives the same components, so that a component which an earlier process sent is
    not sent again when size, CRC32C and MD5 say that it is the same.
    """

    def __init__(self, job: UploadJob, senders: int, cancel: Event | None) -> None:
        """Send with `senders` threads, which hold as many components."""
        super().__init__(job)
        self._threads, self._cancel = senders, cancel
        self._id = ""
        self._there: dict[str, StoredObject] = {}
        self._components: dict[int, StoredObject] = {}
        self._senders: Senders[Part] = self._new_senders()

    def open(self) -> None:
        """See `Upload.open`."""
        saved = self.state.load()
        if saved is not None and not saved[1]:
            self._id = saved[0]
            self.discard()
            saved = None
        self._id = saved[0] if saved else secrets.token_hex(8)
        self.check_free(self._id if saved else None)
        if saved is None:
            self.state.save(self._id)
        else:
            self._there = {each.name: each for each in self.service.list(self._prefix)}

    def send(self, part: Part) -> None:
        """See `Upload.send`."""
        if self.complete is None:
            self._senders.send(self._send, part)

    def finish(self, last: Part | None, whole: Parts) -> None:
        """See `Upload.finish`."""
        if last is not None:
            self.send(last)
        elif not whole.total:
            # Something must be composed, even of an empty stream.
            self.send(Part(0, 0, 0, 0, ()))
        self._senders.wait()
        made = self.complete or self._composed()
        self.verify(made, whole)
        self.complete = made
        self._clean()
        self.stop()

    def stop(self) -> None:
        """See `Upload.stop`."""
        self._senders.stop()

    def discard(self) -> None:
        """See `Upload.discard`."""
        if self._id:
            self._clean()

    @property
    def _prefix(self) -> str:
        return f"{self.place.object}.partial/{self._id}/"

    def _new_senders(self) -> Senders[Part]:
        return Senders(self.place.name, self._threads, self._threads, self._cancel)

    def _send(self, part: Part) -> None:
        name = f"{self._prefix}{part.number:08}"
        there = self._there.pop(name, None)
        if there is not None and not _holds(there, part):
            self.service.delete(name, there.generation)
            there = None
        for _ in range(_ATTEMPTS):
            if there is not None:
                break
            there = self._created(name, part)
        if there is None:
            detail = "a component was stored otherwise than it was sent, again and again"
            raise PeerChecksumError(file=self.place.name, offset=part.offset, detail=detail)
        self._components[part.number] = there

    def _created(self, name: str, part: Part) -> StoredObject | None:
        """The component as stored; None when it is not what was sent, and deleted."""
        stored: StoredObject | None
        try:
            stored = self.service.create(name, part.pieces, part.crc, storage_class=_CLASS)
        except PreconditionError:
            # An attempt whose answer was lost has succeeded.
            stored = self.service.find(name)
        if stored is not None and not _holds(stored, part):
            self.service.delete(name, stored.generation)
            return None
        return stored

    def _composed(self) -> StoredObject:
        objects = [self._components[number] for number in sorted(self._components)]
        level = 0
        while len(objects) > MAX_SOURCES:
            objects = self._level(level, objects)
            level += 1
        mark = {MARK: self._id}
        try:
            return self.service.compose(
                objects, self.place.object, generation=self.replaced, metadata=mark
            )
        except PreconditionError:
            found = self.service.find(self.place.object)
            if found is None or found.metadata.get(MARK) != self._id:
                raise TargetExistsError(file=self.place.name) from None
            return found

    def _level(self, level: int, objects: list[StoredObject]) -> list[StoredObject]:
        """Compose groups of neighbours, side by side."""
        groups = [objects[at : at + MAX_SOURCES] for at in range(0, len(objects), MAX_SOURCES)]
        made: dict[int, StoredObject] = {}

        def compose(index: int) -> None:
            name = f"{self._prefix}tree/{level:02}/{index:08}"
            made[index] = self._group(name, groups[index])

        self._side_by_side(compose, len(groups))
        return [made[index] for index in range(len(groups))]

    def _group(self, name: str, group: list[StoredObject]) -> StoredObject:
        size = crc = 0
        for each in group:
            size, crc = size + each.size, combine(crc, each.crc32c or 0, each.size)
        for _ in range(_ATTEMPTS):
            stored: StoredObject | None
            try:
                stored = self.service.compose(group, name, generation=0, storage_class=_CLASS)
            except PreconditionError:
                stored = self.service.find(name)
            if stored is not None and (stored.size, stored.crc32c) == (size, crc):
                return stored
            if stored is not None:
                self.service.delete(name, stored.generation)
        detail = "components were composed to something else, again and again"
        raise PeerChecksumError(file=self.place.name, offset=0, detail=detail)

    def _clean(self) -> None:
        """Delete every temporary object, then forget the upload."""
        try:
            leftovers = self.service.list(self._prefix)
        except NotFoundError:
            # Not even the bucket exists.
            leftovers = []

        def delete(index: int) -> None:
            self.service.delete(leftovers[index].name, leftovers[index].generation)

        self._side_by_side(delete, len(leftovers))
        self.state.remove()

    def _side_by_side(self, work: Callable[[int], None], count: int) -> None:
        pool: Senders[int] = Senders(self.place.name, self._threads, 2 * self._threads)
        try:
            for index in range(count):
                pool.send(work, index)
            pool.wait()
        finally:
            pool.stop()


def _holds(stored: StoredObject, part: Part) -> bool:
    """Whether the object is the part; MD5 too, where the service has one."""
    if (stored.size, stored.crc32c) != (part.size, part.crc):
        return False
    if stored.md5 is None:
        return True
    digest = hashlib.md5(usedforsecurity=False)
    for piece in part.pieces:
        digest.update(piece)
    return digest.digest() == stored.md5
