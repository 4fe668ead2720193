"""Reads a template into nodes."""

from __future__ import annotations

import re

from vmpod.jsonpath.nodes import (
    Action,
    Field,
    Filter,
    JsonPathError,
    Literal,
    Node,
    Range,
    Recursive,
    Slice,
    Text,
    Union,
    Wildcard,
)

_MAX_LENGTH = 16 * 1024
_MAX_DEPTH = 16
_NAME_ENDS = frozenset(" \t\n.,[]$@{}()<>=!\"'")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SLICE = re.compile(r"(-?[0-9]{0,18})(?:(:)(-?[0-9]{0,18})(?::(-?[0-9]{0,18}))?)?")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_CONSTANTS = {"true": True, "false": False}


def parse(text: str) -> list[Node]:
    """The nodes of a template. Raises JsonPathError."""
    if len(text) > _MAX_LENGTH:
        raise JsonPathError(f"jsonpath: the template is longer than {_MAX_LENGTH} characters")
    parser = _Parser(text)
    nodes = parser.template(depth=0)
    if parser.position < len(text):
        raise parser.error("{end} without {range}")
    return nodes


class _Parser:
    """Recursive descent; `position` is the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    def error(self, message: str, position: int | None = None) -> JsonPathError:
        at = (self.position if position is None else position) + 1
        return JsonPathError(f"jsonpath: {message}, at character {at} of {self._text!r}")

    # Text and braces.

    def template(self, *, depth: int) -> list[Node]:
        """Up to the end of the text, or to the `{end}` of the range that is being read."""
        self._check_depth(depth)
        nodes: list[Node] = []
        while self.position < len(self._text):
            if self._at("{"):
                opened = self.position
                self.position += 1
                self._spaces()
                word = self._peek_word()
                if word == "end":
                    self.position = opened
                    break
                nodes.append(self._range(opened, depth) if word == "range" else self._action())
            else:
                brace = self._text.find("{", self.position)
                end = len(self._text) if brace < 0 else brace
                nodes.append(Text(self._text[self.position : end]))
                self.position = end
        return nodes

    def _range(self, opened: int, depth: int) -> Range:
        self.position += len("range")
        over = self._action()
        body = self.template(depth=depth + 1)
        if self.position >= len(self._text):
            raise self.error("{range} without {end}", opened)
        self.position += 1
        self._spaces()
        self.position += len("end")
        self._spaces()
        self._expect("}")
        return Range(over, tuple(body))

    def _action(self) -> Action:
        opened = self.position
        nodes = self._path(frozenset("}"), depth=0)
        if not self._at("}"):
            raise self.error("'{' is not closed", max(0, opened - 1))
        self.position += 1
        return Action(tuple(nodes))

    # Paths.

    def _path(self, ends: frozenset[str], *, depth: int) -> list[Node]:
        """Steps up to one of the characters in ends, or an operator where ')' is one."""
        self._check_depth(depth)
        nodes: list[Node] = []
        while self.position < len(self._text) and self._text[self.position] not in ends:
            if ")" in ends and _OPERATOR.match(self._text, self.position):
                break
            nodes.extend(self._step(depth))
        return nodes

    def _step(self, depth: int) -> list[Node]:
        character = self._text[self.position]
        if character in " \t\n$@":
            self.position += 1
            return []
        if character == "[":
            return [self._brackets(depth)]
        if character in "\"'":
            return [Text(self._quoted())]
        if character == ".":
            return self._dots()
        if found := _NUMBER.match(self._text, self.position):
            self.position = found.end()
            return [Literal(float(found[0]) if "." in found[0] else int(found[0]))]
        return [self._bare_word()]

    def _dots(self) -> list[Node]:
        if self._at(".."):
            self.position += 2
            name = self._name()
            more: list[Node] = [Wildcard() if name == "*" else Field(name)] if name else []
            return [Recursive(), *more]
        self.position += 1
        name = self._name()
        if not name:
            return []  # `.` alone is the value itself
        return [Wildcard() if name == "*" else Field(name)]

    def _bare_word(self) -> Node:
        if self._at("*"):
            self.position += 1
            return Wildcard()
        start, word = self.position, self._name()
        if word in _CONSTANTS:
            return Literal(_CONSTANTS[word])
        if word and start and self._text[start - 1] in "{ ":
            # As kubectl's "relaxed" templates: {metadata.name} means {.metadata.name}.
            return Field(word)
        raise self.error(f"{word or self._text[start]!r} has no meaning here", start)

    def _name(self) -> str:
        """A field's name; a backslash takes the next character as it is."""
        name: list[str] = []
        while self.position < len(self._text):
            character = self._text[self.position]
            if character == "\\" and self.position + 1 < len(self._text):
                self.position += 1
                character = self._text[self.position]
            elif character in _NAME_ENDS:
                break
            name.append(character)
            self.position += 1
        return "".join(name)

    def _quoted(self) -> str:
        opened, quote = self.position, self._text[self.position]
        self.position += 1
        said: list[str] = []
        while self.position < len(self._text):
            character = self._text[self.position]
            self.position += 1
            if character == quote:
                return "".join(said)
            if character == "\\" and self.position < len(self._text):
                escaped = self._text[self.position]
                character = _ESCAPES.get(escaped, escaped)
                self.position += 1
            said.append(character)
        raise self.error("the quotation is not closed", opened)

    # Brackets.

    def _brackets(self, depth: int) -> Node:
        opened = self.position
        self.position += 1
        parts: list[Node] = []
        while True:
            self._spaces()
            parts.append(self._selector(opened, depth))
            self._spaces()
            if self._at(","):
                self.position += 1
                continue
            if not self._at("]"):
                raise self.error("'[' is not closed, or holds what has no meaning there", opened)
            self.position += 1
            return parts[0] if len(parts) == 1 else Union(tuple(parts))

    def _selector(self, opened: int, depth: int) -> Node:
        if self._at("?("):
            return self._filter(depth)
        if self._at("*"):
            self.position += 1
            return Wildcard()
        if self.position < len(self._text) and self._text[self.position] in "\"'":
            return Field(self._quoted())
        found = _SLICE.match(self._text, self.position)
        assert found is not None
        if not found[0] or "-" in (found[1], found[3], found[4]):
            raise self.error("'[' needs a number, a quoted name, '*' or ?(filter)", opened)
        self.position = found.end()
        start, colon, end, step = found.groups()
        if step and int(step) <= 0:
            raise self.error("the step of a slice must be more than 0", opened)
        return Slice(
            int(start) if start else None,
            int(end) if end else None,
            int(step) if step else 1,
            single=colon is None,
            place=opened + 1,
        )

    def _filter(self, depth: int) -> Filter:
        opened = self.position
        self.position += 2
        left = self._path(frozenset(")"), depth=depth + 1)
        operator, right = "exists", []
        if found := _OPERATOR.match(self._text, self.position):
            operator = found[0]
            self.position = found.end()
            right = self._path(frozenset(")"), depth=depth + 1)
            if not self._text[found.end() : self.position].strip():
                raise self.error(f"nothing to compare with after {operator!r}")
        if not self._text[opened + 2 : self.position].strip():
            raise self.error("the filter is empty", opened)
        self._expect(")")
        return Filter(tuple(left), operator, tuple(right), opened + 1)

    # Characters.

    def _at(self, text: str) -> bool:
        return self._text.startswith(text, self.position)

    def _expect(self, text: str) -> None:
        if not self._at(text):
            raise self.error(f"{text!r} is missing")
        self.position += len(text)

    def _spaces(self) -> None:
        while self.position < len(self._text) and self._text[self.position] in " \t\n":
            self.position += 1

    def _peek_word(self) -> str:
        found = _WORD.match(self._text, self.position)
        return found[0] if found else ""

    def _check_depth(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise self.error(f"filters or ranges are nested more than {_MAX_DEPTH} deep")
