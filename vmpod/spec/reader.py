"""Reads a tree by the table of fields: every field is checked, none is passed over.

A `Place` is one value and where it stands; a `Record` is a mapping whose field names have been checked
against a table. Their getters put what is wrong into the report and return a harmless default, so that
the reading goes on and every fault is found in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from vmpod.dataclass import dataclass
from vmpod.errors import Problem
from vmpod.spec import quantity
from vmpod.spec.fields import Effect, Field, Table
from vmpod.spec.report import Report
from vmpod.spec.scalars import describe
from vmpod.spec.tree import MAX_PATH, Node
from vmpod.spec.words import either, nearest, shown

if TYPE_CHECKING:
    from fractions import Fraction

PLACEHOLDER = "xxxxx"
"""Stands for the letters at the end of a generated name where nothing is made of it."""

Rule = Callable[[str], str | None]
"""Says what is wrong with a string, or None."""


class Context(Report):
    """A report that also takes notes: fields that were accepted and have no effect."""

    def __init__(self, source: str, suffix: Callable[[], str] = lambda: PLACEHOLDER) -> None:
        super().__init__(source)
        self.suffix = suffix
        """What stands at the end of a name that is generated, new each time."""
        self.unnamed: list[Problem] = []
        """Where names are generated: what is to be found again cannot have such a one."""
        self.notes: list[str] = []
        self.services: list[Place] = []
        """Documents that are Services: they have no effect, but pods may speak of them."""
        self.containers_named: list[Place] = []
        """Where the pod that is being read speaks of a container of its own."""


@dataclass(frozen=True)
class Place:
    """A value of the manifest and its field path."""

    node: Node
    path: str
    context: Context

    def wrong(self, message: str) -> None:
        """Report a fault here."""
        self.context.problem(self.node.line, self.path, message)

    def note(self, why: str) -> None:
        """Say once that what stands here has no effect."""
        self.context.notes.append(f"{self.path} has no effect: {why}")

    def child(self, name: str | int) -> Place:
        """A place inside; this place, under the child's path, where the manifest has none."""
        path = f"{self.path}[{name}]" if isinstance(name, int) else f"{self.path}.{name}".removeprefix(".")
        value = self.node.value
        node = None
        if isinstance(value, Mapping):
            node = value.get(str(name))
        elif isinstance(value, tuple) and isinstance(name, int):
            node = value[name] if name < len(value) else None
        return Place(node or self.node, path[:MAX_PATH], self.context)

    def string(self, *, secret: bool = False) -> str | None:
        """Any string, else None. A secret value is not repeated in the message."""
        value = self.node.value
        if isinstance(value, str):
            return value
        example = f' ("{self.node.text}")' if self.node.text and not secret else ""
        scalar = isinstance(value, bool | int | float)
        self.wrong(f"must be a string, not {describe(value)}" + f": write it in quotes{example}" * scalar)
        return None

    def text(self, rule: Rule | None = None) -> str:
        """A string without NUL that satisfies the rule, else ''."""
        value = self.string()
        if value is None:
            return ""
        if "\0" in value:
            self.wrong("must not contain the character NUL")
            return ""
        fault = rule(value) if rule else None
        if fault:
            self.wrong(f"{shown(value)} {fault}")
        return "" if fault else value

    def integer(self, low: int, high: int, *, words: str = "") -> int | None:
        """A whole number from low to high, else None. words: the range, where decimals do not tell it."""
        value = self.node.value
        if isinstance(value, bool) or not isinstance(value, int):
            what = describe(value) if not isinstance(value, float) else self.node.text
            unquote = ": write it without quotes" * (isinstance(value, str) and value.isdecimal())
            self.wrong(f"must be a whole number, not {what}{unquote}")
            return None
        if not low <= value <= high:
            self.wrong(f"must be {words or f'between {low} and {high}'}, not {value}")
            return None
        return value

    def boolean(self) -> bool | None:
        """true or false, else None."""
        if isinstance(self.node.value, bool):
            return self.node.value
        unquote = ": write it without quotes" * (self.node.value in ("true", "false"))
        self.wrong(f"must be true or false, not {describe(self.node.value)}{unquote}")
        return None

    def quantity(self) -> Fraction | None:
        """A quantity that is not negative, written as a string or a number, else None."""
        value = self.node.value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.wrong(f"must be a quantity such as 250m or 64Mi, not {describe(value)}")
            return None
        try:
            amount = quantity.parse(str(value))
        except ValueError as error:
            self.wrong(f"{shown(str(value))} {error}")
            return None
        if amount < 0:
            self.wrong("must not be negative")
            return None
        return amount

    def items(self) -> Iterator[Place]:
        """The entries of a list; nothing stands for an empty one."""
        value = self.node.value
        if not isinstance(value, tuple):
            if value is not None:
                self.wrong(f"must be a list, not {describe(value)}")
            return
        for index, node in enumerate(value):
            yield Place(node, f"{self.path}[{index}]", self.context)

    def entries(self) -> Iterator[tuple[str, Place]]:
        """The entries of a mapping with free keys; nothing stands for an empty one."""
        value = self.node.value
        if not isinstance(value, Mapping):
            if value is not None:
                self.wrong(f"must be a mapping, not {describe(value)}")
            return
        for key, node in value.items():
            yield key, Place(node, _free(self.path, key), self.context)

    def record(self, table: Table) -> Record | None:
        """A mapping with the fields of a table, all of them checked; None if it is no mapping."""
        if not isinstance(self.node.value, Mapping):
            self.wrong(f"must be a mapping, not {describe(self.node.value)}")
            return None
        return Record(self, {name: place for name, place in self._fields(table) if place})

    def _fields(self, table: Table) -> Iterator[tuple[str, Place | None]]:
        assert isinstance(self.node.value, Mapping)
        for name in self.node.value:
            yield name, _admit(self.child(name), name, table)


