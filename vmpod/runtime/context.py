"""The stores that every command works on, opened when they are first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vmpod.paths import Paths
from vmpod.state.store import PodEntry, PodStore

if TYPE_CHECKING:
    from vmpod.guestimage.store import GuestStore
    from vmpod.oci.store import ImageStore


def _ask(entry: PodEntry) -> list[dict[str, Any]] | None:
    """Ask a pod's agent where it stands."""
    from vmpod.runtime.ask import ask  # noqa: PLC0415 - hardly ever needed

    return ask(entry)


class Runtime:
    """Everything vmpod keeps for one user."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    @cached_property
    def pods(self) -> PodStore:
        """Pods, running or not."""
        return PodStore(self.paths, _ask)

    @cached_property
    def images(self) -> ImageStore:
        """Container images."""
        from vmpod.oci.store import ImageStore  # noqa: PLC0415 - not needed to list pods

        return ImageStore(self.paths.images)

    @cached_property
    def guests(self) -> GuestStore:
        """Guest images."""
        from vmpod.guestimage.store import GuestStore  # noqa: PLC0415 - not needed to list pods

        return GuestStore(self.paths.guests)

    @contextmanager
    def using(self) -> Iterator[None]:
        """For who starts a pod: no image or guest image is removed between its choice and its use."""
        with self.images.using(), self.guests.using():
            yield

    def images_in_use(self) -> set[str]:
        """Digests of the images that some pod's disks are made of."""
        return {digest for entry in self.pods.list() for digest in entry.record.images}
