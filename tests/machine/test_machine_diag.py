"""Records of pods in all their states, with a secret planted that must not be in any of them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.harness import Vmpod, eventually, kill
from tests.machine.manifests import container, pod, secret, text
from tests.machine.pods import Pods
from tests.machine.test_machine_faults import broken as broken  # noqa: PLC0414 - a fixture
from tests.machine.test_machine_faults import exchange, looping_kernel

SECRET = "tr0ub4dor&3-planted"
FORMS = (
    SECRET,
    base64.b64encode(SECRET.encode()).decode(),
    base64.b64encode(f"me:{SECRET}".encode()).decode(),
)
# Written out in all forms, and as an argument of a process.
LEAK = """\
echo "pw $PW"; printf %s "$PW" | base64; printf 'me:%s' "$PW" | base64; cat /secret/pw; echo
echo "$PW" > /dev/termination-log
sleep 3600 & sh -c 'sleep 3601; true' "$PW" & echo up; wait
"""


def leaking(name: str, *, script: str = LEAK) -> list[dict[str, object]]:
    env = [
        {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
        {"name": "API_TOKEN", "value": "literally-here"},
    ]
    return [
        secret("s", {"pw": SECRET}),
        pod(
            name,
            container("main", script, env=env, volumeMounts=[{"name": "s", "mountPath": "/secret"}]),
            volumes=[{"name": "s", "secret": {"secretName": "s"}}],
            imagePullSecrets=[{"name": "s"}],
            terminationGracePeriodSeconds=1,
        ),
    ]


class Record:
    """An archive, unpacked."""

    def __init__(self, path: Path, into: Path) -> None:
        with tarfile.open(path) as tar:
            tar.extractall(into)
        (self.top,) = into.iterdir()
        self.index = json.loads(self["index.json"])
        self.missing = {each["file"]: each["error"] for each in self.index["parts"] if each["error"]}

    def __getitem__(self, name: str) -> str:
        return (self.top / name).read_text()

    def leaks(self) -> list[str]:
        """The files that the secret is in."""
        files = [path for path in self.top.rglob("*") if path.is_file()]
        assert len(files) > 5
        return [path.name for path in files if any(form in path.read_text() for form in FORMS)]


def take(vmpod: Vmpod, name: str, tmp_path: Path, *options: str) -> Record:
    """Have a record written, and open it."""
    target = tmp_path / f"{name}.tar.gz"
    assert vmpod("diag", name, "-o", str(target), *options).out == f"{target}\n".encode()
    into = tmp_path / f"unpacked-{len(list(tmp_path.iterdir()))}"
    into.mkdir()
    return Record(target, into)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("manifest") / "pod.yaml"
    path.write_text(text(*leaking("leak")))
    return path


@pytest.fixture(scope="module")
def leak(vmpod: Vmpod, module_pods: Pods, manifest: Path) -> str:
    module_pods.adopt("leak")
    vmpod("run", "-d", str(manifest))
    eventually(lambda: "up" in vmpod("logs", "leak").text, "the pod to have written all")
    return "leak"


def test_a_pod_that_runs(vmpod: Vmpod, leak: str, tmp_path: Path) -> None:
    assert all(form in vmpod("logs", leak).text for form in FORMS)
    found = take(vmpod, leak, tmp_path)
    assert found.leaks() == []
    assert found.missing.keys() == {"containers/main.previous.log", "host/templates.txt"}
    assert found["containers/main.log"].count("[redacted]") >= 4
    assert "sleep 3600" in found["guest/processes.txt"]
    assert "[redacted]" in found["guest/processes.txt"]
    assert "Linux version" in found["guest/dmesg.txt"]
    assert "10.0.2.15" in found["guest/network.txt"] or "LISTEN" not in found["guest/network.txt"]
    assert "/run/vmpod/scratch" in found["guest/disks.txt"]
    assert "/memory.current" in found["guest/cgroups.txt"]
    assert "<domain" in found["machine/domain.xml"]
    assert "Booted" in found["pod/events.txt"]
    assert "literally-here" not in found["pod/manifest.yaml"] + found["pod/plan.json"]
    assert "secretKeyRef" in found["pod/manifest.yaml"]
    assert vmpod("exec", leak, "--", "echo", "unharmed").out == b"unharmed\n"


def test_without_its_manifest_the_containers_words_are_withheld(
    vmpod: Vmpod, leak: str, manifest: Path, tmp_path: Path
) -> None:
    aside = manifest.with_suffix(".aside")
    manifest.rename(aside)
    try:
        found = take(vmpod, leak, tmp_path)
        assert found.leaks() == []
        assert "--with-logs" in found.missing["containers/main.log"]
        # What the guest tells is clean, as the agent knows the values.
        assert "[redacted]" in found["guest/processes.txt"]
        assert take(vmpod, leak, tmp_path, "--file", str(aside)).leaks() == []
        assert take(vmpod, leak, tmp_path, "--with-logs").leaks() == ["main.log"]
    finally:
        aside.rename(manifest)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_pod_that_hangs(vmpod: Vmpod, leak: str, tmp_path: Path) -> None:
    with stopped(vmpod.qemu(leak)):
        found = take(vmpod, leak, tmp_path)
    assert found.leaks() == []
    assert "not" in found.missing["guest/dmesg.txt"]
    assert "T (stopped)" in found["machine/process.txt"]
    assert "up" in found["containers/main.log"]
    assert sum(each["seconds"] for each in found.index["parts"]) < 60


def test_a_pod_that_is_paused(vmpod: Vmpod, leak: str, tmp_path: Path) -> None:
    vmpod("pause", leak)
    try:
        found = take(vmpod, leak, tmp_path)
    finally:
        vmpod("resume", leak)
    assert "guest/system.txt" in found.missing
    assert '"reason": "Paused"' in found["pod/inspect.json"]


def test_a_pod_whose_machine_was_killed(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    path = tmp_path / "dead.yaml"
    path.write_text(pods.expect(*leaking("dead")))
    vmpod("run", "-d", str(path))
    kill(vmpod.qemu("dead"))
    found = take(vmpod, "dead", tmp_path)
    assert found.leaks() == []
    assert found.missing["guest/system.txt"] == "the pod's machine does not run"
    assert "MachineDied" in found["pod/events.txt"]


def test_a_start_that_failed_leaves_a_record_for_ci(broken: Vmpod, tmp_path: Path) -> None:
    """Taken while the machine is still there, which is undone right after it; later its log is left."""
    exchange(broken, "kernel", looping_kernel)
    target = tmp_path / "records"
    manifest = text(*leaking("broken"))
    words = ("run", "--boot-timeout", "3s", "--diag-dir", str(target), "-")
    done = broken(*words, input=manifest, status=125)
    (archive,) = target.iterdir()
    assert f"what is known of the failure is in {archive}" in done.errors
    into = tmp_path / "unpacked"
    into.mkdir()
    found = Record(archive, into)
    assert found.leaks() == []
    assert json.loads(found["error.json"])["code"] == "boot-timeout"
    assert "qemu-system" in found["machine/qemu.log"]
    assert "its machine runs" in found["README.txt"]
    later = take(broken, "broken", tmp_path)
    assert "--- QEMU" in later["failed-start.log"]
    assert "its start failed" in later["README.txt"]


def test_a_container_that_fails_leaves_a_record_for_ci(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    target = tmp_path / "records"
    manifest = pods.expect(*leaking("failing", script='echo "pw $PW"; exit 3'))
    done = vmpod("run", "--rm", "--diag-dir", str(target), "-", input=manifest, status=3)
    assert SECRET.encode() in done.out
    (archive,) = target.iterdir()
    into = tmp_path / "unpacked"
    into.mkdir()
    found = Record(archive, into)
    assert found.leaks() == []
    assert "pw [redacted]" in found["containers/main.log"]
    assert "ended with exit code 3" in found["pod/events.txt"]
    assert not vmpod.pod_directory("failing").exists()


def test_a_pod_that_does_well_leaves_none(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    target = tmp_path / "records"
    pods.run(pod("well", container("main", "true")), options=("--rm", "--diag-dir", str(target)))
    assert not target.exists()
