"""The recipe of the guest image: what `images/` says, as data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vmpod
from vmpod.dataclass import dataclass
from vmpod.errors import GuestImageError

# What decides the image's bytes: the recipe's files, and the code that follows them.
_FILES = ("guest.toml", "prepare")
_CODE = ("build", "cpio", "elf", "init", "initrd", "kernel", "modules", "rootfs", "steps", "tree", "unpack")


@dataclass(frozen=True)
class Recipe:
    """What goes into the image; the file `images/guest.toml` explains each part."""

    directory: Path
    suite: str
    packages: tuple[str, ...]
    keep: tuple[str, ...]
    extensions: tuple[str, ...]
    applets: tuple[str, ...]
    directories: tuple[str, ...]
    links: Mapping[str, str]
    files: Mapping[str, str]
    warm: tuple[str, ...]
    boot_modules: tuple[str, ...]
    root_modules: tuple[str, ...]
    squashfs_options: tuple[str, ...]
    command_line: Mapping[str, str]


def recipe_directory() -> Path:
    """Where the recipe lies. Raises GuestImageError if vmpod was installed without it."""
    directory = Path(vmpod.__file__).parent / "images"
    if not (directory / "guest.toml").is_file():
        raise GuestImageError(
            "the recipe of the guest image is missing",
            hint="install vmpod again: its package is not complete",
        )
    return directory


def recipe_key(directory: Path) -> str:
    """A hash of the recipe and of this builder, whatever they mean: 16 hexadecimal digits.

    Quick, and without network: it answers whether the image made from them is there already.
    """
    digest = hashlib.sha256()
    code = [Path(__file__).with_name(f"{name}.py") for name in _CODE]
    for path in (*(directory / name for name in _FILES), *code):
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def load(directory: Path) -> Recipe:
    """Read the recipe. Raises GuestImageError if guest.toml lacks something."""
    import tomllib  # noqa: PLC0415 - only builds need it, and it is slow to import

    path = directory / "guest.toml"
    try:
        return _recipe(directory, tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as fault:
        raise GuestImageError(f"{path}: {type(fault).__name__}: {fault}") from None


def _recipe(directory: Path, data: Mapping[str, Any]) -> Recipe:
    root, modules, lines = data["root"], data["modules"], data["command_line"]
    return Recipe(
        directory=directory,
        suite=data["suite"],
        packages=tuple(data["packages"]),
        keep=tuple(root["keep"]),
        extensions=tuple(root["extensions"]),
        applets=tuple(root["applets"]),
        directories=tuple(root["directories"]),
        links=root["links"],
        files=root["files"],
        warm=tuple(data["initrd"]["warm"]),
        boot_modules=tuple(modules["boot"]),
        root_modules=tuple(modules["root"]),
        squashfs_options=tuple(data["squashfs"]["options"]),
        command_line={accel: " ".join([*lines["common"], *lines[accel]]) for accel in ("tcg", "kvm")},
    )
