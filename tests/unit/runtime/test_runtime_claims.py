"""Who may use a claim, and what may be done with one that is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.spec.manifests import pod, read
from tests.unit.spec.test_spec_claims import claim
from tests.unit.state.records import keep, record
from vmpod.errors import ConflictError, HostError, NotFoundError
from vmpod.plan.model import Plug
from vmpod.process import Process
from vmpod.runtime import claims
from vmpod.runtime.context import Runtime
from vmpod.spec.model import Pod
from vmpod.state.claims import serial_of

BOTH = ["ReadWriteOnce", "ReadOnlyMany"]


def named(name: str, *, read_only: bool = False) -> dict[str, Any]:
    """A pod that names the claim."""
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": read_only}}
    return pod(volumes=[volume]) | {"metadata": {"name": name}}


def _runs(runtime: Runtime, name: str, *, read_only: bool = False, qemu: Process | None = None) -> None:
    alive = qemu or Process.of(os.getpid())
    keep(runtime.pods, record(name, qemu=alive, document=named(name, read_only=read_only)))


def _take(runtime: Runtime, document: dict[str, Any], *described: dict[str, Any]) -> Pod:
    manifest = read(document, *described)
    (found,) = manifest.pods
    read_only = document["spec"]["volumes"][0]["persistentVolumeClaim"]["readOnly"]
    plug = Plug(Path(), serial_of("data"), 0, read_only, "")
    with claims.taking(runtime, found, manifest, (plug,)):
        return found


def test_it_is_made_for_who_describes_it(runtime: Runtime) -> None:
    manifest = read(named("a"), claim())
    there = claims.storage(runtime, manifest.pods[0], manifest)["data"]
    assert not there.disk.exists(), "a plan makes nothing"
    _take(runtime, named("a"), claim())
    assert there.disk.exists()
    assert runtime.claims.find("data").disk == there.disk
    # And for who does not, it is there.
    again = read(named("b"))
    assert claims.storage(runtime, again.pods[0], again) == {"data": there}


def test_one_that_writes_is_alone(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim(accessModes=BOTH)).claims)
    _runs(runtime, "a")
    for read_only in (False, True):
        with pytest.raises(ConflictError, match="the claim data is in use by the pod a"):
            _take(runtime, named("b", read_only=read_only))
    _take(runtime, named("a"))  # it would take the other's place
    _runs(runtime, "a", qemu=Process(1, 1))
    _take(runtime, named("b"))


@pytest.mark.parametrize("modes", [BOTH, ["ReadWriteMany"]])
def test_several_read(runtime: Runtime, modes: list[str]) -> None:
    claims.apply(runtime, *read(claim(accessModes=modes)).claims)
    _runs(runtime, "a", read_only=True)
    _take(runtime, named("b", read_only=True))
    with pytest.raises(ConflictError):
        _take(runtime, named("b"))


def test_several_read_only_if_the_claim_says_so(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim()).claims)
    _runs(runtime, "a", read_only=True)
    with pytest.raises(ConflictError) as raised:
        _take(runtime, named("b", read_only=True))
    assert "ReadOnlyMany" in (raised.value.hint or "")


def test_a_pod_that_is_being_started_counts_while_its_command_lives(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim()).claims)
    keep(runtime.pods, record("a", qemu=None, document=named("a")))
    _take(runtime, named("b"))  # whoever started it was killed
    with runtime.pods.locked("a"), pytest.raises(ConflictError, match="in use by the pod a"):
        _take(runtime, named("b"))


def test_of_another_namespace_it_is_another(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim()).claims)
    other = record("a", namespace="shop", qemu=Process.of(os.getpid()), document=named("a"))
    keep(runtime.pods, other)
    _take(runtime, named("b"))


def test_it_can_grow_and_not_shrink(runtime: Runtime) -> None:
    def applied(**fields: Any) -> str:
        return claims.apply(runtime, *read(claim(**fields)).claims)

    assert [applied(storage="32Mi"), applied(storage="32Mi"), applied(storage="64Mi")] == [
        "created",
        "unchanged",
        "configured",
    ]
    with pytest.raises(ConflictError, match="it cannot shrink"):
        applied(storage="32Mi")
    _runs(runtime, "a")
    with pytest.raises(ConflictError, match="cannot be changed while the pod a uses it"):
        applied(storage="128Mi")
    assert runtime.claims.find("data").disk.stat().st_size == 64 * 1024 * 1024


def test_what_a_stateful_set_has_claimed_stays_as_it_is(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim(storage="64Mi")).claims)
    manifest = read(named("a"))
    (smaller,) = read(claim(storage="32Mi")).claims
    found = Pod(**vars(manifest.pods[0]) | {"claims": (smaller,)})
    with claims.taking(runtime, found, manifest, (Plug(Path(), serial_of("data"), 0, False, ""),)):
        pass
    assert runtime.claims.find("data").size == 64 * 1024 * 1024


def test_removal_waits_for_all_pods(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim()).claims)
    _runs(runtime, "a", qemu=Process(1, 1))
    with pytest.raises(ConflictError, match="the pod a names the claim data"):
        claims.remove(runtime, "data")
    assert list(claims.prune(runtime, gone=(), dry_run=False)) == []
    (told,) = claims.prune(runtime, gone={"a"}, dry_run=True)
    assert (told.kind, told.name) == ("claim", "data")
    runtime.pods.delete("a", None)
    claims.remove(runtime, "data")
    with pytest.raises(NotFoundError):
        claims.remove(runtime, "data")


def test_nothing_is_removed_while_nobody_knows_what_a_pod_names(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim()).claims)
    entry = keep(runtime.pods, record("a"))
    (entry.directory / "pod.json").write_text("{")
    with pytest.raises(HostError, match="damaged"):
        claims.remove(runtime, "data")
    with pytest.raises(HostError, match="damaged"):
        list(claims.prune(runtime, gone=(), dry_run=False))
    assert runtime.claims.find("data")


def test_a_claim_that_is_damaged_is_not_taken_for_none(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim()).claims)
    claims.apply(runtime, *read(claim("other")).claims)
    (runtime.claims.directory("data") / "claim.json").write_text("{")
    manifest = read(named("a"))
    with pytest.raises(HostError, match="damaged"):
        claims.storage(runtime, manifest.pods[0], manifest)
    (runtime.claims.directory("data") / "claim.json").unlink()
    assert set(claims.storage(runtime, manifest.pods[0], manifest)) == {"other"}


def test_a_file_system_does_not_become_a_device(runtime: Runtime) -> None:
    claims.apply(runtime, *read(claim(volumeMode="Filesystem")).claims)
    with pytest.raises(ConflictError, match=r"the volumeMode Filesystem, and .* says Block"):
        claims.apply(runtime, *read(claim(volumeMode="Block")).claims)
    manifest = read(named("a"))
    assert not claims.storage(runtime, manifest.pods[0], manifest)["data"].block
