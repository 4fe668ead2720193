"""An image's layers merged into one tar stream, in two passes and bounded memory.

The first pass reads every layer, checks its digests and keeps names and attributes (tree.py): only the
whole image tells which file survives, and what a hard link or a symbolic link on the way means. The
second reads the layers again and passes on the surviving contents. Contents are never held: an entry
costs about 1 KB of memory, so the limits below bound it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from typing import BinaryIO, cast

from vmpod.dataclass import dataclass
from vmpod.errors import ImageError
from vmpod.log import logger
from vmpod.oci import streams
from vmpod.oci.limits import max_size, too_large
from vmpod.oci.squashfs import clamp_time
from vmpod.oci.tree import Node, Tree
from vmpod.tar import write as tarwrite
from vmpod.tar.read import MAX_PATH, Entry, Kind, TarReader


@dataclass(frozen=True)
class Layer:
    """A layer's blob.

    digest: of the bytes that open() gives, '' if not known; diff_id: of what they decompress to.
    where: what to call it in messages.
    """

    digest: str
    diff_id: str
    open: Callable[[], BinaryIO]
    where: str


@dataclass(frozen=True)
class Limits:
    """Where an image stops being an image and becomes an attack.

    entries: in all layers together; size: bytes of all uncompressed layers;
    metadata: bytes of all names, link targets and attributes.
    """

    entries: int = 1_000_000
    size: int = field(default_factory=max_size)
    metadata: int = 1 << 30


_KEPT_XATTRS = (b"user.", b"trusted.", b"security.")
_OVERLAY_XATTRS = (b"trusted.overlay.", b"user.overlay.")


class Flattened:
    """An image after the first pass: what its root filesystem is, ready to be written."""

    def __init__(self, layers: Sequence[Layer], tree: Tree, limits: Limits) -> None:
        self._layers = layers
        self._limits = limits
        self._tree = tree

    @property
    def root(self) -> Entry:
        """The root directory, which write() leaves out."""
        return self._tree.root.entry

    def write(self, sink: BinaryIO, advance: Callable[[int], None] = lambda _: None) -> None:
        """Write the tar stream: directories, then what has no content, files by layer, hard links.

        The same image gives the same bytes. advance: called with each number of content bytes written.
        Raises ImageError if a layer is not any more what the first pass read.
        """
        contents: list[dict[int, Entry]] = [{} for _ in self._layers]
        links: list[Entry] = []
        for entry, node in self._entries(links):
            if entry.kind is Kind.FILE and entry.size:
                contents[node.layer][node.ordinal] = entry
            else:
                sink.write(tarwrite.header(entry))
        for layer, wanted in zip(self._layers, contents, strict=True):
            if wanted:
                _copy(layer, wanted, sink, advance)
        sink.writelines(map(tarwrite.header, links))
        sink.write(tarwrite.END)

    def _entries(self, links: list[Entry]) -> Iterator[tuple[Entry, Node]]:
        """Every node under its first name; further names of files go to links."""
        first: dict[int, bytes] = {}
        length = 0
        for path, node in self._tree.walk():
            length += len(path)
            if length > self._limits.metadata:
                raise ImageError(f"the image has more than {self._limits.metadata} bytes of paths")
            if node.shared and node.entry.kind is Kind.FILE:
                known = first.setdefault(id(node), path)
                if known is not path:
                    same = _emitted(node.entry, path)
                    links.append(replace(same, kind=Kind.HARD_LINK, size=0, link=known, xattrs={}))
                    continue
            yield _emitted(node.entry, path), node


def flatten(layers: Sequence[Layer], *, limits: Limits | None = None) -> Flattened:
    """The first pass over the layers, the lowest first.

    Raises ImageError for a damaged layer, a digest that does not match, a path that leads out of the
    root, or an image beyond the limits.
    """
    tree = Tree()
    limits = limits or Limits()
    meter = _Meter(limits)
    for number, layer in enumerate(layers):
        with _opened(layer, thorough=True) as stream:
            entries = [meter.count(entry, layer.where) for entry in TarReader(stream, layer.where)]
        tree.apply(number, entries, layer.where)
    return Flattened(layers, tree, limits)


class _Meter:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries = self._size = self._metadata = 0

    def count(self, entry: Entry, where: str) -> Entry:
        self._entries += 1
        self._size += entry.size
        self._metadata += len(entry.name) + len(entry.link)
        self._metadata += sum(len(key) + len(value) for key, value in entry.xattrs.items())
        if self._size > self._limits.size:
            raise too_large(f"{where}: the image unpacks", self._limits.size)
        for what, amount, limit in (
            ("entries", self._entries, self._limits.entries),
            ("bytes of names and attributes", self._metadata, self._limits.metadata),
        ):
            if amount > limit:
                raise ImageError(
                    f"{where}: the image has more than {limit} {what}", hint="use a smaller image"
                )
        return entry


@contextmanager
def _opened(layer: Layer, *, thorough: bool) -> Iterator[BinaryIO]:
    """A layer's tar stream, checked to its last byte when the block ends.

    thorough: check the diff_id too, not the blob's digest alone.
    """
    with ExitStack() as stack:
        blob = stack.enter_context(layer.open())
        packed = stack.enter_context(streams.Hashing(blob)) if layer.digest else None
        with streams.decompressed(cast("BinaryIO", packed or blob), layer.where) as stream:
            if packed and (not thorough or layer.digest == layer.diff_id):
                yield stream
            else:
                plain = stack.enter_context(streams.Hashing(stream))
                yield streams.buffered(plain)
                plain.check(layer.diff_id, layer.where)
        if packed:
            packed.check(layer.digest, layer.where)


def _copy(layer: Layer, wanted: dict[int, Entry], sink: BinaryIO, advance: Callable[[int], None]) -> None:
    found = 0
    with _opened(layer, thorough=False) as stream:
        reader = TarReader(stream, layer.where)
        for ordinal, entry in enumerate(reader):
            emitted = wanted.get(ordinal)
            if emitted is None:
                continue
            if entry.size != emitted.size:
                raise ImageError(f"{layer.where}: changed while it was read")
            found += 1
            sink.write(tarwrite.header(emitted))
            for piece in reader.content():
                sink.write(piece)
                advance(len(piece))
            sink.write(tarwrite.padding(entry.size))
    if found != len(wanted):
        raise ImageError(f"{layer.where}: changed while it was read")


def _emitted(entry: Entry, path: bytes) -> Entry:
    if len(path) > MAX_PATH:
        raise ImageError(f"a path of the image is longer than {MAX_PATH} bytes: {path[:100]!r}...")
    # Linux has no other mode for a symbolic link, whatever the archive's writer put there.
    mode = 0o777 if entry.kind is Kind.SYMLINK else entry.mode
    xattrs = _kept(entry.xattrs, path) if entry.xattrs else entry.xattrs
    return replace(entry, name=path, mode=mode, mtime=clamp_time(entry.mtime), xattrs=xattrs)


def _kept(xattrs: dict[bytes, bytes], path: bytes) -> dict[bytes, bytes]:
    """The attributes that squashfs can hold (POSIX ACLs it cannot), without the overlay's own.

    Those would steer the overlay that the guest puts upon this disk.
    """
    kept = {
        key: value
        for key, value in xattrs.items()
        if key.startswith(_KEPT_XATTRS) and not key.startswith(_OVERLAY_XATTRS) and b"\0" not in key
    }
    if len(kept) < len(xattrs):
        logger.debug("flatten: %r loses the attributes %r", path, sorted(xattrs.keys() - kept.keys()))
    return kept
