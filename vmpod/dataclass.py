"""`dataclass` as the standard library's, but completed when a class is first used.

The standard decorator compiles half a dozen methods for each class as its module is imported: 0.3 ms of work.
A command imports a hundred such classes, and makes instances of a few. That was half of what imports took.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

_FIELDS = "__dataclass_fields__"
_METHODS = ("__init__", "__repr__", "__eq__", "__hash__")
_PLAIN = ("__dataclass_params__", "__match_args__")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - what type checkers know by heart
else:

    def dataclass(cls=None, /, *, eq=True, frozen=False, repr=True):  # noqa: A002 - the standard library's names
        """See dataclasses.dataclass; it takes of its options what is used here.

        Until the class is used, class attributes are what its body says: a field() among them.
        """

        def decorate(cls: type) -> type:
            return _postpone(cls, eq=eq, frozen=frozen, repr=repr)

        return decorate if cls is None else decorate(cls)


class _Fields:
    """Stands for the fields. Who asks for them, as replace() or a derived class does, completes the class."""

    def __init__(self, complete: Callable[[], None]) -> None:
        self._complete = complete

    def __get__(self, _instance: object, owner: type) -> Any:
        self._complete()
        return getattr(owner, _FIELDS)


def _postpone(cls: type[T], **options: bool) -> type[T]:
    """Give a class methods that complete it, and then do what they are called for."""
    postponed = [name for name in _METHODS if name not in vars(cls)]
    if options["eq"] and not options["frozen"]:
        # As the standard decorator has it: what is compared by its fields, which may change, has no hash.
        postponed.remove("__hash__")
        setattr(cls, "__hash__", None)  # noqa: B010 - mypy takes it for a method's place
    lock = RLock()

    def complete() -> None:
        with lock:
            # Another thread, or the fields of a derived class, may have been quicker.
            if isinstance(vars(cls).get(_FIELDS), _Fields):
                _complete(cls, postponed, options)

    for name in postponed:
        setattr(cls, name, _completing(cls, name, complete))
    if options["frozen"]:
        setattr(cls, "__setattr__", _refusing(cls, "__setattr__", "assign to"))  # noqa: B010
        setattr(cls, "__delattr__", _refusing(cls, "__delattr__", "delete"))  # noqa: B010
    setattr(cls, _FIELDS, _Fields(complete))
    return cls


def _complete(cls: type, postponed: Sequence[str], options: Mapping[str, bool]) -> None:
    """Give a class what the standard decorator makes of a copy of it.

    So it has each of its methods at any time, old or new: another thread may be making an instance.
    """
    own = {*postponed, _FIELDS, "__dict__", "__weakref__", "__setattr__", "__delattr__"}
    copy = type(cls)(cls.__name__, cls.__bases__, {name: vars(cls)[name] for name in vars(cls).keys() - own})
    made = vars(dataclasses.dataclass(**options)(copy))
    for name, value in dict(vars(cls)).items():
        if isinstance(value, dataclasses.Field):
            # It has the default, if it has one.
            if name in made:
                setattr(cls, name, made[name])
            else:
                delattr(cls, name)
    # Last the fields: with them it is complete.
    for name in (*_PLAIN, *postponed, _FIELDS):
        if name in made:
            setattr(cls, name, made[name])
        elif name in postponed:
            delattr(cls, name)


def _refusing(cls: type, method: str, doing: str) -> Callable[..., None]:
    def refuse(self: object, name: str, *value: object) -> None:
        if type(self) is cls or name in getattr(cls, _FIELDS):
            raise dataclasses.FrozenInstanceError(f"cannot {doing} field {name!r}")
        getattr(super(cls, self), method)(name, *value)

    return refuse


def _completing(cls: type, name: str, complete: Callable[[], None]) -> Callable[..., Any]:
    def method(self: object, *arguments: object, **named: object) -> Any:
        complete()
        # Of this class: an instance of a derived one may have a method of its own, which has called this.
        return getattr(cls, name)(self, *arguments, **named)

    return method
