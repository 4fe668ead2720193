"""Makes text out of nodes and data."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from vmpod.jsonpath.nodes import (
    Action,
    Field,
    Filter,
    JsonPathError,
    Literal,
    Node,
    Range,
    Recursive,
    Slice,
    Text,
    Union,
    Wildcard,
)

# Values that one rendering may look at: `..` within `..` would take for ever on data that is nested.
_BUDGET = 1_000_000
_MAX_OUTPUT = 64 * 1024 * 1024

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(nodes: Sequence[Node], data: Any) -> str:
    """The text of a template. Raises JsonPathError."""
    return "".join(_Evaluation().template(nodes, data))


def find(nodes: Sequence[Node], data: Any) -> list[Any]:
    """The values that a template's paths lead to. Raises JsonPathError."""
    return _Evaluation().values(nodes, data)


class _Evaluation:
    def __init__(self) -> None:
        self._left = _BUDGET
        self._room = _MAX_OUTPUT

    def template(self, nodes: Iterable[Node], data: Any) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, Text):
                yield self._said(node.text)
            elif isinstance(node, Range):
                for value in self._path(node.over.nodes, data):
                    self._count(1)
                    yield from self.template(node.body, value)
            elif isinstance(node, Action):
                for number, value in enumerate(self._path(node.nodes, data)):
                    yield self._said((" " if number else "") + text_of(value))

    def values(self, nodes: Iterable[Node], data: Any) -> list[Any]:
        return [value for node in nodes if isinstance(node, Action) for value in self._path(node.nodes, data)]

    def _said(self, text: str) -> str:
        self._room -= len(text)
        if self._room < 0:
            raise JsonPathError(f"jsonpath: the result is longer than {_MAX_OUTPUT} characters")
        return text

    def _count(self, number: int) -> None:
        self._left -= number
        if self._left < 0:
            raise JsonPathError(
                f"jsonpath: the template looks at more than {_BUDGET} values",
                hint="use '..' or '*' once, not again on what it has found",
            )

    def _path(self, nodes: Iterable[Node], data: Any) -> list[Any]:
        values = [data]
        for node in nodes:
            self._count(1)
            values = self._step(node, values)
        return values

    def _step(self, node: Node, values: list[Any]) -> list[Any]:
        if isinstance(node, Text):
            return [node.text]
        if isinstance(node, Literal):
            return [node.value]
        if isinstance(node, Union):
            return [each for part in node.parts for each in self._step(part, values)]
        found: list[Any] = []
        for value in values:
            # null is, in Kubernetes' API, what is not there.
            if value is not None:
                new = self._of(node, value)
                self._count(len(new) + 1)
                found += new
        return found

    def _of(self, node: Node, value: Any) -> list[Any]:
        if isinstance(node, Field):
            return [value[node.name]] if isinstance(value, dict) and node.name in value else []
        if isinstance(node, Wildcard):
            return _children(value)
        if isinstance(node, Recursive):
            return self._descend(value)
        if isinstance(node, Slice):
            return _cut(node, value)
        assert isinstance(node, Filter)
        return self._filtered(node, value)

    def _descend(self, value: Any) -> list[Any]:
        """The value and all below it that hold values, from above, in order."""
        found, waiting = [], [value]
        while waiting:
            each = waiting.pop()
            if children := _children(each):
                self._count(len(children))
                found.append(each)
                waiting += reversed(children)
        return found

    def _filtered(self, node: Filter, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise JsonPathError(
                f"jsonpath: a filter needs a list, not {_kind(value)}: at character {node.place}"
            )
        return [each for each in value if self._matches(node, each)]

    def _matches(self, node: Filter, value: Any) -> bool:
        left = self._path(node.left, value)
        if node.operator == "exists":
            return bool(left)
        right = self._path(node.right, value)
        if len(left) > 1 or len(right) > 1:
            raise JsonPathError(
                f"jsonpath: a filter compares one value with one other: at character {node.place}"
            )
        return bool(left and right) and _compare(node.operator, left[0], right[0])


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _cut(node: Slice, value: Any) -> list[Any]:
    where = f"at character {node.place}"
    if not isinstance(value, list):
        raise JsonPathError(f"jsonpath: only a list has numbered items, not {_kind(value)}: {where}")
    if not node.single:
        return value[node.start : node.end : node.step]
    assert node.start is not None
    if not -len(value) <= node.start < len(value):
        raise JsonPathError(
            f"jsonpath: array index out of bounds: index {node.start}, length {len(value)}: {where}"
        )
    return [value[node.start]]


def _compare(name: str, left: Any, right: Any) -> bool:
    """Values of different kinds are not equal, and neither is less."""
    if _order(left) != _order(right):
        return name == "!="
    if _order(left) == "other" and name not in {"==", "!="}:
        return False
    try:
        return _COMPARE[name](left, right)
    except RecursionError:
        return False


def _order(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "text" if isinstance(value, str) else "a plain value"


def text_of(value: Any) -> str:
    """A value as it is printed: text as it is, the rest as JSON. Raises JsonPathError."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise JsonPathError("jsonpath: the value is nested too deep to be printed") from None