@dataclass(frozen=True)
class Record:
    """A mapping whose field names have been checked; only the fields that work are kept."""

    place: Place
    fields: Mapping[str, Place]

    @property
    def partial(self) -> bool:
        """Was some field given that does not work, and reported for it?"""
        return isinstance(self.place.node.value, Mapping) and len(self.fields) < len(self.place.node.value)

    def get(self, name: str) -> Place | None:
        """The field, or None where it is not given; `null` is as good as not given."""
        place = self.fields.get(name)
        return None if place is None or place.node.value is None else place

    def require(self, name: str) -> Place | None:
        """The field; it is a fault not to give it."""
        place = self.get(name)
        if place is None:
            self.wrong(name, "is required")
        return place

    def wrong(self, name: str, message: str) -> None:
        """Report a fault of a field, given or not."""
        place = self.fields.get(name)
        if place is None:
            place = self.place.child(name)
        place.wrong(message)

    def text(self, name: str, rule: Rule | None = None, *, default: str = "", required: bool = False) -> str:
        """A string; a required one must not be empty."""
        place = self.require(name) if required else self.get(name)
        if place is None:
            return default
        if place.node.value == "":
            if required:
                place.wrong("is required")
            return default
        return place.text(rule) or default

    def integer(self, name: str, low: int, high: int, *, words: str = "") -> int | None:
        """A whole number, or None where it is not given or wrong."""
        place = self.get(name)
        return place.integer(low, high, words=words) if place else None

    def boolean(self, name: str) -> bool:
        """True or False, which is also the default."""
        place = self.get(name)
        return bool(place and place.boolean())

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        place = self.get(name)
        if place is None:
            return default
        value = place.text()
        if value in allowed:
            return value
        if isinstance(place.node.value, str):
            place.wrong(f"must be {either(allowed)}, not {shown(value)}")
        return default

    def items(self, name: str) -> Iterator[Place]:
        """The entries of a list, which may be missing."""
        place = self.get(name)
        return place.items() if place else iter(())

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(item.text() for item in self.items(name))

    def records(self, name: str, table: Table) -> Iterator[Record]:
        """The entries of a list of mappings."""
        for item in self.items(name):
            if record := item.record(table):
                yield record

    def record(self, name: str, table: Table) -> Record | None:
        """A mapping inside, or None."""
        place = self.get(name)
        return place.record(table) if place else None


def _admit(place: Place, name: str, table: Table) -> Place | None:
    """The place if its field works, else None, after saying what there is to say."""
    field = table.get(name)
    if field is None:
        place.wrong(f"{table.unknown}{nearest(name, table.names)}")
        return None
    if field.effect.read:
        return place
    if field.shape is not None:
        field.shape.check(place)
    if field.effect is not Effect.SILENT and not _says_nothing(place.node, field):
        if field.effect is Effect.NOTED:
            place.note(field.text)
        else:
            place.wrong(f"is not supported: {field.text}")
    return None


def _says_nothing(node: Node, field: Field) -> bool:
    """Is the value one that is the same as leaving the field out?"""
    value = node.plain() if field.same_as_absent else node.value
    # The types must agree as well: False == 0 for Python, not for the API.
    return value is None or any(value == same and type(value) is type(same) for same in field.same_as_absent)


def _free(path: str, key: str) -> str:
    return f"{path}[{shown(key)}]"
