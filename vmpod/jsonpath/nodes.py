"""What a template consists of. Each node makes values out of values; `place` is where it stands (1-based)."""

from __future__ import annotations

from vmpod.dataclass import dataclass
from vmpod.errors import UsageError


class JsonPathError(UsageError):
    """The template is wrong, or asks of the data what it cannot give."""


@dataclass(frozen=True)
class Text:
    """Text outside of braces, and quoted text inside."""

    text: str


@dataclass(frozen=True)
class Literal:
    """A number or a truth value, as filters compare with."""

    value: object


@dataclass(frozen=True)
class Field:
    """`.name` or `['name']`."""

    name: str


@dataclass(frozen=True)
class Wildcard:
    """`.*` or `[*]`: every value of an object or list."""


@dataclass(frozen=True)
class Recursive:
    """`..`: the value and everything in it that holds values."""


@dataclass(frozen=True)
class Slice:
    """`[n]` and `[start:end:step]`. single: exactly the one at start."""

    start: int | None
    end: int | None
    step: int
    single: bool
    place: int


@dataclass(frozen=True)
class Union:
    """`[a,b]`: what each alternative gives, one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Filter:
    """`[?(left operator right)]`; the operator 'exists' has no right side."""

    left: tuple[Node, ...]
    operator: str
    right: tuple[Node, ...]
    place: int


@dataclass(frozen=True)
class Action:
    """One pair of braces: each node takes what the one before gave."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Range:
    """`{range over}body{end}`: the body for each value."""

    over: Action
    body: tuple[Node, ...]


Node = Text | Literal | Field | Wildcard | Recursive | Slice | Union | Filter | Action | Range
