"""Every field of a manifest and what becomes of it: the parser and the documentation read this table.

Source of the names: the Kubernetes API reference (core/v1, meta/v1). A field that is in no table here is
unknown, which is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from enum import Enum
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.spec.shapes import Shape


class Effect(Enum):
    """What becomes of a field."""

    WORKS = "works"
    DIFFERS = "works differently"
    NOTED = "no effect"
    SILENT = "no effect, not mentioned"
    REFUSED = "refused"

    @property
    def read(self) -> bool:
        """Whether the field does something."""
        return self in (Effect.WORKS, Effect.DIFFERS)


@dataclass(frozen=True)
class Field:
    """A field of one type.

    text: a remark for one that works, the reason for any other.
    same_as_absent: values with which the API means what it means by leaving the field out; they are
    accepted without a word. `null` always is.
    shape: what the API takes, for one that is read no further; None where any value will do.
    """

    name: str
    effect: Effect
    text: str = ""
    same_as_absent: tuple[Any, ...] = ()
    shape: Shape | None = None


@dataclass(frozen=True)
class Table:
    """The fields of one type of the API.

    unknown: what to say of a name that is not here.
    """

    title: str
    fields: tuple[Field, ...]
    unknown: str = "unknown field"
    _by_name: dict[str, Field] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update((entry.name, entry) for entry in self.fields)

    def get(self, name: str) -> Field | None:
        """The field of that name."""
        return self._by_name.get(name)

    @property
    def names(self) -> list[str]:
        """The names of all fields."""
        return list(self._by_name)


def works(*names: str, text: str = "") -> list[Field]:
    """Fields that work as the API reference says."""
    return [Field(name, Effect.WORKS, text) for name in names]


def differs(*names: str, text: str) -> list[Field]:
    """Fields that work, but not in every way as the API reference says."""
    return [Field(name, Effect.DIFFERS, text) for name in names]


def noted(*names: str, why: str, absent: Iterable[Any] = (), shape: Shape | None = None) -> list[Field]:
    """Fields that can have no effect on one node: accepted, and said once."""
    return [Field(name, Effect.NOTED, why, tuple(absent), shape) for name in names]


def silent(*names: str, why: str, shape: Shape | None = None) -> list[Field]:
    """Fields that are accepted without a word."""
    return [Field(name, Effect.SILENT, why, shape=shape) for name in names]


def refused(*names: str, why: str = "vmpod cannot do this yet", absent: Iterable[Any] = ()) -> list[Field]:
    """Fields that would change what the pod does, and that vmpod cannot honour."""
    return [Field(name, Effect.REFUSED, why, tuple(absent)) for name in names]


def table(title: str, *groups: list[Field], unknown: str = "unknown field") -> Table:
    """A table of groups of fields."""
    return Table(title, tuple(entry for group in groups for entry in group), unknown)
