"""Chooses kernel modules and orders them, from what depmod wrote.

Source: modules.dep(5), and kmod's modules.alias.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vmpod.errors import GuestImageError


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
