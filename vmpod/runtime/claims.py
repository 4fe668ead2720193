"""Claims, and the pods that use them.

A claim is used by a pod that names it and whose machine runs or is being started. Who may begin to is decided
under the lock of all claims; the pod's record, written before the lock is given back, tells it from then on.
So a command that is killed leaves nothing to clean up. QEMU, besides, locks the disks that it has open: that
holds where records are at odds, or in another home.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError
from vmpod.plan.claims import claim_names
from vmpod.plan.forward import called, pod_key
from vmpod.plan.host import Storage
from vmpod.plan.model import Plug
from vmpod.removable import Removable
from vmpod.runtime.context import Runtime
from vmpod.runtime.difference import difference
from vmpod.spec.claims import VOLUME_MODES
from vmpod.spec.model import Claim, Manifest, Pod
from vmpod.state.claims import DISK, StoredClaim, serial_of
from vmpod.state.store import PodEntry

_READ_ONLY = "ReadOnlyMany"
_SHARED = {_READ_ONLY, "ReadWriteMany"}
"""Modes with which several pods may use a claim at once, if all of them only read."""


@dataclass(frozen=True)
class User:
    """A pod that names a claim. busy: whether its machine runs, or may be about to."""

    key: str
    read_only: bool
    busy: bool

    @property
    def called(self) -> str:
        """What commands call it."""
        return called(self.key)


def storage(runtime: Runtime, pod: Pod, manifest: Manifest) -> dict[str, Storage]:
    """What is behind the claims that the pod can name: those described with it, and those that are there."""
    found = _there(runtime, pod) | {each.name: each for each in _described(pod, manifest)}
    keys = {name: pod_key(pod.namespace, name) for name in found}
    return {
        name: Storage(
            runtime.claims.directory(key) / DISK, serial_of(key), found[name].modes, found[name].block
        )
        for name, key in keys.items()
    }


def _there(runtime: Runtime, pod: Pod) -> dict[str, Claim | StoredClaim]:
    if not (names := claim_names(pod)):
        return {}
    every = runtime.claims.list(problems=[])
    found: dict[str, Claim | StoredClaim] = {
        claim.name: claim for claim in every if claim.namespace == pod.namespace
    }
    for name in names:
        if name not in found:
            runtime.claims.lookup(pod_key(pod.namespace, name))  # one that is damaged is not taken for none
    return found


def _described(pod: Pod, manifest: Manifest) -> list[Claim]:
    return [*(claim for claim in manifest.claims if claim.namespace == pod.namespace), *pod.claims]


@contextmanager
def taking(runtime: Runtime, pod: Pod, manifest: Manifest, plugs: tuple[Plug, ...]) -> Iterator[None]:
    """Make the claims that the pod names, unless they are there, and let it begin to use them.

    The block has to write down that the pod is being started. Raises ConflictError.
    """
    names = claim_names(pod)
    if not names:
        yield
        return
    kept = {claim.name for claim in pod.claims}
    own = pod_key(pod.namespace, pod.name)
    with runtime.claims.locked():
        for claim in _described(pod, manifest):
            # What was made for a pod of a StatefulSet stays as it is.
            if claim.name in names and not (claim.name in kept and _find(runtime, claim)):
                _apply(runtime, claim, but=own)
        read_only = {plug.serial: plug.read_only for plug in plugs}
        for name in names:
            key = pod_key(pod.namespace, name)
            _check_free(runtime, key, read_only=read_only[serial_of(key)], but=own)
        yield


def _check_free(runtime: Runtime, key: str, *, read_only: bool, but: str) -> None:
    """but: the pod that wants it, by its key."""
    claim = runtime.claims.lookup(key)
    if claim is None:
        raise ConflictError(f"the claim {key} has just been removed", hint="try again")
    shared = read_only and not _SHARED.isdisjoint(claim.modes)
    for user in users(runtime, claim):
        if user.busy and user.key != but and not (shared and user.read_only):
            raise ConflictError(
                f"the claim {claim.called} is in use by the pod {user.called}",
                hint=_way_out(user, reading=read_only and user.read_only),
            )
    if read_only and claim.needs_recovery():
        raise ConflictError(
            f"the claim {claim.called} was not closed by the last pod that wrote to it",
            hint="run a pod once that may write to it: its machine mends the file system",
        )


def _way_out(user: User, *, reading: bool) -> str:
    stop = f"`vmpod stop {user.called}` stops that pod"
    if reading:
        return f"{stop}; with the access mode {_READ_ONLY} several pods can read it at once"
    return f"{stop}; a claim that is written to is one pod's at a time"


def users(runtime: Runtime, claim: StoredClaim, *, certain: bool = False) -> list[User]:
    """The pods that name a claim, whether or not they run.

    certain: raise HostError for a pod of which nobody knows what it names, as its record cannot be read.
    """
    found = []
    for entry in runtime.pods.list(problems=None if certain else []):
        if modes := _modes_of_use(entry, claim):
            read_only = all(modes) or set(claim.modes) == {_READ_ONLY}
            found.append(User(entry.record.key, read_only, runtime.pods.busy(entry)))
    return found


def _modes_of_use(entry: PodEntry, claim: StoredClaim) -> list[bool]:
    """For each of a pod's volumes that is of the claim, whether it is read-only."""
    if entry.record.namespace != claim.namespace:
        return []
    return [each.get("readOnly") is True for each in _sources(entry) if each.get("claimName") == claim.name]


