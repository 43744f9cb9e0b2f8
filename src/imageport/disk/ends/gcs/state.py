"""What an upload must remember to be gone on with, in a small file here."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from imageport.disk.ends.gcs.place import GcsPlace
from imageport.disk.errors import UnwritableError
from imageport.disk.kept import keep


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
        keep(self._path, [json.dumps({**self._header, "word": word}).encode()])

    def remove(self) -> None:
        """Forget the upload; safe to repeat."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _unusable(self, detail: str) -> UnwritableError:
        return UnwritableError(file=str(self._path), offset=0, detail=detail)
