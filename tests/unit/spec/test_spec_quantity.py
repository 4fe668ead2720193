"""Quantities: the grammar, exact values, rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.spec import quantity

SCALES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("+5", 5),
        ("-1.5", Fraction(-3, 2)),
        ("5.", 5),
        (".5", Fraction(1, 2)),
        ("0.1", Fraction(1, 10)),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("12e-1", Fraction(6, 5)),
        ("1E", 10**18),
        ("1.5Gi", 3 * 2**29),
        ("9223372036854775807", quantity.MAX),
        ("1e-400", Fraction(1, 10**400)),
    ],
)
def test_value(text: str, value: Fraction | int) -> None:
    assert quantity.parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "m", "1 Gi", " 1", "1\n", "1K", "1ki", "1mi", "1e", "1e1.5", "1Ee3", "1Ki3", "0x10", "1_000",
        "--1", "1..2", "inf", "nan", "٣", "1e401", "9223372036854775808", "16Ei", "9" * 65,
    ],
)  # fmt: skip
def test_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|too large|exponent"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "whole", "milli"), [("1m", 1, 1), ("0.0001", 1, 1), ("-1m", -1, -1), ("2", 2, 2000)]
)
def test_rounding_is_away_from_zero(text: str, whole: int, milli: int) -> None:
    assert quantity.whole(quantity.parse(text)) == whole
    assert quantity.thousandths(quantity.parse(text)) == milli


@given(
    st.integers(min_value=0, max_value=10**6),
    st.text("0123456789", max_size=9),
    st.sampled_from(sorted(SCALES)),
)
def test_number_times_scale(integer: int, decimals: str, suffix: str) -> None:
    number = Fraction(integer) + Fraction(int(decimals or "0"), 10 ** len(decimals))
    text = f"{integer}.{decimals}{suffix}"
    if number * SCALES[suffix] <= quantity.MAX:
        assert quantity.parse(text) == number * SCALES[suffix]
    else:
        with pytest.raises(ValueError, match="too large"):
            quantity.parse(text)


@given(st.text("0123456789.+-eEinumkKMGTP", max_size=12))
def test_nothing_but_value_error(text: str) -> None:
    try:
        value = quantity.parse(text)
    except ValueError:
        return
    assert abs(value) <= quantity.MAX
