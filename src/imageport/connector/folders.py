"""Which files jobs may touch: those below the folders that the connector was started with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imageport.connector.errors import OutsideFolders


class Folders:
    """Folders that are open to jobs; links are followed before anything is judged."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folder.resolve() for folder in folders)

    def inside(self, path: str) -> str:
        """The absolute path; a relative one is below the first folder. Raises OutsideFolders."""
        found = self._folders[0].joinpath(path).resolve()
        if not any(found.is_relative_to(folder) and found != folder for folder in self._folders):
            raise OutsideFolders(path=path, folders=", ".join(map(str, self._folders)))
        return str(found)

    def maybe_inside(self, path: str | None) -> str | None:
        """The same for what may be left out."""
        return None if path is None else self.inside(path)
