"""Pods that begin as a frozen machine: each is itself, and shows nothing of the machine it is a copy of."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.machine.harness import Vmpod, eventually, kill, processes
from tests.machine.manifests import Json, container, pod, text
from tests.machine.pods import Pods

# What tells one machine from another, a line each.
_TELL = (
    "cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid /sys/class/net/eth0/address; hostname;"
    "head -c 64 /dev/urandom | md5sum; sleep 1000"
)
_SKEW = 0.1  # seconds


def _sleeper(name: str, **more: Json) -> Json:
    return pod(name, container("main", "sleep 1000", **more))


@pytest.fixture
def own(vmpod: Vmpod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vmpod]:
    """A home whose templates are its own; there is one."""
    home = Path("/tmp") / f"vo{os.getpid()}"
    (home / "data").mkdir(parents=True)
    for name in ("guests", "images"):
        (home / "data" / name).symlink_to(vmpod.home / "data" / name)
    found = Vmpod(home)
    found("template", "create")
    yield found
    for each in json.loads(found("ps", "-a", "-o", "json").out)["items"]:
        found("rm", "--force", each["metadata"]["name"])
    eventually(lambda: not list((home / "data/templates").glob(".*.new")), "the end of who makes a template")
    for pid, _ in processes(str(home)):
        kill(pid)
    os.system(f"rm -rf {home}")


def _count(vmpod: Vmpod) -> int:
    return len(json.loads(vmpod("template", "ls", "-o", "json").out)["items"])


def _key(vmpod: Vmpod) -> str:
    (found,) = json.loads(vmpod("template", "ls", "-o", "json").out)["items"]
    return str(found["key"])


def _runs_from(vmpod: Vmpod, name: str) -> str | None:
    """The file that holds the memory that a pod's machine began with."""
    frozen = json.loads((vmpod.pod_directory(name) / "machine.json").read_text())["frozen"]
    return frozen["memory"] if frozen else None


def test_two_copies_have_nothing_in_common(vmpod: Vmpod, pods: Pods) -> None:
    told = []
    for name in ("twin-1", "twin-2"):
        pods.start(pod(name, container("main", _TELL)))
        assert _runs_from(vmpod, name)
        eventually(lambda name=name: len(vmpod("logs", name).lines) == 5, "its words")  # type: ignore[misc]
        told.append(vmpod("logs", name).lines)
    for one, other in zip(*told, strict=True):
        assert one != other
    assert [lines[3] for lines in told] == ["twin-1", "twin-2"]


def test_its_clock_is_the_hosts(vmpod: Vmpod, pods: Pods) -> None:
    name = pods.start(_sleeper("clocked"))
    before = time.time()
    vmpod.exec(name, "sh", "-c", "echo now > /proc/1/fd/1")
    after = time.time()
    (line,) = vmpod("logs", "--timestamps", name).lines
    # Python reads microseconds.
    shown = datetime.fromisoformat(line.partition(" ")[0][:26] + "+00:00").timestamp()
    assert before - _SKEW < shown < after + _SKEW
    # Also the time that it has been up is told as a machine that has just booted would.
    assert float(vmpod.exec(name, "cat", "/proc/uptime").text.split()[0]) < 60


def test_a_copy_shows_what_a_machine_that_booted_shows(vmpod: Vmpod, pods: Pods) -> None:
    """The same devices, mounts and processes; nothing of another pod."""
    look = "cd /sys; ls class/dmi/id bus/virtio/devices class/net; cut -d' ' -f1-3 /proc/mounts; ps -o args"
    shown = []
    for name, options in (("copied", ()), ("booted", ("--no-template",))):
        pods.start(_sleeper(name), options=options)
        shown.append(vmpod.exec(name, "sh", "-c", look).text.replace(name, "NAME"))
    copied, booted = (set(lines.splitlines()) for lines in shown)
    # The balloon is the one device that a copy lacks.
    assert {line for line in copied ^ booted if not line.startswith("virtio")} == set()
    assert "product_uuid" not in copied


