"""`vmpod volume`."""

from __future__ import annotations

from typing import Any

import click

from vmpod.cli import render
from vmpod.cli.common import for_each, runtime
from vmpod.cli.listing import Kind, Wanted, label_filter, listing_options, show, text_filter, truth_filter
from vmpod.cli.main import show_errors
from vmpod.cli.names import CLAIM
from vmpod.errors import HostError
from vmpod.runtime.claims import User, remove, users
from vmpod.spec.claims import VOLUME_MODES
from vmpod.state.claims import StoredClaim

Json = dict[str, Any]
Found = tuple[StoredClaim, list[User]]

_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


@click.group("volume")
def command() -> None:
    """Manage volumes that outlive pods: the disks of PersistentVolumeClaims.

    A manifest makes them (`vmpod apply`, `vmpod run`), and pods name them as persistentVolumeClaim.
    """


@command.command("ls")
@listing_options
def ls(wanted: Wanted) -> int:
    """List volumes, by the names of their claims.

    Filters: name, label, pod (who names it), unused (true or false).
    """
    found, problems = runtime(), list[HostError]()
    claims = found.claims.list(problems=problems)
    show(VOLUMES, [(claim, users(found, claim)) for claim in claims], wanted)
    return show_errors(problems)


@command.command("inspect")
@click.argument("names", type=CLAIM, nargs=-1, required=True, metavar="NAME...")
def inspect(names: tuple[str, ...]) -> int:
    """Show all that is known of volumes, as a JSON array."""
    found, shown = runtime(), list[Json]()

    def action(name: str) -> None:
        claim = found.claims.find(name)
        head = {"apiVersion": "vmpod/v1", "kind": "Volume"}
        shown.append(head | _json((claim, users(found, claim))) | {"claim": dict(claim.document)})

    status = for_each(names, action)
    render.structured(shown, "json")
    return status


@command.command("rm")
@click.argument("names", type=CLAIM, nargs=-1, required=True, metavar="NAME...")
def rm(names: tuple[str, ...]) -> int:
    """Remove volumes, with all that was ever written to them. One that a pod names stays."""
    found = runtime()
    return for_each(names, lambda name: remove(found, name))


def _row(found: Found) -> list[str]:
    claim, pods = found
    modes = ",".join(_SHORT.get(mode, mode) for mode in claim.modes)
    used_by = ", ".join(user.called for user in pods) or "-"
    sizes = [render.size(claim.size), render.size(claim.used)]
    return [claim.called, *sizes, modes, used_by, f"{render.age(claim.created)} ago", str(claim.disk)]


def _json(found: Found) -> Json:
    claim, pods = found
    return {
        "name": claim.name,
        "namespace": claim.namespace,
        "uid": claim.uid,
        "created": claim.created,
        "size": claim.size,
        "used": claim.used,
        "accessModes": list(claim.modes),
        "volumeMode": VOLUME_MODES[claim.block],
        "labels": dict(claim.labels),
        "pods": [{"name": user.called, "readOnly": user.read_only, "running": user.busy} for user in pods],
        "disk": str(claim.disk),
    }


VOLUMES: Kind[Found] = Kind(
    list_kind="VolumeList",
    header=["NAME", "SIZE", "USED", "MODES", "PODS", "CREATED", "DISK"],
    narrow=6,
    rows=lambda found: [_row(found)],
    to_json=_json,
    names=lambda found: [found[0].called],
    labels=lambda found: found[0].labels,
    filters={
        "name": text_filter(lambda found, text: found[0].called == text),
        "label": label_filter(lambda found: found[0].labels),
        "pod": text_filter(lambda found, text: text in [user.called for user in found[1]]),
        "unused": truth_filter(lambda found: not found[1]),
    },
)
