"""Kubernetes quantities: '250m', '1.5Gi', '2e3'. Exact, on fractions: no value is rounded on the way in.

Source of the grammar: the Kubernetes API reference, "Quantity" (apimachinery resource.Quantity):

    quantity ::= sign? number suffix
    number   ::= digits | digits '.' digits | digits '.' | '.' digits
    suffix   ::= Ki Mi Gi Ti Pi Ei | n u m '' k M G T P E | ('e' | 'E') sign? digits
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX = 2**63 - 1
"""The largest quantity that Kubernetes can hold."""

# Nobody writes longer ones; the bound keeps 10**exponent small whatever the input.
_MAX_LENGTH = 64
_MAX_EXPONENT = 400

_SYNTAX = re.compile(
    r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]+))?", re.ASCII
)

_SCALE = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "k": Fraction(1000)}
_SCALE |= {suffix: Fraction(1000 ** (power + 2)) for power, suffix in enumerate("MGTPE")}
_SCALE |= {f"{suffix}i": Fraction(1024 ** (power + 1)) for power, suffix in enumerate("KMGTPE")}


def parse(text: str) -> Fraction:
    """The value of a quantity. Raises ValueError, saying what is wrong, in words for the user."""
    found = _SYNTAX.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        raise ValueError("must be a quantity such as 250m, 0.5, 64Mi or 2G")
    sign, number, suffix, exponent = found.groups()
    value = Fraction(f"{number}0" if number.endswith(".") else number) * _scale(suffix, exponent)
    if value > MAX:
        raise ValueError(f"is too large: the most is {MAX}")
    return -value if sign == "-" else value


def _scale(suffix: str | None, exponent: str | None) -> Fraction:
    if suffix:
        return _SCALE[suffix]
    power = int(exponent or "0")
    if abs(power) > _MAX_EXPONENT:
        raise ValueError(f"has an exponent beyond {_MAX_EXPONENT}")
    return Fraction(10) ** power


def whole(value: Fraction) -> int:
    """The value as an integer, rounded away from zero, as Kubernetes does (`Quantity.Value()`)."""
    size = -(-abs(value.numerator) // value.denominator)
    return size if value >= 0 else -size


def thousandths(value: Fraction) -> int:
    """The value in thousandths, rounded away from zero (`Quantity.MilliValue()`)."""
    return whole(value * 1000)
