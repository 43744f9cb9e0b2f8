"""A YAML document as plain values, with the line that each of them is on.

Keys are found in any case: those of our documents have none. A key that is there twice is refused,
of which YAML's own readers take the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from imageport.workflow.errors import Problem, WorkflowInvalid

Place = tuple[str | int, ...]
"""Keys and numbers that lead to a value."""

_DEEPEST = 20
_MOST = 20_000
"""Values of a document: aliases of aliases would make any number of them."""


@dataclass
class Lines:
    """Where each value is."""

    _known: dict[Place, int] = field(default_factory=dict)

    def add(self, place: Place, line: int) -> None:
        """Of a key's value the key's own line, whose value may begin below it."""
        self._known.setdefault(_plain(place), line)

    def has(self, place: Place) -> bool:
        """Whether the document has such a value."""
        return _plain(place) in self._known

    def of(self, place: Place) -> int:
        """Of the value, or of the nearest one around it."""
        place = _plain(place)
        while place and place not in self._known:
            place = place[:-1]
        return self._known.get(place, 1)


def plain_key(key: object) -> str:
    """As keys are compared."""
    return str(key).casefold().replace("_", "")


def _plain(place: Place) -> Place:
    return tuple(each if isinstance(each, int) else plain_key(each) for each in place)


def read_document(path: str, text: str) -> tuple[Any, Lines]:
    """The values and their lines. Raises WorkflowInvalid."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            reading = _Reading(loader)
            return (None if root is None else reading.value(root, ())), reading.lines
        finally:
            loader.dispose()
    except _Refused as refused:
        raise WorkflowInvalid.of(path, [refused.problem]) from refused
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = Problem(mark.line + 1 if mark else 1, f"this is no YAML: {error.problem}")
        raise WorkflowInvalid.of(path, [problem]) from error
    except yaml.YAMLError as error:
        # Characters that YAML does not allow: their place is a number of characters.
        at = getattr(error, "position", 0)
        line = text.count("\n", 0, at) + 1 if isinstance(at, int) else 1
        problem = Problem(line, "this is no YAML: there are characters that no text has")
        raise WorkflowInvalid.of(path, [problem]) from error


class _Refused(Exception):
    def __init__(self, node: yaml.Node, text: str) -> None:
        self.problem = Problem(node.start_mark.line + 1, text)
        super().__init__(text)


class _Reading:
    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader, self._count = loader, 0
        self.lines = Lines()

    def value(self, node: yaml.Node, place: Place) -> Any:
        """The plain value of a node. Raises _Refused, yaml.YAMLError."""
        self._count += 1
        if len(place) > _DEEPEST or self._count > _MOST:
            raise _Refused(node, "there is too much in here")
        self.lines.add(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            values: list[yaml.Node] = node.value
            return [self.value(each, (*place, at)) for at, each in enumerate(values)]
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError) as error:
            raise _Refused(node, f"this is no value: {error}") from error

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        read: dict[str, Any] = {}
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        for key, value in pairs:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused(key, "a field's name must be a word")
            name = str(key.value)
            if name in read:
                raise _Refused(key, f"{name} is there twice")
            self.lines.add((*place, name), key.start_mark.line + 1)
            read[name] = self.value(value, (*place, name))
        return read
