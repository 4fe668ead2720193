"""Chooses kernel modules and orders them, from what depmod wrote.

Source: modules.dep(5), and kmod's modules.alias.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping

from vmpod.errors import GuestImageError

# Source: include/linux/module_signature.h: a signature, 12 bytes that end in its length, and this.
_SIGNED = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">8xI")


def parse_dependencies(text: str) -> dict[str, tuple[str, ...]]:
    """modules.dep: the path of each module, and the paths of all it depends on, the nearest first."""
    lines = (line.partition(":") for line in text.splitlines() if line.strip())
    return {path: tuple(rest.split()) for path, _, rest in lines}


def name_of(path: str) -> str:
    """The module's name as the kernel spells it: '.../hw_random/virtio-rng.ko' is 'virtio_rng'."""
    return re.sub(r"\.ko$", "", path.rsplit("/", 1)[-1]).replace("-", "_")


def load_order(names: Iterable[str], dependencies: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The paths of the named modules and of all they need, each after those it needs.

    Raises GuestImageError for a name that is not there.
    """
    paths = {name_of(path): path for path in dependencies}
    order: dict[str, None] = {}
    for name in names:
        path = paths.get(name.replace("-", "_"))
        if path is None:
            raise GuestImageError(f"the kernel has no module named {name!r}")
        # depmod lists a module's dependencies so that the last must be loaded first.
        order |= dict.fromkeys([*reversed(dependencies[path]), path])
    return list(order)


def dependency_file(paths: Iterable[str], dependencies: Mapping[str, tuple[str, ...]]) -> str:
    """modules.dep for a choice of modules that is closed under dependencies."""
    return "".join(f"{path}: {' '.join(dependencies[path])}".rstrip() + "\n" for path in sorted(paths))


def alias_file(paths: Iterable[str], text: str) -> str:
    """The lines of modules.alias that lead to one of the modules."""
    names = {name_of(path) for path in paths}
    lines = (line for line in text.splitlines() if line.startswith("alias "))
    return "".join(f"{line}\n" for line in lines if line.split()[-1].replace("-", "_") in names)


def without_signature(module: bytes) -> bytes:
    """A kernel module without the signature at its end, if it has one.

    The kernel does not insist on signatures (it would under lockdown), but checks those it finds, and
    that is slow under emulation. Whoever could put another module here could as well put another kernel.
    """
    if not module.endswith(_SIGNED):
        return module
    end = len(module) - len(_SIGNED) - _TRAILER.size
    (length,) = _TRAILER.unpack_from(module, end)
    if not 0 < length <= end:
        raise GuestImageError("a kernel module's signature is broken")
    return module[: end - length]
