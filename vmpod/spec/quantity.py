"""Kubernetes quantities: '250m', '1.5Gi', '2e3'. Exact, on fractions: no value is rounded on the way in.

Source of the grammar: the Kubernetes API reference, "Quantity" (apimachinery resource.Quantity):

    quantity ::= sign? number suffix
    number   ::= digits | digits '.' digits | digits '.' | '.' digits
    suffix   ::= Ki Mi Gi Ti Pi Ei | n u m '' k M G T P E | ('e' | 'E') sign? digits
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

MAX = 2**63 - 1
"""The largest quantity that Kubernetes can hold."""

# Nobody writes longer ones; the bound keeps 10**exponent small whatever the input.
_MAX_LENGTH = 64
_MAX_EXPONENT = 400

_SYNTAX = re.compile(
    r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]+))?", re.ASCII
)

# Powers of ten and of two.
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(text: str) -> Fraction:
    """The value of a quantity. Raises ValueError, saying what is wrong, in words for the user."""
    # Slow to import (it takes decimal along), and most commands read no quantity.
    from fractions import Fraction  # noqa: PLC0415

    found = _SYNTAX.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        raise ValueError("must be a quantity such as 250m, 0.5, 64Mi or 2G")
    sign, number, suffix, exponent = found.groups()
    power = _DECIMAL.get(suffix, 0) if suffix else int(exponent or "0")
    if abs(power) > _MAX_EXPONENT:
        raise ValueError(f"has an exponent beyond {_MAX_EXPONENT}")
    value: Fraction = Fraction(f"{number}0" if number.endswith(".") else number)
    value *= Fraction(10) ** power * 2 ** _BINARY.get(suffix, 0)
    if value > MAX:
        raise ValueError(f"is too large: the most is {MAX}")
    return -value if sign == "-" else value


def whole(value: Fraction) -> int:
    """The value as an integer, rounded away from zero, as Kubernetes does (`Quantity.Value()`)."""
    size = -(-abs(value.numerator) // value.denominator)
    return size if value >= 0 else -size


def thousandths(value: Fraction) -> int:
    """The value in thousandths, rounded away from zero (`Quantity.MilliValue()`)."""
    return whole(value * 1000)
