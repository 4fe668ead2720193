"""What of the guest images nobody needs."""

from __future__ import annotations

from pathlib import Path

from vmpod.process import found_in_arguments
from vmpod.removable import Removable, disk_usage


def unneeded(root: Path, current: Path | None, initrd: str, *, everything: bool) -> list[Path]:
    """Files, directories and links below root that can go. To be called while nobody builds or starts.

    current: the image that new pods boot, initrd: the name of its initrd with this vmpod's agent.
    everything: also images that are the current ones of other recipes, and so of other vmpods.

    What a running machine has on its command line stays, whoever runs it; of one that is hidden from us,
    the files go only by name: QEMU has read kernel and initrd, and holds the root disk open.
    """
    images, initrds, recipes = (_entries(root / name) for name in ("images", "initrds", "recipes"))
    linked = {path.readlink().name for path in recipes if path.is_symlink() and not _is_draft(path)}
    kept = {current.name} if current else set()
    kept |= set() if everything else linked
    kept |= _in_use(images)
    going = [path for path in images if path.name not in kept]
    gone = {path.name for path in going}
    running = _in_use(initrds)
    going += [path for path in initrds if path.name != initrd and path.name not in running]
    going += [path for path in recipes if _is_draft(path) or path.readlink().name in gone]
    return going


def removable(path: Path) -> Removable:
    """What a path below the store of guest images is to a user."""
    kind = {"images": "guest-image", "initrds": "initrd"}.get(path.parent.name, "leftover")
    if _is_draft(path) or kind == "leftover":
        return Removable("leftover", str(path), disk_usage(path))
    return Removable(kind, path.name, disk_usage(path))


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".")


def _in_use(paths: list[Path]) -> set[str]:
    # By the end of the path: the store may be known under several names.
    ends = {f"/{path.parent.name}/{path.name}": path.name for path in paths if not _is_draft(path)}
    return {ends[end] for end in found_in_arguments(ends)}
