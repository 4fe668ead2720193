"""Templates: frozen machines that have booted and have no pod yet, and the machines that begin as one. Pure.

A frozen machine goes on with the devices that it had. So a template has stand-ins behind the devices that
differ between pods, and what depends on the pod is rounded up to a few sizes: memory, and places for
shares.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vmpod.plan.model import MAX_SHARES, Disks, Frozen, Machine, Share, share_tag

NAME = "vmpod-template"

_PLACES = (0, 2, 6, MAX_SHARES)
_MIB = 1024 * 1024


def share_places(shares: int) -> int:
    """How many places for shares the template of a machine with so many shares has."""
    return next(places for places in _PLACES if places >= shares)


def template_of(machine: Machine, directory: Path, *, uuid: str, mac: str) -> Machine:
    """The machine to boot and freeze, so that a copy of it can become that machine.

    directory: where its stand-ins, sockets and console log are.
    """
    stand_in = stand_ins(directory, machine)
    return replace(
        machine,
        name=f"{NAME}-{uuid[:8]}",
        uuid=uuid,
        disks=stand_in,
        mac=mac,
        sockets=directory,
        console_log=directory / "console.log",
        forwards=(),
        shares=_padded((), share_places(len(machine.shares)), empty_share(directory)),
        plugs=(),
        frozen=None,
        balloon=False,
    )


def copy_of(machine: Machine, frozen: Frozen | None, empty: Path) -> Machine:
    """The machine as it has to be started to begin as a frozen one, or to be frozen: frozen is None then.

    empty: an empty directory of the host, behind places for shares that the pod does not use.
    """
    shares = _padded(machine.shares, share_places(len(machine.shares)), empty)
    return replace(machine, frozen=frozen, shares=shares, balloon=False)


def stand_ins(directory: Path, machine: Machine) -> Disks:
    """The stand-ins of the disks; the root disk is the real one."""
    return Disks(
        root=machine.disks.root,
        boot=directory / "boot.iso",
        images=directory / "images.raw",
        scratch=directory / "scratch.raw",
        journal=directory / "journal.raw",
    )


def empty_share(directory: Path) -> Path:
    """The empty directory behind a template's places for shares."""
    return directory / "empty"


def _padded(shares: tuple[Share, ...], places: int, empty: Path) -> tuple[Share, ...]:
    """The shares, and empty ones up to so many. A share's tag is its place: the guest has seen the tags."""
    tags = map(share_tag, range(len(shares), places))
    return shares + tuple(Share(tag, empty, read_only=True, keep_owners=False) for tag in tags)
