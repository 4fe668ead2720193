"""What the API takes for fields that have no effect: an API server refuses anything else, and so does vmpod.

A shape says no more than is needed to tell a manifest that a cluster would take from one that it would not.
Of nothing at all (`null`) is every one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vmpod.dataclass import dataclass
from vmpod.spec import names
from vmpod.spec.words import either, nearest, shown

if TYPE_CHECKING:
    from vmpod.spec.reader import Place

MAX_INT32 = 2**31 - 1
MAX_PORT = 65535


class Shape(ABC):
    """What a value may be."""

    def check(self, place: Place) -> None:
        """Report what is not of this shape."""
        if place.node.value is not None:
            self._check(place)

    @abstractmethod
    def _check(self, place: Place) -> None: ...


@dataclass(frozen=True)
class Text(Shape):
    """A string. words: those that it may be; rule: says what is wrong with it, or None."""

    words: tuple[str, ...] = ()
    rule: Callable[[str], str | None] | None = None

    def _check(self, place: Place) -> None:
        value = place.node.value
        if self.words and isinstance(value, str) and value not in self.words:
            place.wrong(f"must be {either(tuple(filter(None, self.words)))}, not {shown(value)}")
        else:
            # The API's zero value is none, and has no rule to follow.
            place.text(self.rule if value != "" else None)


@dataclass(frozen=True)
class Whole(Shape):
    """A whole number."""

    low: int = 0
    high: int = MAX_INT32

    def _check(self, place: Place) -> None:
        place.integer(self.low, self.high)


@dataclass(frozen=True)
class Truth(Shape):
    """true or false."""

    def _check(self, place: Place) -> None:
        place.boolean()


@dataclass(frozen=True)
class Amount(Shape):
    """A quantity."""

    def _check(self, place: Place) -> None:
        place.quantity()


@dataclass(frozen=True)
class Share(Shape):
    """A whole number, or a percentage."""

    def _check(self, place: Place) -> None:
        value = place.node.value
        if not isinstance(value, str):
            place.integer(0, MAX_INT32)
        elif not (value.endswith("%") and value[:-1].isdecimal()):
            place.wrong(f"{shown(value)} must be a whole number, or a percentage such as 25%")


@dataclass(frozen=True)
class Target(Shape):
    """A port's number, or its name."""

    def _check(self, place: Place) -> None:
        if isinstance(place.node.value, str):
            place.text(names.port_name)
        else:
            place.integer(1, MAX_PORT)


@dataclass(frozen=True)
class Many(Shape):
    """A list of one shape."""

    of: Shape

    def _check(self, place: Place) -> None:
        for item in place.items():
            self.of.check(item)


@dataclass(frozen=True)
class Free(Shape):
    """A mapping with keys of the user's own."""

    of: Shape

    def _check(self, place: Place) -> None:
        for _, value in place.entries():
            self.of.check(value)


@dataclass(frozen=True)
class Known(Shape):
    """A mapping with the fields of a type of the API."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()

    def _check(self, place: Place) -> None:
        # Their paths are those of fields, not of keys.
        given = {name: place.child(name) for name, _ in place.entries()}
        for name, inner in given.items():
            if name in self.fields:
                self.fields[name].check(inner)
            else:
                inner.wrong(f"unknown field{nearest(name, self.fields.keys())}")
        if isinstance(place.node.value, Mapping):
            for name in self.required:
                if name not in given or given[name].node.value is None:
                    place.child(name).wrong("is required")
