"""What an upload must remember to be gone on with, in a small file here."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from imageport.disk.ends.gcs.place import GcsPlace
from imageport.disk.errors import UnwritableError


class UploadState:
    """A JSON file of the place, the kind of upload, the source and one word that finds the rest.

    That word may be a secret (a session's address), so only the owner can read the file. It is
    written whole or not at all.
    """

    def __init__(self, path: Path, place: GcsPlace, kind: str, source: str) -> None:
        self._path = path
        self._header = {
            "object": place.name,
            "endpoint": place.endpoint,
            "kind": kind,
            "source": source,
        }

    def load(self) -> tuple[str, bool] | None:
        """(the word, whether it is of the same kind and source); None when there is no state.

        Raises `UnwritableError` for the state of another object: what it finds would be lost.
        """
        try:
            said = json.loads(self._path.read_bytes())
            word, kind = str(said["word"]), str(said["kind"])
            same = {key: said.get(key) for key in self._header} == self._header
            ours = (said["object"], said["endpoint"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._unusable("it is no readable state of an upload") from error
        if ours != (self._header["object"], self._header["endpoint"]):
            raise self._unusable(f"it belongs to the upload of {said['object']}")
        if kind != self._header["kind"]:
            raise self._unusable(f"it belongs to an upload of the kind {kind}")
        return word, same

    def save(self, word: str) -> None:
        """Keep `word`, durably. Raises `UnwritableError`."""
        partial = self._path.with_name(self._path.name + ".partial")
        try:
            file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, json.dumps({**self._header, "word": word}).encode())
                os.fsync(file)
            finally:
                os.close(file)
            partial.replace(self._path)
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from error

    def remove(self) -> None:
        """Forget the upload; safe to repeat."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _unusable(self, detail: str) -> UnwritableError:
        return UnwritableError(file=str(self._path), offset=0, detail=detail)
