"""Every JSON output is what docs/schemas, or Kubernetes, says that it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.schemas import SCHEMAS, check
from tests.unit.cli.conftest import Vmpod
from tests.unit.cli.test_cli_command_line import ALL
from tests.unit.cli.test_cli_images import APP
from tests.unit.cli.test_cli_images import load as load_image
from tests.unit.cli.test_cli_pods import STATES
from tests.unit.golden import DIRECTORY
from tests.unit.state.records import MOMENT, agent, ended, keep, one, record, whole
from vmpod.cli import fork, render
from vmpod.cli.guest import GUESTS
from vmpod.cli.listing import OutputType
from vmpod.cli.snapshot import SNAPSHOTS
from vmpod.cli.stats import STATS
from vmpod.cli.template import TEMPLATES
from vmpod.client.stats import Counters, PodUsage, Usage
from vmpod.guestimage.model import GuestInfo
from vmpod.process import Process
from vmpod.runtime.copies import Snapshot
from vmpod.runtime.debug import Wanted
from vmpod.spec.load import load
from vmpod.state.record import Ephemeral
from vmpod.state.store import PodEntry, PodStore
from vmpod.template.store import Template

MANIFESTS = sorted((DIRECTORY / "pods").glob("*.yaml"))


def prints_json(command: click.Command) -> bool:
    """Whether the command has -o json."""
    return any(isinstance(each.type, OutputType) for each in command.params)


# What prints something only with a machine.
WITH_MACHINES = {("fork",)}
PRINTING = [path for path, command in ALL.items() if prints_json(command) and path not in WITH_MACHINES]
# What tells by its status what it has found.
FINDING = {("doctor",)}
# What else some of them need to print something.
ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    ("plan",): ["--accel", "tcg", str(MANIFESTS[0])],
    ("validate",): [str(MANIFESTS[0])],
    ("inspect",): ["web"],
    ("doctor",): ["--accel", "tcg"],
}


def test_schemas_are_schemas_and_leave_nothing_open() -> None:
    found = sorted(SCHEMAS.glob("*.json"))
    assert found
    for path in found:
        schema = json.loads(path.read_bytes())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"] == path.stem == schema["properties"]["kind"]["const"]
        for each in objects(schema):
            if each.get("type") == "object":
                assert "additionalProperties" in each or each == {"type": "object"}, path.name
            if "properties" in each:
                assert each["additionalProperties"] is False, path.name


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object in a schema."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    mine = [schema] if isinstance(schema, dict) else []
    return mine + [each for value in inner for each in objects(value)]


@pytest.mark.parametrize("path", PRINTING, ids=" ".join)
def test_what_every_command_prints(path: tuple[str, ...], vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=Process(1, 1), document=document(MANIFESTS[0])), agent())
    result = vmpod(*path, *ARGUMENTS.get(path, []), "-o", "json")
    hint = f"tell ARGUMENTS in {Path(__file__).name} what `vmpod {' '.join(path)} -o json` needs to print"
    assert result.status == 0 or path in FINDING, f"{result.err}\n{hint}"
    check(json.loads(result.out))


def test_what_is_wrong_is_found() -> None:
    version = {
        "apiVersion": "vmpod/v1",
        "kind": "Version",
        "vmpod": "1",
        "python": "3",
        "libvirt": "9",
        "qemu": "7",
    }
    check(version)
    for wrong in (version | {"more": 1}, version | {"qemu": 7}, {"kind": "Version"}):
        with pytest.raises((jsonschema.ValidationError, AssertionError)):
            check(wrong)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": []}}
    check(pod)
    with pytest.raises(kubernetes_validate.ValidationError):
        check(pod | {"status": {"phase": "Running", "mood": "good"}})


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_plans(path: Path, vmpod: Vmpod, tmp_path: Path) -> None:
    text = path.read_text().replace("/srv/media", str(tmp_path))
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(text)
    result = vmpod("plan", "--accel", "tcg", "-o", "json", manifest)
    assert result.status == 0, result.err
    plan = json.loads(result.out)
    assert plan["items"]
    check(plan)
    name = vmpod("plan", "--accel", "tcg", "-o", "jsonpath={.items[0].pod.name}", manifest).out
    assert name == plan["items"][0]["pod"]["name"]


def test_images(vmpod: Vmpod, tmp_path: Path) -> None:
    load_image(vmpod, tmp_path, APP, "localhost/app")
    listed = json.loads(vmpod("image", "ls", "-o", "json").out)
    assert listed["items"]
    check(listed)
    inspected = json.loads(vmpod("image", "inspect", listed["items"][0]["digest"]).out)
    assert inspected
    check(inspected)


def test_guest_images() -> None:
    image = GuestInfo("abc", True, 1.5e9, {"kernel": 1, "root": 2}, "6.1.0", ("bash_5_amd64",))
    check({"apiVersion": "vmpod/v1", "kind": GUESTS.list_kind, "items": [GUESTS.to_json(image)]})


def test_templates() -> None:
    template = Template("ab", Path("/nowhere"), 1 << 29, 2, 6, "tcg", "guest", "/usr/bin/qemu", 1.5e9, 1.6e9)
    check({"apiVersion": "vmpod/v1", "kind": TEMPLATES.list_kind, "items": [TEMPLATES.to_json(template)]})


def test_snapshots() -> None:
    snapshot = Snapshot("shot", Path("/nowhere"), record(), 1.5e9)
    check({"apiVersion": "vmpod/v1", "kind": SNAPSHOTS.list_kind, "items": [SNAPSHOTS.to_json(snapshot)]})


def test_forks() -> None:
    entry = PodEntry(record(), Path("/nowhere"))
    check(json.loads(json.dumps(render.items("ForkList", [fork.to_json(entry)]))))


# Pods, in every state that the other tests know.


def document(path: Path) -> dict[str, Any]:
    """The Pod of a manifest as a record keeps it."""
    (pod,) = load(path.read_text(), source=path.name).pods
    return dict(pod.document)


MORE: list[tuple[list[Any], bool]] = [
    (
        [agent(), one("a", ended(1, message="it fell"), restarts=3, last=ended(2, signal=9)["terminated"])],
        True,
    ),
    ([agent("Booted"), agent("Prepared"), one("i", ended(0)), whole("Succeeded")], False),
]


@pytest.mark.parametrize("events_and_alive", [state[:2] for state in STATES] + MORE)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_pods_are_pods(
    manifest: Path, events_and_alive: tuple[list[Any], bool], vmpod: Vmpod, pods: PodStore
) -> None:
    events, alive = events_and_alive
    qemu = Process.of(os.getpid()) if alive else Process(1, 1)
    keep(pods, record(qemu=qemu, document=document(manifest), addresses=("10.0.2.15", "fd00::15")), *events)
    pod = json.loads(vmpod("get", "web", "-o", "json").out)
    assert pod["status"]["containerStatuses"]
    check(pod)
    check(json.loads(vmpod("ps", "-a", "-o", "json").out))
    check(yaml.safe_load(vmpod("get", "web", "-o", "yaml").out))


def test_a_pod_whose_start_is_not_done(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(document=document(MANIFESTS[0])))
    pod = json.loads(vmpod("get", "web", "-o", "json").out)
    assert MOMENT not in json.dumps(pod)
    check(pod)


def test_a_pod_that_is_being_debugged(vmpod: Vmpod, pods: PodStore) -> None:
    wanted = Wanted("busybox", "look", "a", ("sh",), {"A": "b"}, stdin=True, tty=True, pull_policy="Never")
    added = Ephemeral(
        wanted.document() | {"targetContainerName": wanted.target}, "sha256:1", Path("/x"), "debug-1", 0
    )
    qemu = Process.of(os.getpid())
    events = [*STATES[0][0], one("look", ended(3))]
    keep(pods, record(qemu=qemu, places=8, ephemeral=(added,), document=document(MANIFESTS[0])), *events)
    pod = json.loads(vmpod("get", "web", "-o", "json").out)
    assert pod["status"]["ephemeralContainerStatuses"]
    check(pod)
    assert "Ephemeral Containers:\n  look:" in vmpod("describe", "web").out
    assert "look" in vmpod("logs", "web", "-c", "nosuch").err


def test_what_pods_use(pods: PodStore) -> None:
    machine = Counters("", 10, 20, 30, received=1, sent=2)
    container = Counters("a", 1, 2, 0, pids=3, read=4, written=5)
    used = PodUsage(Usage(machine, 0.5), (Usage(container, None),))
    item = STATS.to_json((keep(pods, record()), used))
    check({"apiVersion": "vmpod/v1", "kind": STATS.list_kind, "items": [item]})
