"""JSON by the C code of Python's json package, without the package.

Importing json takes an emulated guest 0.4 s, most of it for the regular expressions of its pure-Python
parts, which are never used here. The C functions are private to CPython, so the package itself stands in
where they are not as expected.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SPACE = " \t\n\r"


class _Context:
    """What the C scanner asks of a json.JSONDecoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> float:
        raise ValueError(f"{name} is no JSON")


def _by_c() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    import _json  # noqa: PLC0415

    scan = _json.make_scanner(_Context)  # type: ignore[arg-type]
    encode = _json.make_encoder(
        None, _unknown, _json.encode_basestring_ascii, None, ":", ",", False, False, False
    )

    def loads(text: str) -> Any:
        start = len(text) - len(text.lstrip(_SPACE))
        try:
            value, end = scan(text, start)
        except StopIteration as stop:
            raise ValueError(f"no value at character {stop.value}") from None
        if text[end:].strip(_SPACE):
            raise ValueError(f"more text after the value, at character {end}")
        return value

    return lambda value: "".join(encode(value, 0)), loads


def _by_package() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    import json  # noqa: PLC0415

    return (
        lambda value: json.dumps(value, separators=(",", ":"), allow_nan=False),
        lambda text: json.loads(text, parse_constant=_Context.parse_constant),
    )


def _unknown(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not for JSON")


try:
    dumps, loads = _by_c()
except (ImportError, AttributeError, TypeError):
    dumps, loads = _by_package()
