"""The disks of claims in a plan."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plan.requests import plan
from vmpod.errors import ManifestError
from vmpod.plan.host import Storage

BOTH = ("ReadWriteOnce", "ReadOnlyMany")
CLAIMS = {
    "b": Storage(Path("/claims/b/disk.raw"), "claim-b", BOTH),
    "a": Storage(Path("/claims/a/disk.raw"), "claim-a", ("ReadWriteOnce",)),
    "never": Storage(Path("/claims/never/disk.raw"), "claim-n", ("ReadOnlyMany",)),
}


def _pod(*volumes: dict[str, Any], **mount: Any) -> dict[str, Any]:
    mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} | mount for each in volumes]
    container = {"name": "c", "image": "busybox", "volumeMounts": mounts}
    spec = {"containers": [container], "volumes": list(volumes)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def _volume(name: str, claim: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim} | more}


def test_each_claim_is_one_disk_in_the_order_of_names() -> None:
    found = plan(_pod(_volume("x", "b"), _volume("y", "a"), _volume("z", "b", readOnly=True)), claims=CLAIMS)
    assert [(each.serial, each.target, each.read_only) for each in found.plan.machine.plugs] == [
        ("claim-a", 0, False),
        ("claim-b", 1, False),
    ]
    boot = found.plan.boot
    assert boot["disks"] == [
        {"target": 0, "serial": "claim-a", "read_only": False, "block": False},
        {"target": 1, "serial": "claim-b", "read_only": False, "block": False},
    ]
    assert [(each["name"], each["kind"], each["claim"]) for each in boot["volumes"]] == [
        ("x", "claim", 1),
        ("y", "claim", 0),
        ("z", "claim", 1),
    ]
    # The disk can be written to, for the sake of the other volume.
    assert [each["read_only"] for each in boot["containers"][0]["mounts"]] == [False, False, True]


@pytest.mark.parametrize(("claim", "more"), [("b", {"readOnly": True}), ("never", {})])
def test_what_nobody_writes_is_attached_so(claim: str, more: dict[str, Any]) -> None:
    found = plan(_pod(_volume("x", claim, **more)), claims=CLAIMS).plan
    assert [each.read_only for each in found.machine.plugs] == [True]
    assert found.boot["containers"][0]["mounts"][0]["read_only"]


def test_a_claim_that_is_not_there() -> None:
    with pytest.raises(ManifestError) as raised:
        plan(_pod(_volume("x", "a"), _volume("y", "nevr")), claims=CLAIMS)
    (problem,) = raised.value.problems
    assert problem.path == "spec.volumes[1].persistentVolumeClaim.claimName"
    assert problem.message.startswith("there is no claim 'nevr', neither in this file nor on this host")
    assert "never" in problem.message


_POLICY = "fsGroupChangePolicy"


@pytest.mark.parametrize(
    ("policy", "always"),
    [
        ({}, True),
        ({"fsGroupChangePolicy": "Always"}, True),
        ({"fsGroupChangePolicy": "OnRootMismatch"}, False),
    ],
)
def test_when_a_claim_is_given_to_the_group(policy: dict[str, str], always: bool) -> None:
    pod = _pod(_volume("x", "a"))
    pod["spec"]["securityContext"] = {"fsGroup": 7} | policy
    (volume,) = plan(pod, claims=CLAIMS).plan.boot["volumes"]
    assert (volume["group"], volume["always"]) == (7, always)


def _device_pod(*volumes: dict[str, Any], **container: Any) -> dict[str, Any]:
    pod = _pod(*volumes)
    del pod["spec"]["containers"][0]["volumeMounts"]
    pod["spec"]["containers"][0] |= container
    return pod


BLOCK = CLAIMS | {"raw": Storage(Path("/claims/raw/disk.raw"), "claim-r", BOTH, block=True)}


def test_a_claim_as_a_device() -> None:
    devices = [{"name": "x", "devicePath": "/dev/x"}, {"name": "y", "devicePath": "/dev/y"}]
    pod = _device_pod(_volume("x", "raw"), _volume("y", "raw", readOnly=True), volumeDevices=devices)
    boot = plan(pod, claims=BLOCK).plan.boot
    assert boot["disks"] == [{"target": 0, "serial": "claim-r", "read_only": False, "block": True}]
    assert boot["containers"][0]["devices"] == [
        {"volume": "x", "path": "/dev/x", "read_only": False},
        {"volume": "y", "path": "/dev/y", "read_only": True},
    ]


@pytest.mark.parametrize(
    ("claim", "container", "told"),
    [
        (
            "raw",
            {"volumeMounts": [{"name": "x", "mountPath": "/x"}]},
            "spec.containers[0].volumeMounts[0].name: the claim of x is a device (volumeMode Block)",
        ),
        (
            "a",
            {"volumeDevices": [{"name": "x", "devicePath": "/dev/x"}]},
            "spec.containers[0].volumeDevices[0].name: the claim of x is a file system",
        ),
    ],
)
def test_devices_are_not_mounted_and_file_systems_no_devices(
    claim: str, container: dict[str, Any], told: str
) -> None:
    with pytest.raises(ManifestError, match=re.escape(told)):
        plan(_device_pod(_volume("x", claim), **container), claims=BLOCK)
