"""YAML or JSON text as a tree that remembers its lines, with every size bounded.

The tree is built from parser events, not by recursion, so that depth is checked before it can hurt; an
alias is the very node that its anchor named, counted each time it is used, so that a few lines cannot
unfold into gigabytes.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from vmpod.dataclass import dataclass
from vmpod.spec.report import Report
from vmpod.spec.scalars import Scalar, describe, resolve

if TYPE_CHECKING:
    import yaml

MAX_SIZE = 4 * 2**20
"""The most characters that a manifest may have: several full ConfigMaps, base64 included."""

MAX_PATH = 300
"""The longest field path that a message shows; keys may be of any length."""

# Characters that the parser in pure Python is given: a second or two.
_MAX_SLOW = 256 * 2**10
_MAX_DEPTH = 64
_TOO_DEEP = f"is nested deeper than {_MAX_DEPTH} levels"
_TOO_MUCH = "is more data, up to here, than a manifest may hold, every alias unfolded: split it"
# With every alias unfolded: characters, plus a flat charge a node.
_MAX_WEIGHT = 4 * MAX_SIZE
_NODE_WEIGHT = 64

# What YAML 1.1 allows in a stream (section 5.1), the rest being control characters.
_FORBIDDEN = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_BLANKS = str.maketrans("", "", "\t\n\r")
_SURROGATES = r"(\\\\)|\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A value and the 1-based line where it, or the key that holds it, stands.

    text: a scalar as written. weight, depth: what it costs when every alias is unfolded.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    line: int
    text: str = ""
    weight: int = _NODE_WEIGHT
    depth: int = 1

    def plain(self) -> Any:
        """The value as lists, dicts and scalars."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, Mapping):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    line: int
    anchor: str | None
    mapping: bool
    items: list[Node] = field(default_factory=list)


def documents(text: str, report: Report) -> list[Node]:
    """Every document that is not empty.

    Duplicate keys and the like go to the report; ManifestError is raised where reading on is pointless:
    syntax errors, forbidden characters, sizes and depths beyond the limits.
    """
    if len(text) > MAX_SIZE:
        raise report.fatal(0, f"is larger than {MAX_SIZE // 2**20} MiB, the most that a manifest may have")
    text = text.removeprefix("\ufeff")
    if not _plain(text) and (found := re.search(_FORBIDDEN, text)):
        line = text.count("\n", 0, found.start()) + 1
        raise report.fatal(line, f"YAML does not allow the character U+{ord(found[0]):04X}")
    # JSON escapes a character beyond U+FFFF as two surrogates, which YAML would refuse.
    if text.lstrip().startswith(("{", "[")):
        text = re.sub(_SURROGATES, _join_surrogates, text)
    return [node for node in _Builder(report).build(_events(text, report)) if node.value is not None]


def _plain(text: str) -> bool:
    """Whether it is printable ASCII, which is seen sooner than the pattern for all the rest is compiled."""
    return text.isascii() and text.translate(_BLANKS).isprintable()


def _join_surrogates(found: re.Match[str]) -> str:
    if found[1]:
        return found[1]
    code = 0x10000 + ((int(found[2], 16) & 0x3FF) << 10) + (int(found[3], 16) & 0x3FF)
    return f"\\U{code:08x}"


