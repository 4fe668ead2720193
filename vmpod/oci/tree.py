"""The merged file tree of an image: what is left when its layers are unpacked one upon the other.

It holds names and attributes, and for content only where it is: layer and entry number. The rules are
those of the OCI image specification (layer.md); where it is silent, what a container runtime's unpacking
into a root filesystem does:

- Whiteouts hide what lower layers have, never what their own layer brings, wherever they stand in it.
- A parent directory that is a symbolic link in the tree is followed, without leaving the root; missing
  parents are made, owned by root, mode 0755.
- An entry replaces what has its name, with everything below it; a directory upon a directory only
  changes its attributes.
- A hard link joins a file that is there, whichever layer brought it, and sets that file's attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmpod.errors import ImageError
from vmpod.tar.read import Entry, Kind

MAX_SYMLINKS = 40
"""Links followed in one path: Linux's own limit (path_resolution(7))."""
MAX_STEPS = 100_000_000
"""Path parts walked in one image: a crafted one could keep us busy for days."""
_WHITEOUT = b".wh."
_RESERVED = b".wh..wh."
_OPAQUE = b".wh..wh..opq"
_NAME_MAX = 255


class Node:
    """A file of any kind; several names of the tree may lead to one.

    children: of a directory, by name. layer, ordinal: where a file's content is, counted from 0.
    shared: some hard link leads here.
    """

    __slots__ = ("children", "entry", "layer", "ordinal", "shared")

    def __init__(self, entry: Entry, layer: int = -1, ordinal: int = -1) -> None:
        self.entry = entry
        self.layer = layer
        self.ordinal = ordinal
        self.shared = False
        self.children: dict[bytes, Node] = {}

    @property
    def is_directory(self) -> bool:
        return self.entry.kind is Kind.DIRECTORY


class Tree:
    """Grows by apply(), layer by layer, the lowest first."""

    def __init__(self) -> None:
        self.root = _implied_directory()
        self._steps = 0

    def apply(self, layer: int, entries: Sequence[Entry], where: str) -> None:
        """Unpack a layer. Raises ImageError for an entry that cannot be, or leads out of the root."""
        paths = [_parts(entry.name, where) for entry in entries]
        for path in paths:
            if path and path[-1].startswith(_WHITEOUT):
                self._hide(path, where)
        for ordinal, (path, entry) in enumerate(zip(paths, entries, strict=True)):
            if not path or not path[-1].startswith(_WHITEOUT):
                self._put(path, entry, Node(entry, layer, ordinal), where)

    def _hide(self, path: list[bytes], where: str) -> None:
        parent = self._directory(path[:-1], where, make=False)
        if path[-1] == _OPAQUE:
            if parent:
                parent.children.clear()
            return
        if path[-1].startswith(_RESERVED):
            return  # aufs kept notes under such names
        hidden = path[-1][len(_WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise ImageError(
                f"{where}: a whiteout of {hidden.decode()!r}", hint="the image is not to be trusted"
            )
        if parent:
            parent.children.pop(hidden, None)

    def _put(self, path: list[bytes], entry: Entry, node: Node, where: str) -> None:
        if not path:
            if entry.kind is Kind.DIRECTORY:
                self.root.entry = entry
            return
        parent = self._directory(path[:-1], where, make=True)
        assert parent is not None
        there = parent.children.get(path[-1])
        if entry.kind is Kind.HARD_LINK:
            node = self._linked(entry, where)
        elif there and there.is_directory and node.is_directory:
            there.entry = entry
            return
        elif entry.kind is Kind.SYMLINK and not entry.link:
            raise ImageError(f"{where}: the symbolic link {_show(entry.name)} leads nowhere")
        parent.children[path[-1]] = node

    def _linked(self, entry: Entry, where: str) -> Node:
        path = _parts(entry.link, where)
        parent = self._directory(path[:-1], where, make=False)
        target = parent.children.get(path[-1]) if parent and path else None
        if target is None or target.is_directory:
            why = "which is a directory" if target else "which does not exist"
            raise ImageError(f"{where}: {_show(entry.name)} is a hard link to {_show(entry.link)}, {why}")
        target.shared = True
        old = target.entry
        target.entry = Entry(
            old.name, old.kind, entry.mode, entry.uid, entry.gid, old.size, entry.mtime,
            old.link, old.major, old.minor, old.xattrs | entry.xattrs,
        )  # fmt: skip
        return target

    def _directory(self, path: list[bytes], where: str, *, make: bool) -> Node | None:
        """The directory that a path means, following links inside the root; None if it is missing."""
        trail = [self.root]
        ahead = path[::-1]
        links = 0
        while ahead:
            self._steps += 1
            part = ahead.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                del trail[max(1, len(trail) - 1) :]
                continue
            node = trail[-1].children.get(part)
            if node and node.entry.kind is Kind.SYMLINK:
                links += 1
                if links > MAX_SYMLINKS or self._steps > MAX_STEPS:
                    raise ImageError(f"{where}: too many symbolic links in {_show(b'/'.join(path))}")
                if node.entry.link.startswith(b"/"):
                    del trail[1:]
                ahead += node.entry.link.split(b"/")[::-1]
                continue
            if node is None or not node.is_directory:
                if not make:
                    return None
                # A file in the place of a needed directory gives way, as under an overlay of layers.
                node = trail[-1].children[part] = _implied_directory()
            trail.append(node)
        return trail[-1]

    def walk(self) -> Iterator[tuple[bytes, Node]]:
        """Every name but the root's with its node, parents before children, siblings sorted.

        Raises ImageError for a path that is too long to be used.
        """
        todo = [(b"", self.root)]
        while todo:
            path, directory = todo.pop()
            below = []
            for name, node in sorted(directory.children.items()):
                full = path + b"/" + name if path else name
                yield full, node
                if node.is_directory:
                    below.append((full, node))
            todo += below[::-1]


def _implied_directory() -> Node:
    return Node(Entry(b"", Kind.DIRECTORY, 0o755))


def _parts(name: bytes, where: str) -> list[bytes]:
    """The parts of an entry's path, from the root."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise ImageError(
            f"{where}: the path {_show(name)} leads upwards", hint="the image is not to be trusted"
        )
    if any(len(part) > _NAME_MAX for part in parts):
        raise ImageError(f"{where}: a part of the path {_show(name)} is longer than {_NAME_MAX} bytes")
    return parts


def _show(name: bytes) -> str:
    text = name.decode(errors="backslashreplace")
    return repr(text if len(text) <= 200 else text[:200] + "...")
