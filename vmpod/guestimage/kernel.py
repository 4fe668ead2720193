"""Takes the uncompressed ELF kernel out of a bzImage.

QEMU enters an ELF kernel through its PVH note, so the guest decompresses nothing.
Source: Documentation/x86/boot.rst in the Linux tree (the offsets of the setup header).
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable

from vmpod.errors import GuestImageError
from vmpod.run import run

_LIMIT = 256 << 20


def extract(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage. Raises GuestImageError if there is none."""
    payload = _payload(image)
    for magic, decompress in _DECOMPRESSORS.items():
        if payload.startswith(magic):
            kernel = decompress(payload)
            break
    else:
        raise GuestImageError(f"the kernel is compressed in an unknown way (magic {payload[:6].hex()})")
    if not kernel.startswith(b"\x7fELF"):
        raise GuestImageError("what the kernel image holds is not an ELF file")
    return kernel


def _payload(image: bytes) -> bytes:
    if image[0x202:0x206] != b"HdrS" or len(image) < 0x250:
        raise GuestImageError("the kernel is not a bzImage: it has no setup header")
    sectors = image[0x1F1] or 4  # the protocol: 0 means 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    if not 0 < length <= len(image) - start:
        raise GuestImageError("the kernel image is cut short")
    return image[start : start + length]


def _xz(data: bytes) -> bytes:
    # The kernel's build appends the size after the stream: a plain decompress() would stumble over it.
    return lzma.LZMADecompressor().decompress(data, _LIMIT)


def _gzip(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(data, _LIMIT)


def _lz4(data: bytes) -> bytes:
    return run(["lz4", "-dc"], input=data[:-4])


def _zstd(data: bytes) -> bytes:
    return run(["zstd", "-dc"], input=data[:-4])


_DECOMPRESSORS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\xfd7zXZ\0": _xz,
    b"\x1f\x8b": _gzip,
    b"\x02\x21\x4c\x18": _lz4,
    b"\x28\xb5\x2f\xfd": _zstd,
}
