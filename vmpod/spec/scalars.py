"""What an unquoted word of YAML means, as Kubernetes reads it.

kubectl and the API server read YAML 1.1 with exceptions: `yes`, `on` and `y` are booleans, `0644` and
`0o644` are octal, but dates, times and base-60 numbers stay strings. PyYAML's own rules differ in all of
these, hence this module. Source: the resolver of go-yaml v2, which sigs.k8s.io/yaml uses.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")

_CONSTANTS: dict[str, Scalar] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
_CONSTANTS |= dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf"))
_CONSTANTS |= dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf"))
_CONSTANTS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))

_INTEGER = re.compile(r"[-+]?(?:0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_OLD_OCTAL = re.compile(r"([-+]?0)([0-7]+)", re.ASCII)

# More digits than any number of 64 bits has, in any base.
_LONGEST_INTEGER = 70


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    # Cheap: most plain scalars are words.
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits) and len(digits) <= _LONGEST_INTEGER:
        number = int(_OLD_OCTAL.sub(r"\1o\2", digits) if _OLD_OCTAL.fullmatch(digits) else digits, 0)
        return number if -(2**63) <= number < 2**64 else float(number)
    return float(digits) if _FLOAT.fullmatch(digits) else text


def describe(value: object) -> str:
    """A value's type in the user's words, with its article."""
    if value is None:
        return "nothing"
    # bool comes before int: it is a kind of int.
    for kind, words in _WORDS:
        if isinstance(value, kind):
            return words
    raise TypeError(type(value))


_WORDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "a string"),
    (tuple, "a list"),
    (dict, "a mapping"),
)
