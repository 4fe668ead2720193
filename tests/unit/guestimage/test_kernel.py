"""The ELF kernel out of a bzImage."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable

import pytest

from vmpod.errors import GuestImageError
from vmpod.guestimage.kernel import extract

KERNEL = b"\x7fELF" + bytes(range(256)) * 40
SETUP_SECTORS = 2


def bzimage(payload: bytes, *, offset: int = 96) -> bytes:
    """A file with a bzImage's setup header around a payload."""
    image = bytearray((SETUP_SECTORS + 1) * 512 + offset)
    image[0x1F1] = SETUP_SECTORS
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, offset, len(payload))
    return bytes(image) + payload + b"what follows"


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_the_payload_is_decompressed(compress: Callable[[bytes], bytes]) -> None:
    size = struct.pack("<I", len(KERNEL))  # the kernel's build appends it
    assert extract(bzimage(compress(KERNEL) + size)) == KERNEL


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"", "no setup header"),
        (b"\x7fELF" * 1000, "no setup header"),
        (bzimage(b"plain"), "unknown way"),
        (bzimage(gzip.compress(b"no kernel")), "not an ELF"),
        (bzimage(gzip.compress(KERNEL))[:1700], "cut short"),
    ],
)
def test_what_is_no_kernel_is_refused(image: bytes, message: str) -> None:
    with pytest.raises(GuestImageError, match=message):
        extract(image)
