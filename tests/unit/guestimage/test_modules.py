"""The choice and order of kernel modules."""

from __future__ import annotations

import struct

import pytest

from vmpod.errors import GuestImageError
from vmpod.guestimage.modules import (
    alias_file,
    dependency_file,
    load_order,
    name_of,
    parse_dependencies,
    without_signature,
)

# depmod's order: what must be loaded first stands last.
DEP = """\
kernel/virtio_blk.ko: kernel/virtio_ring.ko kernel/virtio.ko
kernel/virtio_ring.ko: kernel/virtio.ko
kernel/virtio.ko:
kernel/char/virtio-rng.ko: kernel/virtio.ko
"""


def test_needed_modules_come_first_and_once() -> None:
    order = load_order(["virtio_blk", "virtio_rng"], parse_dependencies(DEP))
    assert [name_of(path) for path in order] == ["virtio", "virtio_ring", "virtio_blk", "virtio_rng"]


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(GuestImageError, match="'floppy'"):
        load_order(["floppy"], parse_dependencies(DEP))


def test_written_files_hold_only_the_choice() -> None:
    dependencies = parse_dependencies(DEP)
    chosen = load_order(["virtio-rng"], dependencies)
    assert parse_dependencies(dependency_file(chosen, dependencies)).keys() == set(chosen)
    aliases = "# comment\nalias virtio:d00000004v* virtio_rng\nalias fs-ext4 ext4\n"
    assert alias_file(chosen, aliases) == "alias virtio:d00000004v* virtio_rng\n"


def test_a_signature_is_cut_off() -> None:
    code, signature, end = b"\x7fELF code", b"s" * 300, b"~Module signature appended~\n"
    assert without_signature(code + signature + struct.pack(">8xI", 300) + end) == code
    assert without_signature(code) == code
    with pytest.raises(GuestImageError, match="broken"):
        without_signature(code + struct.pack(">8xI", 300) + end)