def writes(entry: PodEntry) -> bool:
    """Whether a pod may write to some claim."""
    return any(each.get("readOnly") is not True for each in _sources(entry))


def _sources(entry: PodEntry) -> list[Mapping[str, Any]]:
    """What the pod's volumes that are claims say of them."""
    volumes = entry.record.spec.get("volumes") or ()
    return [found for each in volumes if (found := each.get("persistentVolumeClaim"))]


# What is done with claims themselves.


def apply(runtime: Runtime, claim: Claim) -> str:
    """Let there be a claim as it is described: 'created', 'configured' or 'unchanged'.

    Raises ConflictError for one that would shrink, or that a pod uses, VmpodError.
    """
    with runtime.claims.locked():
        return _apply(runtime, claim)


def _apply(runtime: Runtime, claim: Claim, but: str = "") -> str:
    there = _find(runtime, claim)
    if there is None:
        runtime.claims.make(claim)
        return "created"
    if claim.size < there.size:
        raise ConflictError(
            f"the claim {there.called} has {there.size} bytes, and {claim.source} asks for {claim.size}: "
            "it cannot shrink",
            hint="copy what is in it into another claim",
        )
    if claim.block is not there.block:
        raise ConflictError(
            f"the claim {there.called} has the volumeMode {_mode(there)}, and {claim.source} says "
            f"{_mode(claim)}: that cannot be changed",
            hint=f"give it another name, or remove it with its data: vmpod volume rm {there.called}",
        )
    if claim.document == there.document:
        return "unchanged"
    if (claim.size, claim.modes) != (there.size, there.modes):
        _check_unused(runtime, there, but)
    runtime.claims.change(there, claim)
    return "configured"


def _mode(claim: Claim | StoredClaim) -> str:
    return VOLUME_MODES[claim.block]


def shown(claim: Claim) -> str:
    """What commands call it."""
    return called(pod_key(claim.namespace, claim.name))


def _find(runtime: Runtime, claim: Claim) -> StoredClaim | None:
    return runtime.claims.lookup(pod_key(claim.namespace, claim.name))


def _check_unused(runtime: Runtime, claim: StoredClaim, but: str) -> None:
    busy = [user for user in users(runtime, claim) if user.busy and user.key != but]
    if busy:
        raise ConflictError(
            f"the claim {claim.called} cannot be changed while the pod {busy[0].called} uses it",
            hint=f"`vmpod stop {busy[0].called}` stops that pod",
        )


def differences(runtime: Runtime, claim: Claim) -> list[str]:
    """The lines of a diff from the claim that is there to how it is described; none if they are the same."""
    there, name = _find(runtime, claim), f"persistentvolumeclaim/{shown(claim)}"
    if there is None:
        return [f"{name} is not there"]
    return difference(name, [there.document], [claim.document], claim.source)


def remove(runtime: Runtime, name: str) -> None:
    """Remove a claim, 'NAME' or 'NAMESPACE/NAME', and its data. Raises NotFoundError.

    Raises ConflictError if there is a pod that names it, also one that has ended: it could be started again.
    """
    with runtime.claims.locked():
        claim = runtime.claims.find(name)
        if found := users(runtime, claim, certain=True):
            raise ConflictError(
                f"the pod {found[0].called} names the claim {claim.called}",
                hint=f"remove the pod first: vmpod rm {found[0].called}",
            )
        runtime.claims.remove(claim)


def prune(runtime: Runtime, *, gone: Collection[str], dry_run: bool) -> Iterator[Removable]:
    """Remove the claims that no pod names, and tell each as it goes. gone: keys of pods that do not count."""
    with runtime.claims.locked():
        for claim in runtime.claims.list(problems=[]):
            if all(user.key in gone for user in users(runtime, claim, certain=True)):
                yield Removable("claim", claim.called, claim.used)
                if not dry_run:
                    runtime.claims.remove(claim)
