"""JSON messages: the getters, and the small JSON reader and writer behind them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.wire import jsontext, messages
from vmpod.wire.messages import MessageError, clipped, dump, get, get_list, get_optional, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_message_comes_back_the_same(message: dict[str, Any]) -> None:
    assert parse(dump(message)) == message


@given(JSON)
def test_our_json_is_everybodys(value: Any) -> None:
    assert json.loads(jsontext.dumps(value)) == value
    assert jsontext.loads(json.dumps(value, indent=2)) == value


@pytest.mark.parametrize("part", [jsontext._by_c, jsontext._by_package])
def test_with_and_without_the_json_package_the_same_is_accepted(part: Any) -> None:
    dumps, loads = part()
    assert dumps({"a": [1, True, None, "é\n"]}) == '{"a":[1,true,null,"\\u00e9\\n"]}'
    assert loads(' {"a": [1.5, -2]}\n') == {"a": [1.5, -2]}
    for text in ("", "   ", "{", "{} {}", "NaN", "[Infinity]", "-Infinity", "{'a': 1}", '"a\nb"', "01"):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
            loads(text)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError):  # noqa: PT011
            dumps(value)
    with pytest.raises(TypeError):
        dumps({"a": b"bytes"})


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_message_error(payload: bytes) -> None:
    try:
        message = parse(payload)
    except MessageError:
        return
    assert isinstance(message, dict)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"1", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"{}x"],
)
def test_what_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError):
        parse(payload)


def test_getters_name_what_is_wrong() -> None:
    message: dict[str, Any] = {"n": 1, "s": "x", "t": True, "l": ["a", 2], "z": None}
    assert get(message, "n", int) == 1
    assert get(message, "t", bool) is True
    assert get_optional(message, "z", str, "d") == "d"
    assert get_optional(message, "gone", str, "d") == "d"
    assert get_list(message, "gone", str) == []
    for read, fault in (
        (lambda: get(message, "gone", int), "attribute 'gone' is missing"),
        (lambda: get(message, "z", int), "attribute 'z' must be int, not NoneType"),
        (lambda: get(message, "s", int), "attribute 's' must be int, not str"),
        (lambda: get(message, "t", int), "attribute 't' must be int, not bool"),
        (lambda: get(message, "n", bool), "attribute 'n' must be bool, not int"),
        (lambda: get_optional(message, "n", str, ""), "attribute 'n' must be str, not int"),
        (lambda: get_list(message, "l", str), r"attribute 'l\[1\]' must be str, not int"),
        (lambda: get_list(message, "n", str), "attribute 'n' must be list, not int"),
    ):
        with pytest.raises(MessageError, match=fault):
            read()


@given(st.text(), st.integers(12, 300))
def test_clipped_text_is_a_beginning_that_fits(text: str, limit: int) -> None:
    found = clipped(text, limit)
    assert text.startswith(found)
    assert len(json.dumps(found)) - 2 <= limit


def test_text_that_fits_is_not_clipped() -> None:
    assert clipped("x" * 100, 100) == "x" * 100
    assert clipped("\U0001f600" * 100, 1200) == "\U0001f600" * 100
    assert clipped("\U0001f600" * 101, 1200) == "\U0001f600" * 100


def test_error_codes_are_distinct() -> None:
    codes = [
        messages.BAD_REQUEST,
        messages.NO_METHOD,
        messages.NO_CONTAINER,
        messages.NOT_RUNNING,
        messages.NOT_FOUND,
        messages.NOT_EXECUTABLE,
        messages.BUSY,
        messages.FAILED,
    ]
    assert len(set(codes)) == len(codes)