def test_shares_and_sizes_have_templates_of_their_own(own: Vmpod, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("shared")
    volume = {"name": "v", "hostPath": {"path": str(tmp_path)}}
    large = {"requests": {"memory": "700Mi", "cpu": "2"}}
    document = pod("shared", container("main", "cat /v/file; sleep 1000"), volumes=[volume])
    document["spec"]["containers"][0] |= {
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "resources": large,
    }
    for template in (False, True):
        own("run", "-d", "--replace", "-", input=text(document))
        assert bool(_runs_from(own, "shared")) == template
        eventually(lambda: own("logs", "shared").text == "shared", "the file's content")
        assert own.exec("shared", "nproc").text == "2\n"
        # The first one has its template made in the background.
        eventually(lambda: _count(own) == 2, "a template")


def _truncate(directory: Path) -> None:
    os.truncate(directory / "memory", 4096)


def _delete(directory: Path) -> None:
    (directory / "state").unlink()


def _overwrite(directory: Path) -> None:
    """So that only QEMU can see it."""
    path = directory / "state"
    status = path.stat()
    with path.open("r+b") as file:
        # In the state of devices: before it is memory, and after it a description that nobody reads.
        file.seek(file.read().index(b"virtio-blk"))
        file.write(b"\xff" * 4096)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _blank(directory: Path) -> None:
    """A machine whose memory is empty never answers."""
    path = directory / "memory"
    status = path.stat()
    os.truncate(path, 0)
    os.truncate(path, status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("harm", [_truncate, _delete, _overwrite, _blank])
def test_without_a_sound_template_the_pod_boots_and_the_template_is_mended(
    own: Vmpod, harm: Callable[[Path], None]
) -> None:
    key = _key(own)
    harm(own.home / "data/templates" / key)
    done = own("run", "-d", "-", input=text(_sleeper("falls")))
    assert done.err.decode().count(f"the template {key} ") == 1
    assert _runs_from(own, "falls") is None
    assert own.exec("falls", "echo", "well").text == "well\n"
    eventually(lambda: own("template", "ls", "-o", "name").lines, "the template")
    done = own("run", "-d", "--replace", "-", input=text(_sleeper("falls")))
    assert b"the template" not in done.err
    assert _runs_from(own, "falls")


def test_what_a_machine_runs_from_stays(own: Vmpod) -> None:
    own("run", "-d", "-", input=text(_sleeper("busy")))
    own("template", "prune", "--all")
    key = _key(own)
    own("rm", "--force", "busy")
    assert key in own("template", "prune", "--all").text
    assert not own("template", "ls", "-o", "name").lines


def test_no_template_makes_none(own: Vmpod) -> None:
    own("template", "rm", _key(own))
    own("run", "-d", "--no-template", "-", input=text(_sleeper("plain")))
    assert _runs_from(own, "plain") is None
    assert not list((own.home / "data/templates").glob(".*.new"))


@contextlib.contextmanager
def _small(directory: Path) -> Iterator[None]:
    """A disk that is full before a machine's memory is on it."""
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        # Who tries to make a template in the background may still be at it.
        umount: list[str | Path] = ["umount", directory]
        eventually(
            lambda: subprocess.run(umount, check=False, stderr=subprocess.DEVNULL).returncode == 0, "umount"
        )


def _ticks(pid: int) -> int:
    """What a process has used of a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_whose_machine_ends_waits_no_longer(own: Vmpod) -> None:
    """For an agent that cannot answer any more; who needs the same template would wait as long."""
    with own.started("template", "create", "--memory", "768Mi") as maker:
        ours = f"{own.home}/data/templates/."
        eventually(lambda: processes(ours), "the template's machine")
        ((pid, _),) = processes(ours)
        # It is started standing still.
        eventually(lambda: _ticks(pid) > os.sysconf("SC_CLK_TCK") // 2, "it to run")
        kill(pid)
        done = maker.end()
    assert done.status == 125
    assert "while the template's machine booted [qemu-ended]" in done.errors
    assert not list((own.home / "data/templates").glob(".*.new"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_that_is_full_while_freezing(own: Vmpod) -> None:
    """Nothing half made is left, and the pod that was to be copied goes on."""
    own("run", "-d", "-", input=text(_sleeper("whole")))
    assert _runs_from(own, "whole") is not None
    with _small(own.home / "data/snapshots"):
        for words in (("fork", "whole"), ("snapshot", "whole", "kept")):
            done = own(*words, status=125)
            assert "disk-full" in done.errors
            assert own.pod("whole")["status"]["phase"] == "Running"
            assert own.exec("whole", "echo", "alive").text == "alive\n"
            assert not list((own.home / "data/snapshots").iterdir())
    assert own("fork", "whole").lines
    own("rm", "--force", "whole", "whole-1")
    own("template", "prune", "--all")
    with _small(own.home / "data/templates"):
        assert "disk-full" in own("template", "create", status=125).errors
        assert not [path for path in (own.home / "data/templates").iterdir() if path.is_dir()]
        # A pod starts all the same.
        own("run", "-d", "-", input=text(_sleeper("booted")))
        assert _runs_from(own, "booted") is None
