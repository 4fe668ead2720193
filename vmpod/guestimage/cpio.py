"""Writes an initrd: a cpio archive in the 'newc' format.

Source: Documentation/driver-api/early-userspace/buffer-format.rst in the Linux tree.
"""

from __future__ import annotations

import stat

from vmpod.guestimage.tree import Node, Tree, with_parents

# The kernel reads archives one after the other, each from a multiple of 4 bytes on; cpio pads to 512.
_BLOCK = 512
_TRAILER = "TRAILER!!!"


def archive(tree: Tree) -> bytes:
    """The tree as one archive: sorted, owned by root, times 0. May be appended to another archive."""
    entries = with_parents(tree).items()
    records = [_record(number, path, node) for number, (path, node) in enumerate(entries, start=1)]
    records.append(_record(0, _TRAILER, Node(0)))
    return _padded(b"".join(records), _BLOCK)


def _record(inode: int, path: str, node: Node) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (inode, node.mode, 0, 0, links, 0, len(node.data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08x" % value for value in fields)
    return _padded(header + name, 4) + _padded(node.data, 4)


def _padded(data: bytes, multiple: int) -> bytes:
    return data + bytes(-len(data) % multiple)
