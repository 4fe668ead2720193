"""Takes secrets out of text: values that are known, however they are encoded, and what looks like one.

A value that is known is replaced wherever it stands, also as base64 (of it alone, or of a text around it), as
hexadecimal digits, and as JSON and URLs escape it. A value of several lines is looked for line by line, too.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"
SHORTEST = 4
"""Shorter values are not looked for: every text has them."""

_SHORTEST_LINE = 8  # characters, of a value of several lines; and of a form that may stand inside of a word
_WRAPPED = (64, 76)  # characters a line of base64, as PEM and MIME have it

SENSITIVE = re.compile(
    r"(?i)passw|passphrase|secret|token|api_?key|private_?key|credential|(?<![a-z])auth(?![a-z])"
)
"""Names of variables and keys whose values are hardly for everybody."""

# Each takes time in proportion to the text, whatever that is: what a match may begin with is bounded.
_PATTERNS = (
    # The user of a URL, with or without a password.
    (re.compile(r"(?<=://)[^\s/@\"'<>]+(?=@)"), MARK),
    # A parameter of a URL, a word of a command line, a line of a configuration file.
    (
        re.compile(
            r"(?i)(?P<name>(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|signature|credential)"
            r"[\w.-]{0,40}=[\"']?)[^\s\"'&;,]+"
        ),
        rf"\g<name>{MARK}",
    ),
    # The same in JSON, where it has to be a whole string; names of Secrets, as secretName has them, are none.
    (
        re.compile(
            r"(?i)(?P<name>\"[\w.-]{0,40}(?:passw(?:or)?d|passphrase|token|api[_-]?key|client[_-]?secret|secret[_-]?key)"
            r"\"\s*:\s*\")(?:[^\"\\]|\\.)+"
        ),
        rf"\g<name>{MARK}",
    ),
    (re.compile(r"(?i)(?<=authorization:)(\s{0,8}(?:basic|bearer|token)?)\s{1,8}\S+"), rf"\1 {MARK}"),
    (re.compile(r"(?i)\b(bearer) [\w.~+/=-]{8,}"), rf"\1 {MARK}"),
    # A JSON Web Token (RFC 7519), whose header begins with {".
    (re.compile(r"\beyJ[\w-]{10,500}\.[\w-]{1,4000}\.[\w-]*"), MARK),
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        MARK,
    ),
)


class Redactor:
    """Knows values. short: how many of them are too short to be looked for."""

    def __init__(self, values: Iterable[bytes]) -> None:
        known = set(values) - {b""}
        long = {value for value in known if len(value.strip()) >= SHORTEST}
        self.short = len(known) - len(long)
        self.known = len(long)
        # The longest first: a form may be part of another.
        self._forms = sorted({form for value in long for form in _forms(value)}, key=len, reverse=True)
        self._inner = sorted(
            {form for value in long for form in _inside_base64(value)}, key=len, reverse=True
        )

    @property
    def reach(self) -> int:
        """Characters of the longest text that is replaced."""
        return max((len(forms[0]) for forms in (self._forms, self._inner) if forms), default=0)

    def text(self, text: str) -> str:
        """The text without them."""
        for form in self._forms:
            text = text.replace(form, MARK)
        for form in self._inner:
            if form in text:
                # The characters around it hold the rest of the value's first and last bytes.
                text = re.sub(rf"[\w+/-]?{re.escape(form)}[\w+/-]{{0,4}}={{0,2}}", MARK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def document(data: Any) -> Any:
    """Data of a manifest or a plan, without the values of variables and keys that are called like secrets."""
    if isinstance(data, dict):
        if isinstance(data.get("name"), str) and isinstance(data.get("value"), str):
            return data | {"value": _named(data["name"], data["value"])}
        if data.get("kind") == "ConfigMap" and isinstance(data.get("data"), dict):
            return data | {"data": {name: _named(name, value) for name, value in data["data"].items()}}
        return {name: document(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        # A variable of a boot document.
        if len(data) == 2 and all(isinstance(each, str) for each in data):
            return [data[0], _named(data[0], data[1])]
        return [document(each) for each in data]
    return data


def _named(name: str, value: str) -> str:
    return MARK if value and SENSITIVE.search(name) else value


def _forms(value: bytes) -> Iterator[str]:
    stripped = value.strip()
    yield from _encoded(value)
    yield from _encoded(stripped)
    try:
        text = stripped.decode()
    except UnicodeDecodeError:
        return
    lines = [line.strip() for line in text.splitlines()]
    for each in {text, *(line for line in lines if len(line) >= _SHORTEST_LINE)}:
        yield each
        yield json.dumps(each)[1:-1]
        yield json.dumps(each, ensure_ascii=False)[1:-1]
        yield quote(each, safe="")
        yield quote_plus(each)


def _encoded(value: bytes) -> Iterator[str]:
    yield from _base64(value)
    # As `echo` ends it.
    yield from _base64(value + b"\n")
    if len(value) >= _SHORTEST_LINE:
        yield from (value.hex(), value.hex().upper())


def _base64(value: bytes) -> Iterator[str]:
    whole = b64encode(value).decode()
    yield from (whole, whole.rstrip("="), urlsafe_b64encode(value).decode())
    for width in _WRAPPED:
        lines = (whole[at : at + width] for at in range(0, len(whole), width))
        yield from (line for line in lines if len(line) == width)


def _inside_base64(value: bytes) -> Iterator[str]:
    """What of its base64 is the same whatever stands before and behind it."""
    value = value.strip()
    for before in range(3):
        size = before + len(value)
        inner = b64encode(bytes(before) + value)[-(-before * 4 // 3) : size // 3 * 4].decode()
        if len(inner) >= _SHORTEST_LINE:
            yield from (inner, inner.replace("+", "-").replace("/", "_"))