def _events(text: str, report: Report) -> Iterator[yaml.Event]:
    # Slow to import, and most commands read no manifest.
    import yaml  # noqa: PLC0415

    try:
        yield from yaml.parse(text, Loader=_loader(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        if "maximum nesting depth" in (error.problem or ""):
            # libyaml's newer releases have a limit of their own, and look ahead until they meet it.
            raise report.fatal(line, _TOO_DEEP) from None
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise report.fatal(line, f"is not YAML: {said}{_hint(text, line, said)}") from None
    # The parser in pure Python lets chr() speak where an escape names no character.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise report.fatal(0, f"is not YAML: {error}") from None


def _loader(text: str) -> Any:
    """The parser for a text: libyaml's, or a slow one for what kubectl's parser takes beyond YAML.

    That is \\' for ' between double quotes, which no release of YAML has ever had, and which manifests in the
    documentation of Kubernetes have.
    """
    import yaml  # noqa: PLC0415

    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if "\\'" not in text or len(text) > _MAX_SLOW:
        return fast
    try:
        for _ in yaml.parse(text, Loader=fast):
            pass
    except yaml.MarkedYAMLError as error:
        if "unknown escape character" not in (error.problem or ""):
            return fast
    except (yaml.YAMLError, ValueError, OverflowError):
        return fast
    else:
        return fast

    escapes = yaml.SafeLoader.ESCAPE_REPLACEMENTS | {"'": "'"}
    return type("Lenient", (yaml.SafeLoader,), {"ESCAPE_REPLACEMENTS": escapes})


def _hint(text: str, line: int, said: str) -> str:
    lines = text.split("\n")
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if re.match(r" *\t", here):
        return " (indent with spaces, not tabs)"
    # Of a text that is too large for the slow parser.
    quote = "unknown escape character" in said and "\\'" in here
    return " (a ' needs no backslash between double quotes)" if quote else ""


class _Builder:
    def __init__(self, report: Report) -> None:
        self.report = report
        self.weight = 0
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.root: Node | None = None

    def build(self, events: Iterator[yaml.Event]) -> Iterator[Node]:
        import yaml  # noqa: PLC0415

        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 0
            match event:
                case yaml.ScalarEvent():
                    node = self._scalar(event, line)
                    self._close(node, cost=node.weight, anchor=event.anchor)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._open(event, line)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    done = self.stack.pop()
                    node = self._mapping(done) if done.mapping else _sequence(done)
                    self._close(node, cost=_NODE_WEIGHT, anchor=done.anchor)
                case yaml.AliasEvent():
                    node = self._alias(event.anchor, line)
                    self._close(node, cost=node.weight)
                case yaml.DocumentStartEvent():
                    self.anchors.clear()
                case yaml.DocumentEndEvent() if self.root is not None:
                    yield self.root

    def _wrong(self, line: int, message: str, *, key: str = "") -> None:
        """Report a fault of what is being read, or of a key in the mapping that has just ended."""
        path = ""
        for level in self.stack:
            if not level.mapping:
                path += f"[{len(level.items)}]"
            elif len(level.items) % 2:
                path += f".{level.items[-1].text}"
        path = f"{path}.{key}" if key else path
        self.report.problem(line, path.removeprefix(".")[:MAX_PATH], message)

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent, line: int) -> None:
        if len(self.stack) >= _MAX_DEPTH:
            raise self.report.fatal(line, _TOO_DEEP)
        mapping = type(event).__name__.startswith("Mapping")
        if event.tag not in {None, "!", _TAG + ("map" if mapping else "seq")}:
            self._wrong(line, f"the YAML tag {event.tag} has no meaning in a manifest")
        self.stack.append(_Open(line, event.anchor, mapping))

    def _close(self, node: Node, *, cost: int, anchor: str | None = None) -> None:
        """Put a complete node into its place; cost is what it adds to the unfolded whole."""
        if len(self.stack) + node.depth > _MAX_DEPTH:
            raise self.report.fatal(node.line, _TOO_DEEP)
        self.weight += cost
        if self.weight > _MAX_WEIGHT:
            raise self.report.fatal(node.line, _TOO_MUCH)
        if anchor:
            self.anchors[anchor] = node
        if self.stack:
            self.stack[-1].items.append(node)
        else:
            self.root = node

    def _alias(self, anchor: str | None, line: int) -> Node:
        if anchor is None or anchor not in self.anchors:
            raise self.report.fatal(line, f"the alias *{anchor} has no complete anchor &{anchor} before it")
        return replace(self.anchors[anchor], line=line)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Node:
        text: str = event.value
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self._wrong(line, "holds half of a character (a lone surrogate)")
            text = ""
        # Quoted text, and what the tag '!' marks, is a string whatever it looks like.
        value = resolve(text) if event.implicit[0] and not event.tag else text
        if event.tag not in {None, "!"}:
            value = self._tagged(event.tag, text, resolve(text), line)
        if isinstance(value, float) and not math.isfinite(value):
            self._wrong(line, f"{text[:20]} is not a number that a manifest can hold")
            value = 0
        return Node(value, line, text, _NODE_WEIGHT + len(text))

    def _tagged(self, tag: str, text: str, value: Scalar, line: int) -> Scalar:
        name = tag.removeprefix(_TAG)
        if name == "str":
            return text
        if name not in _SCALAR_TAGS or name == tag:
            self._wrong(line, f"the YAML tag {tag} has no meaning in a manifest")
        elif not isinstance(value, _SCALAR_TAGS[name]):
            self._wrong(line, f"the value does not fit its YAML tag !!{name}")
        return value

    def _mapping(self, done: _Open) -> Node:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in zip(done.items[::2], done.items[1::2], strict=True):
            if key.text == "<<" and isinstance(key.value, str):
                merged = self._merge(value) | merged
                continue
            name = self._key(key)
            if name in entries:
                first = entries[name].line
                self._wrong(key.line, f"is given twice; the first is on line {first}", key=name)
            entries[name] = replace(value, line=key.line)
        return _node(merged | entries, list((merged | entries).values()), done.line)

    def _merge(self, value: Node) -> dict[str, Node]:
        parts = value.value if isinstance(value.value, tuple) else (value,)
        merged: dict[str, Node] = {}
        for part in parts:
            if isinstance(part.value, Mapping):
                # Of several, the first wins.
                merged = {**part.value, **merged}
            else:
                self._wrong(part.line, "can only merge mappings", key="<<")
        return merged

    def _key(self, key: Node) -> str:
        if isinstance(key.value, str):
            return key.value
        # As kubectl does, but for spellings (0x10, 1.50) that would silently become other keys.
        if str(key.value) == key.text and not isinstance(key.value, bool | float):
            return key.text
        words = describe(key.value)
        self._wrong(key.line, f"a key must be a string, not {words}: write it in quotes", key=key.text)
        return key.text


def _sequence(done: _Open) -> Node:
    return _node(tuple(done.items), done.items, done.line)


def _node(value: tuple[Node, ...] | dict[str, Node], children: list[Node], line: int) -> Node:
    keys = sum(len(key) for key in value) if isinstance(value, dict) else 0
    return Node(
        value,
        line,
        weight=_NODE_WEIGHT + keys + sum(child.weight for child in children),
        depth=1 + max((child.depth for child in children), default=0),
    )
