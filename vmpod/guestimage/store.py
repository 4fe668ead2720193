"""The guest images on this host.

    <root>/images/<id>/   one built image: kernel, initrd (without the agent), root, guest.json, contents
    <root>/initrds/<id>-<agent>   an image's initrd with one version of the agent appended
    <root>/recipes/<key>  a link to the image that was last built from that recipe
    <root>/lock           held while something is built or removed
    <root>/users          held by who is about to start a machine (shared), or removes files (alone)

Whether an image is there is told by the recipe's hash alone, without network: the link is looked up.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vmpod.errors import GuestImageError, HostError, NotFoundError
from vmpod.guestimage.agent import agent_archive, agent_directory, agent_sources
from vmpod.guestimage.model import INITRD, KERNEL, ROOT, GuestImage, GuestInfo
from vmpod.guestimage.recipe import load, recipe_directory, recipe_key
from vmpod.lock import exclusive, shared
from vmpod.progress import SILENT, Progress
from vmpod.removable import Removable

NOT_BUILT = "not-built"


class GuestStore:
    """Finds, builds and removes guest images below one directory; safe to use from several processes."""

    def __init__(self, root: Path, *, recipe: Path | None = None, agent: Path | None = None) -> None:
        """recipe, agent: other directories than those that came with vmpod, for experiments."""
        self._root = root
        self._recipe = recipe or recipe_directory()
        self._agent = agent or agent_directory()

    def ensure(self, progress: Progress) -> GuestImage:
        """The guest image of this vmpod, built first if it is missing.

        Raises GuestImageError if it cannot be built.
        """
        found = self._current()
        return self._composed(found) if found else self.build(progress)

    def describe(self) -> GuestImage:
        """The guest image as `ensure` would return it, without building or writing anything.

        One that is not built yet has an id that says so, and files that are not there.
        """
        if found := self._current():
            return self._named(found)[0]
        directory = self._root / "images" / NOT_BUILT
        recipe = load(self._recipe)
        return GuestImage(
            NOT_BUILT, directory / KERNEL, directory / INITRD, directory / ROOT, dict(recipe.command_line)
        )

    def build(self, progress: Progress, *, force: bool = False) -> GuestImage:
        """Build the guest image; force: even if there is one, to take in newer packages."""
        with self._lock(progress):
            # Somebody else may have built it while we waited for the lock.
            found = None if force else self._current()
            return self._composed(found or self._build(progress))

    def list(self) -> list[GuestInfo]:
        """All images, the newest first."""
        current = self._current()
        infos = [_info(path, current=path == current) for path in (self._root / "images").glob("[0-9a-f]*")]
        return sorted(infos, key=lambda info: (-info.created, info.id))

    def remove(self, id: str) -> None:  # noqa: A002 - the word the user sees
        """Delete an image by its id. Machines that run from it keep their open files.

        Raises NotFoundError if there is none of that name.
        """
        with self._lock():
            if not any(info.id == id for info in self.list()):
                raise NotFoundError(f"there is no guest image {id!r}", hint="`vmpod guest ls` lists them")
            for link in (self._root / "recipes").iterdir():
                if link.readlink().name == id:
                    link.unlink()
            for initrd in (self._root / "initrds").glob(f"{id}-*"):
                initrd.unlink()
            shutil.rmtree(self._root / "images" / id)

    def using(self) -> AbstractContextManager[None]:
        """For who is about to start a machine: no file that it may want goes until the block ends."""
        self._root.mkdir(parents=True, exist_ok=True)
        return shared(self._root / "users")

    def prune(
        self, *, everything: bool = False, dry_run: bool = False, progress: Progress = SILENT
    ) -> Sequence[Removable]:
        """Remove what no machine and no vmpod needs, and return it: images that a newer build of their
        recipe replaced, initrds with other agents, leftovers of killed builds.

        everything: also the images of other recipes, which other versions of vmpod would boot.
        dry_run: only tell.
        """
        from vmpod.guestimage import prune  # noqa: PLC0415 - a start of a pod prunes nothing

        if not self._root.is_dir():
            return []
        with self._unused(progress), self._lock(progress):
            current = self._current()
            initrd = self._named(current)[0].initrd.name if current else ""
            going = prune.unneeded(self._root, current, initrd, everything=everything)
            found = [prune.removable(path) for path in going]
            # Links first, so that none ever leads nowhere.
            for path in () if dry_run else sorted(going, key=lambda path: not path.is_symlink()):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        return found

    @contextmanager
    def _unused(self, progress: Progress) -> Iterator[None]:
        with ExitStack() as waits:

            def waiting() -> None:
                waits.enter_context(progress.phase("Waiting for pods that are starting"))

            with exclusive(self._root / "users", waiting=waiting):
                waits.close()
                yield

    def _current(self) -> Path | None:
        link = self._root / "recipes" / recipe_key(self._recipe)
        if not (link / "guest.json").is_file():
            return None
        return self._root / "images" / link.readlink().name

    def _build(self, progress: Progress) -> Path:
        # Not needed when the image is there, and slow to import.
        from vmpod.guestimage.build import build_into  # noqa: PLC0415

        images = self._root / "images"
        # One name is enough: we hold the lock, and what a killed builder left is in the way of nobody.
        directory = images / ".build"
        shutil.rmtree(directory, ignore_errors=True)
        try:
            directory.mkdir(parents=True)
            target = images / build_into(load(self._recipe), directory, progress)
            if not target.exists():
                _sync(directory)
                directory.rename(target)
            self._link(target)
        except OSError as fault:
            raise HostError(
                f"the guest image cannot be written to {images}: {fault}",
                hint="it needs 120 MB of free space",
            ) from None
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return target

    def _link(self, target: Path) -> None:
        link = self._root / "recipes" / recipe_key(self._recipe)
        link.parent.mkdir(exist_ok=True)
        new = link.with_name(f".{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(Path("..") / "images" / target.name)
        new.replace(link)

    def _composed(self, directory: Path) -> GuestImage:
        """The image with the agent of this vmpod in its initrd."""
        image, sources, magic = self._named(directory)
        if not image.initrd.exists():
            with self.using():
                _write(image.initrd, (directory / INITRD).read_bytes() + agent_archive(sources, magic))
        return image

    def _named(self, directory: Path) -> tuple[GuestImage, dict[str, bytes], bytes]:
        """An image as it will be when composed, and what its agent is made from."""
        description = _description(directory)
        sources = agent_sources(self._agent)
        identity = f"{directory.name}-{_digest(sources, description['python_magic'])}"
        initrd = self._root / "initrds" / identity
        image = GuestImage(
            identity, directory / KERNEL, initrd, directory / ROOT, description["command_line"]
        )
        return image, sources, bytes.fromhex(description["python_magic"])

    @contextmanager
    def _lock(self, progress: Progress = SILENT) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with progress.phase("Waiting for another build of the guest image"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _info(path: Path, *, current: bool) -> GuestInfo:
    description = _description(path)
    return GuestInfo(
        id=path.name,
        current=current,
        created=(path / "guest.json").stat().st_mtime,
        sizes={name: (path / name).stat().st_size for name in (KERNEL, INITRD, ROOT)},
        kernel_release=description["kernel_release"],
        packages=tuple(description["packages"]),
    )


def _description(directory: Path) -> dict[str, Any]:
    path = directory / "guest.json"
    try:
        description: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as fault:
        hint = f"remove {directory}, it will be built again"
        raise GuestImageError(f"{path}: {fault}", hint=hint) from None
    return description


def _digest(sources: dict[str, bytes], python_magic: str) -> str:
    digest = hashlib.sha256(python_magic.encode())
    for name, data in sources.items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:12]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    # The process in the name: two may write the same content at once, and the last rename wins.
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("wb") as output:
            output.write(data)
            output.flush()
            os.fsync(output.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    for path in directory.iterdir():
        with path.open("rb") as content:
            os.fsync(content.fileno())
