"""The charts of the benchmarks: what they show stands where it should."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from bench.plot import Bar, Mark, bars, number, ticks

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*rows: Bar, marks: tuple[Mark, ...] = ()) -> ET.Element:
    return ET.fromstring(bars("A title", "s", rows, marks))


def boxes(chart: ET.Element) -> list[tuple[float, float]]:
    """Left end and width of each bar."""
    return [(float(box.attrib["x"]), float(box.attrib["width"])) for box in chart.iter(f"{SVG}rect")]


def texts(chart: ET.Element) -> list[str]:
    return [text.text or "" for text in chart.iter(f"{SVG}text")]


def test_bars_are_as_long_as_their_medians() -> None:
    (first, short), (second, long) = boxes(drawn(Bar("one", [1, 5, 1]), Bar("two", [4, 4, 0])))
    assert first == second
    assert long == pytest.approx(4 * short, rel=0.01)


def test_whiskers_go_from_the_least_to_the_most() -> None:
    chart = drawn(Bar("one", [1.0, 2.0, 4.0]))
    ((left, width),) = boxes(chart)
    whisker = next(path.attrib["d"] for path in chart.iter(f"{SVG}path"))
    begin, end = map(float, re.findall(r"[MH]([0-9.]+)", whisker)[:2])
    assert begin - left == pytest.approx(width / 2, abs=0.2)
    assert end - left == pytest.approx(width * 2, abs=0.2)


def test_a_mark_stands_at_its_value() -> None:
    chart = drawn(Bar("one", [2.0]), marks=(Mark("limit", 1.0),))
    ((left, width),) = boxes(chart)
    at = next(float(line.attrib["x1"]) for line in chart.iter(f"{SVG}line") if line.attrib["class"] == "mark")
    assert at - left == pytest.approx(width / 2, abs=0.2)
    assert "limit" in texts(chart)


def test_the_axis_holds_a_mark_beyond_all_bars() -> None:
    chart = drawn(Bar("one", [0.1]), marks=(Mark("limit", 3.0),))
    width = float(chart.attrib["width"])
    assert all(float(line.attrib["x1"]) < width for line in chart.iter(f"{SVG}line"))


def test_what_is_shown_cannot_become_markup() -> None:
    chart = drawn(Bar("<a> & b", [1.0], "cold"))
    assert "<a> & b" in texts(chart)


def test_both_schemes_of_colours_know_every_kind() -> None:
    style = next(drawn(Bar("one", [1.0])).iter(f"{SVG}style")).text or ""
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for kind in ("plain", "cold", "warm", "peer"):
        assert f".{kind} {{" in light
        assert f".{kind} {{" in dark


@pytest.mark.parametrize(
    ("most", "last", "count"), [(3.1, 3.5, 8), (0.2, 0.2, 5), (100, 100, 6), (0.0007, 0.0007, 8), (0, 1, 2)]
)
def test_ticks_are_round_and_reach_the_most(most: float, last: float, count: int) -> None:
    found = ticks(most)
    assert found[0] == 0
    assert found[-1] == pytest.approx(last)
    assert len(found) == count


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (24.04, "24.0"), (348.4, "348")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
