"""The stores that every command works on, opened when they are first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmpod.paths import Paths
from vmpod.state.store import PodEntry, PodStore

if TYPE_CHECKING:
    from vmpod.guestimage.store import GuestStore
    from vmpod.guestimage.toolbox import ToolboxStore
    from vmpod.hypervisor.base import Hypervisor
    from vmpod.oci.store import ImageStore
    from vmpod.state.claims import ClaimStore
    from vmpod.state.jobs import JobStore
    from vmpod.state.record import Record
    from vmpod.template.store import TemplateStore


DRIVER_ROOT = "v"
"""The embedded driver's directory, beside a machine's sockets. Short: there are sockets in it, too."""


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
    def jobs(self) -> JobStore:
        """Jobs, over or not."""
        from vmpod.state.jobs import JobStore  # noqa: PLC0415 - most commands are about pods

        return JobStore(self.paths)

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

    @cached_property
    def templates(self) -> TemplateStore:
        """Frozen machines."""
        from vmpod.template.store import TemplateStore  # noqa: PLC0415 - not needed to list pods

        return TemplateStore(self.paths.templates)

    @cached_property
    def toolbox(self) -> ToolboxStore:
        """Programs to look into machines."""
        from vmpod.guestimage.toolbox import ToolboxStore  # noqa: PLC0415 - hardly ever needed

        return ToolboxStore(self.paths.toolbox)

    @cached_property
    def claims(self) -> ClaimStore:
        """Disks that outlive pods."""
        from vmpod.state.claims import ClaimStore  # noqa: PLC0415 - few pods have any

        return ClaimStore(self.paths.claims)

    def hypervisor(self, uri: str, sockets: Path) -> AbstractContextManager[Hypervisor]:
        """What a machine is on, for the time of the block. sockets: the directory of the machine's.

        Raises HypervisorError, HostError.
        """
        from vmpod.hypervisor.open import hypervisor  # noqa: PLC0415 - not needed to list pods

        return hypervisor(uri, root=sockets / DRIVER_ROOT, cache=self.paths.libvirt_cache)

    @contextmanager
    def using(self) -> Iterator[None]:
        """For who starts a pod: no image or template is removed between its choice and its use."""
        with self.images.using(), self.guests.using(), self.templates.using():
            yield

    def images_in_use(self) -> set[str]:
        """Digests of the images that some pod's disks are made of, or some snapshot's."""
        records = [entry.record for entry in self.pods.list()] + self.kept()
        return {digest for record in records for digest in record.images}

    def kept(self) -> list[Record]:
        """The pods that snapshots are of."""
        from vmpod.state import record  # noqa: PLC0415 - hardly ever needed

        top = self.paths.snapshots
        paths = top.iterdir() if top.is_dir() else ()
        found = (record.load(path, remove="snapshot rm") for path in paths if not path.name.startswith("."))
        return [each for each in found if each]
