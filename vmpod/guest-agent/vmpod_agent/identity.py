"""What a copied machine has in common with the one it was copied from, and must not keep.

The kernel is told of a copy as well, by the machine's generation id; but only some time after the first
instruction. Here it happens before anything of a pod runs. Constants are from linux/random.h and
linux/sockios.h.
"""

from __future__ import annotations

import binascii
import fcntl
import os
import struct

from vmpod.wire import messages
from vmpod.wire.messages import MessageError
from vmpod_agent import network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

SEED_SIZE = 64
"""Bytes of fresh randomness that the host gives."""

_RNDADDENTROPY = 0x40085203
_RNDRESEEDCRNG = 0x5207
_MAC_SIZE = 6
_CARD = "eth0"


class Identity:
    """time: of the host, ns since the epoch; seed: random bytes; mac: of the network card."""

    __slots__ = ("mac", "seed", "time")

    def __init__(self, message: Json) -> None:
        """Raises MessageError if the host has not sent all of it."""
        self.time = messages.get(message, "time", int)
        self.seed = _hexadecimal(message, "seed", SEED_SIZE)
        self.mac = _hexadecimal(message, "mac", _MAC_SIZE)

    def take(self) -> None:
        """Make random numbers and the network card the machine's own. Raises OSError."""
        stir(self.seed)
        network.set_hardware_address(_CARD, self.mac)


def stir(seed: bytes) -> None:
    """Let the kernel's random numbers from now on depend on the seed, which nobody else has.

    Raises OSError.
    """
    fd = os.open("/dev/urandom", os.O_WRONLY | os.O_CLOEXEC)
    try:
        # struct rand_pool_info: bits of entropy, size in bytes, the bytes.
        fcntl.ioctl(fd, _RNDADDENTROPY, struct.pack("ii", 8 * len(seed), len(seed)) + seed)
        fcntl.ioctl(fd, _RNDRESEEDCRNG)
    finally:
        os.close(fd)


def _hexadecimal(message: Json, name: str, size: int) -> bytes:
    try:
        found = binascii.a2b_hex(messages.get(message, name, str))
    except ValueError as error:
        raise MessageError(f"{name}: {error}") from None
    if len(found) != size:
        raise MessageError(f"{name}: {len(found)} bytes, {size} are needed")
    return found
