"""Our dataclass is the standard library's, only later."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, field
from threading import Barrier, Thread
from typing import Any

import pytest

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class Point:
    """Two numbers, and names."""

    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Named(Point):
    name: str = ""


@dataclass
class Changing:
    x: int


@dataclass(eq=False, repr=False)
class Plain:
    x: int


@dataclass(frozen=True)
class Own:
    x: int

    def __repr__(self) -> str:
        return "own"


class Derived(Point):
    def __init__(self) -> None:
        super().__init__(1, 2)


def fresh() -> Any:
    """A class that nobody has used."""

    @dataclass(frozen=True)
    class Fresh:
        x: int
        y: int = 7

    return Fresh


def test_an_instance() -> None:
    found = fresh()(1)
    assert (found.x, found.y) == (1, 7)
    assert repr(found).endswith("Fresh(x=1, y=7)")
    with pytest.raises(FrozenInstanceError):
        found.x = 2


def test_equality_and_hash() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Named(1, 2)
    assert {Own(1): "one", Own(2): "two"}[Own(1)] == "one"


def test_one_that_may_change_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Changing(1))
    assert Changing.__hash__ is None


def test_without_equality_each_instance_is_itself() -> None:
    one = Plain(1)
    assert one != Plain(1)
    assert one == one  # noqa: PLR0124 - by identity
    assert hash(one) == hash(one)
    assert "object at" in repr(one)


def test_a_method_of_the_body_stays() -> None:
    assert repr(Own(1)) == "own"


def test_the_fields_of_a_base_come_first() -> None:
    assert [each.name for each in dataclasses.fields(Named)] == ["x", "y", "names", "name"]
    assert Named(1, 2, [], "n") == Named(1, 2, [], "n")


def test_a_derived_class_that_is_none() -> None:
    assert Derived() == Derived()
    assert Derived().y == 2


@pytest.mark.parametrize("use", [dataclasses.fields, dataclasses.is_dataclass, lambda cls: cls(3)])
def test_whoever_uses_it_first_completes_it(use: Any) -> None:
    cls = fresh()
    use(cls)
    assert cls(3) == cls(3, 7)
    assert dataclasses.replace(cls(3), y=8).y == 8


def test_an_instance_that_was_not_made_by_init() -> None:
    """As pickle makes them, in a process that has not used the class."""
    cls = fresh()
    bare = object.__new__(cls)
    bare.__dict__.update(x=1, y=2)
    assert bare == cls(1, 2)
    other = object.__new__(fresh())
    other.__dict__.update(x=1, y=2)
    assert dataclasses.replace(other, y=3).y == 3


def test_by_pickle() -> None:
    assert pickle.loads(pickle.dumps(Point(1, 2, ["a"]))) == Point(1, 2, ["a"])


@pytest.fixture
def hurry() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurry")
def test_used_by_many_threads_at_first() -> None:
    for _ in range(50):
        cls, barrier = fresh(), Barrier(4)
        found: list[Any] = []

        def use(cls: Any = cls, barrier: Barrier = barrier, found: list[Any] = found) -> None:
            barrier.wait()
            found.append(cls(1))

        threads = [Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [cls(1)] * 4


def test_importing_completes_only_what_is_made_there() -> None:
    """What it is for."""
    program = (
        "import dataclasses; real = dataclasses._process_class; seen = []\n"
        "def noting(cls, *rest): seen.append(cls.__name__); return real(cls, *rest)\n"
        "dataclasses._process_class = noting\n"
        "from vmpod.spec.model import Container, Pod\n"
        "assert 'LogLimits' not in seen and 'Container' not in seen and len(seen) < 10, seen\n"
        "dataclasses.fields(Container)\n"
        "assert 'Container' in seen\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
