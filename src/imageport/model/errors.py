"""The one error family: a code, a plain sentence, a remedy, and data.

An error class states its three texts once, as templates; an instance carries the data that fills
them in. The same object is what Python raises, what `--json` prints and what an API would return.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ImageportError(Exception):
    """Base of everything imageport raises on purpose.

    Subclasses set `code` (dotted, stable), `sentence` and `remedy` (`str.format` templates over the
    keyword arguments given). These are kept as `data` and must be JSON-serialisable.
    """

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong: {detail}."
    remedy: ClassVar[str] = "Please report this with the log."

    def __init__(self, **data: Any) -> None:
        self.data = data
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by class and data: `Exception` alone would call the class with its message."""
        return _rebuild, (type(self), self.data)

    @property
    def message(self) -> str:
        """The sentence with its data filled in."""
        return self.sentence.format(**self.data)

    @property
    def advice(self) -> str:
        """The remedy with its data filled in."""
        return self.remedy.format(**self.data)

    def as_dict(self) -> dict[str, Any]:
        """What `--json`, the engine and the job store carry: code, sentence, remedy, data."""
        return {
            "code": self.code,
            "sentence": self.message,
            "remedy": self.advice,
            "data": self.data,
        }


def _rebuild(kind: type[ImageportError], data: dict[str, Any]) -> ImageportError:
    return kind(**data)


class RemoteError(ImageportError):
    """An error that happened on the other side of a wire and is passed on as it was said."""

    def __init__(self, code: str, sentence: str, remedy: str, data: dict[str, Any]) -> None:
        self._texts = (code, sentence, remedy)
        super().__init__(**data)
        self.code = code  # type: ignore[misc]  # per instance here, per class everywhere else

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what was said."""
        return type(self), (*self._texts, self.data)

    @property
    def message(self) -> str:
        """The sentence as the other side said it."""
        return self._texts[1]

    @property
    def advice(self) -> str:
        """The remedy as the other side said it."""
        return self._texts[2]

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> RemoteError:
        """Rebuild from `ImageportError.as_dict()` of the other side."""
        return cls(said["code"], said["sentence"], said["remedy"], said.get("data", {}))
