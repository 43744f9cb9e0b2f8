"""Resumable upload: one session, parts in order, for where nothing may be deleted or composed.

Source: Cloud Storage, "Resumable uploads" and "Perform resumable uploads".
"""

from __future__ import annotations

import secrets
from threading import Event

from imageport.disk.ends.errors import NotFoundError, RefusedError
from imageport.disk.ends.gcs.failures import PreconditionError
from imageport.disk.ends.gcs.parts import Part, Parts, Senders
from imageport.disk.ends.gcs.service import StoredObject
from imageport.disk.ends.gcs.upload import MARK, Upload, UploadJob
from imageport.disk.ends.retry import TransientError
from imageport.disk.errors import TargetExistsError

_WAITING = 3
"""Parts that are sent or wait for it."""
_ASK = "bytes */*"


class ResumableUpload(Upload):
    """Sends what the service has not confirmed yet; its session's address is in the state."""

    def __init__(self, job: UploadJob, cancel: Event | None) -> None:
        super().__init__(job)
        self._senders: Senders[Part] = Senders(self.place.name, 1, _WAITING, cancel)
        self._id = self._session = ""
        self._has = 0
        """Bytes that the service has for good, as far as known."""
        self._sure = False
        """Whether `_has` is known; not after a request that failed."""

    def open(self) -> None:
        """See `Upload.open`."""
        saved = self.state.load()
        if saved is not None:
            self._id, _, self._session = saved[0].partition(" ")
            if not saved[1]:
                self.discard()
                self._id = self._session = ""
        alive = bool(self._session) and self._find_session()
        self.complete = None
        self.check_free(self._id or None)
        if not alive and self.complete is None:
            self._begin()

    def send(self, part: Part) -> None:
        """See `Upload.send`."""
        if self.complete is None:
            self._senders.send(self._send, part)

    def finish(self, last: Part | None, whole: Parts) -> None:
        """See `Upload.finish`."""
        self._senders.wait()
        if self.complete is None:
            end = last or Part(0, whole.total, 0, 0, ())
            self.service.budget.run(lambda: self._attempt(end, whole))
        made = self.complete
        if made is None:
            raise self._refused(whole.total, "the service did not make the object")
        self.verify(made, whole)
        self.state.remove()
        self.stop()

    def stop(self) -> None:
        """See `Upload.stop`."""
        self._senders.stop()

    def discard(self) -> None:
        """See `Upload.discard`."""
        if self._session and self.complete is None:
            self.service.cancel(self._session)
        self.state.remove()

    def _begin(self) -> None:
        self._id = secrets.token_hex(8)
        mark = {MARK: self._id}
        self._session = self.service.begin(self.place.object, self.replaced, mark)
        self.state.save(f"{self._id} {self._session}")
        self._has, self._sure = 0, True

    def _find_session(self) -> bool:
        """Ask how far the session is; False when it has ended, well or not."""
        try:
            answer = self.service.budget.run(lambda: self.service.put(self._session, (), _ASK))
        except (NotFoundError, PreconditionError):
            return False
        self._take(answer)
        return self.complete is None

    def _send(self, part: Part) -> None:
        self.service.budget.run(lambda: self._attempt(part, None))

    def _attempt(self, part: Part, whole: Parts | None) -> None:
        """Send what is missing of `part`; with `whole`, it is the last, and the object is made."""
        try:
            if not self._sure:
                self._take(self.service.put(self._session, (), _ASK))
            while self.complete is None and (whole is not None or self._has < part.end):
                self._put(part, whole)
        except NotFoundError as error:
            detail = "the service has forgotten the upload's session"
            raise self._refused(part.offset, detail) from error
        except PreconditionError as error:
            raise TargetExistsError(file=self.place.name) from error

    def _put(self, part: Part, whole: Parts | None) -> None:
        start = self._has
        if start < part.offset or (whole is not None and start > whole.total):
            detail = f"the service has {start} bytes, which does not fit the stream"
            raise self._refused(part.offset, detail)
        total = "*" if whole is None else str(whole.total)
        span = f"{start}-{part.end - 1}" if start < part.end else "*"
        self._sure = False
        crc = None if whole is None else whole.crc
        self._take(self.service.put(self._session, part.after(start), f"bytes {span}/{total}", crc))
        if self.complete is None and self._has <= start:
            raise TransientError("the service kept nothing of what was sent")

    def _take(self, answer: int | StoredObject) -> None:
        self._sure = True
        if isinstance(answer, StoredObject):
            self.complete = answer
        else:
            self._has = answer

    def _refused(self, offset: int, detail: str) -> RefusedError:
        return RefusedError(file=self.place.name, offset=offset, detail=detail)
