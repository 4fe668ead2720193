"""Label selectors, as `-l` takes them.

Source: kubernetes.io, "Labels and Selectors": `a=b`, `a==b`, `a!=b`, `a in (x, y)`, `a notin (x, y)`,
`a`, `!a`; a comma means "and". As there, `!=` and `notin` are also true of objects without the label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from vmpod.errors import UsageError

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"\s*({_NAME})\s+(in|notin)\s*\(([^()]*)\)\s*")
_EQUAL = re.compile(rf"\s*({_NAME})\s*(==|=|!=)\s*({_VALUE})\s*")
_THERE = re.compile(rf"\s*(!?)\s*({_NAME})\s*")
_VALUE_ALONE = re.compile(_VALUE)
_MAX_LENGTH = 64 * 1024


def parse(text: str) -> Selector:
    """The question that a selector asks of labels. Raises UsageError."""
    if len(text) > _MAX_LENGTH:
        raise UsageError("the selector is too long")
    requirements: list[Selector] = []
    position = 0
    while text.strip():
        requirement, position = _requirement(text, position)
        requirements.append(requirement)
        if position == len(text):
            break
        if text[position] != ",":
            raise _error(text, position)
        position += 1
    return lambda labels: all(holds(labels) for holds in requirements)


def _requirement(text: str, position: int) -> tuple[Selector, int]:
    if found := _SET.match(text, position):
        return _in(found, text), found.end()
    if found := _EQUAL.match(text, position):
        return _equal(*found.groups()), found.end()
    if found := _THERE.match(text, position):
        return _there(found[2], wanted=not found[1]), found.end()
    raise _error(text, position)


def _in(found: re.Match[str], text: str) -> Selector:
    name, wanted = found[1], found[2] == "in"
    values = {value.strip() for value in found[3].split(",")}
    if not all(_VALUE_ALONE.fullmatch(value) for value in values):
        raise _error(text, found.start(3))
    return lambda labels: (name in labels and labels[name] in values) is wanted


def _equal(name: str, operator: str, value: str) -> Selector:
    return lambda labels: (labels.get(name) == value) is (operator != "!=")


def _there(name: str, *, wanted: bool) -> Selector:
    return lambda labels: (name in labels) is wanted


def _error(text: str, position: int) -> UsageError:
    return UsageError(
        f"the selector {text!r} has no meaning from character {position + 1} on",
        hint="it is as kubectl's: a=b, a!=b, a in (x,y), a notin (x,y), a, !a; a comma means 'and'",
    )
