"""A simple model of unpacking: one dictionary from paths to things, changed layer by layer.

It shares nothing with the program but the rules, and is slow and short where that one is not.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.unit.oci.images import hard_link, member, symlink

Path = tuple[str, ...]
Seen = tuple[str, str, int]


@dataclass(frozen=True)
class Made:
    """An entry: kind is 'file', 'dir', 'symlink', 'hard', 'hide' or 'opaque'."""

    kind: str
    path: Path
    text: str
    mode: int

    def member(self) -> tuple[tarfile.TarInfo, bytes]:
        name = "/".join(self.path)
        head = "/".join(self.path[:-1])
        match self.kind:
            case "file":
                return member(name, self.text.encode(), mode=self.mode)
            case "dir":
                return member(name + "/", mode=self.mode)
            case "symlink":
                return symlink(name, self.text)
            case "hard":
                return hard_link(name, self.text, mode=self.mode)
            case "hide":
                return member(f"{head}/.wh.{self.path[-1]}", b"")
            case _:
                return member(f"{name}/.wh..wh..opq", b"")


_paths = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(tuple)
_targets = (
    st.lists(st.sampled_from(["a", "b", "..", ""]), min_size=1, max_size=3)
    .map("/".join)
    .map(lambda t: t or "a")
)
entries = st.builds(
    Made,
    kind=st.sampled_from(["file", "dir", "symlink", "hard", "hide", "opaque"]),
    path=_paths,
    text=_targets,
    mode=st.sampled_from([0o700, 0o755]),
)


class _RefusedError(Exception):
    pass


@dataclass
class _Thing:
    kind: str
    text: str
    mode: int


Things = dict[Path, _Thing]


def unpack(layers: Sequence[Sequence[Made]]) -> dict[str, Seen] | None:
    """What each name is in the end; None if the image is refused."""
    things: Things = {}
    try:
        for layer in layers:
            for item in layer:
                if item.kind in ("hide", "opaque"):
                    _hide(things, item)
            for item in layer:
                if item.kind not in ("hide", "opaque"):
                    _put(things, item)
    except _RefusedError:
        return None
    return {"/".join(path): _shown(thing) for path, thing in things.items()}


def _shown(thing: _Thing) -> Seen:
    return thing.kind, thing.text, 0o777 if thing.kind == "symlink" else thing.mode


def _hide(things: Things, item: Made) -> None:
    path = (*item.path, "x") if item.kind == "opaque" else item.path
    parent = _real(things, path[:-1], make=False)
    if parent is not None:
        _drop(things, parent if item.kind == "opaque" else (*parent, path[-1]), below=item.kind == "opaque")


def _drop(things: Things, path: Path, *, below: bool = False) -> None:
    for found in [found for found in things if found[: len(path)] == path]:
        if not below or found != path:
            del things[found]


def _put(things: Things, item: Made) -> None:
    parent = _real(things, item.path[:-1], make=True)
    assert parent is not None
    path = (*parent, item.path[-1])
    if item.kind == "hard":
        words = tuple(word for word in item.text.split("/") if word)
        if ".." in words:
            raise _RefusedError
        above = _real(things, words[:-1], make=False) if words else None
        thing = things.get((*above, words[-1])) if above is not None else None
        if thing is None or thing.kind == "dir":
            raise _RefusedError
        thing.mode = item.mode
    else:
        text = item.text if item.kind != "dir" else ""
        thing = _Thing(item.kind, text, item.mode)
    there = things.get(path)
    if not (there and there.kind == "dir" == thing.kind):
        _drop(things, path)
    things[path] = thing


def _real(things: Things, path: Path, *, make: bool) -> Path | None:
    """Where a directory really is."""
    at: Path = ()
    ahead = list(path)
    for _ in range(1000):
        if not ahead:
            return at
        word = ahead.pop(0)
        if word == "..":
            at = at[:-1]
            continue
        thing = things.get((*at, word)) if word else None
        if thing and thing.kind == "symlink":
            if thing.text.startswith("/"):
                at = ()
            ahead = thing.text.split("/") + ahead
            continue
        if word and (thing is None or thing.kind != "dir"):
            if not make:
                return None
            _drop(things, (*at, word))
            things[*at, word] = _Thing("dir", "", 0o755)
        at = (*at, word) if word else at
    raise _RefusedError


def seen(info: tarfile.TarInfo, content: Callable[[str], str]) -> Seen:
    """What a member of the merged stream is, in the model's words."""
    if info.isdir():
        return "dir", "", info.mode
    if info.issym():
        return "symlink", info.linkname, info.mode
    return "file", content(info.name), info.mode
