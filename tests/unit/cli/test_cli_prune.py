"""Pruning: what goes, what stays, and how many bytes that brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Vmpod
from tests.unit.runtime.machines import in_place_of_qemu, process_of
from tests.unit.state.records import RUNNING, agent, ended, keep, one, record, whole
from vmpod.process import Process
from vmpod.removable import disk_usage
from vmpod.state.store import PodStore

WELL = [agent(), *(one(name, ended(0)) for name in ("i", "a", "b")), whole("Succeeded")]


def usage(home: Path) -> int:
    """What du says, in bytes."""
    said = subprocess.run(["du", "-s", "-B1", home], check=True, capture_output=True, text=True).stdout
    return int(said.split()[0])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def leave_all_kinds(pods: PodStore, home: Path) -> None:
    """One of everything that a killed command can leave of pods, and a pod that runs, and one that ended."""
    for number in range(5):
        (home / f"run/00000000000{number}").mkdir(parents=True)
    own = [home / f"run/00000000000{number}" for number in range(5)]
    alive = Process.of(os.getpid())
    keep(pods, record("runs", qemu=alive, sockets=own[0]), agent(), one("a", RUNNING), whole("Running"))
    keep(pods, record("ended", qemu=Process(1, 1), sockets=own[1]), *WELL)
    keep(pods, record("again", qemu=None, boot=2, sockets=own[2]), *WELL)
    cut = keep(pods, record("cut", sockets=own[3]))
    (cut.directory / "scratch.raw.new").write_bytes(os.urandom(50_000))
    os.truncate(cut.directory / "scratch.raw.new", 1 << 30)
    half = pods.directory("half")
    half.mkdir()
    (half / "boot.iso").write_bytes(os.urandom(10_000))
    (pods.directory("runs") / ".pod.json.999999999.abc").write_bytes(b"y" * 5000)
    (own[4] / "ctl0.lock").write_bytes(b"")
    (home / "run/locks").mkdir()
    (home / "run/locks/long-gone").touch()


def names(out: str) -> list[str]:
    return [line.rpartition(":")[0].split()[1].rpartition("/")[2] for line in out.splitlines()[:-1]]


def everything(home: Path) -> set[Path]:
    return set(home.rglob("*"))


def test_what_killed_commands_have_left(vmpod: Vmpod, pods: PodStore, home: Path) -> None:
    """It goes, and nothing else does; told beforehand in the same words; the bytes are those of du."""
    leave_all_kinds(pods, home)
    before, there = usage(home), everything(home)
    told = vmpod("prune", "--dry-run")
    assert everything(home) == there
    done = vmpod("prune")
    assert (done.status, done.err) == (0, "")
    assert done.out == told.out
    freed = int(done.out.splitlines()[-1].split()[2])
    assert freed == before - usage(home) > 60_000
    assert names(done.out) == ["cut", "half", ".pod.json.999999999.abc", "000000000004", "long-gone"]
    assert pods.keys() == ["again", "ended", "runs"]
    assert sorted(path.name for path in (home / "run").iterdir()) == [
        "000000000000",
        "000000000001",
        "000000000002",
        "locks",
    ]
    assert vmpod("prune").out == "In all: 0 bytes (0 B)\n"


def test_pods_that_have_ended(vmpod: Vmpod, pods: PodStore, home: Path) -> None:
    """Only if asked for; never one that runs."""
    leave_all_kinds(pods, home)
    vmpod("prune")
    before = usage(home)
    told = vmpod("prune", "--pods", "--dry-run", "-o", "json")
    done = vmpod("prune", "--pods", "--force", "-o", "json")
    assert done.out == told.out
    found = json.loads(done.out)
    assert (found["apiVersion"], found["kind"]) == ("vmpod/v1", "Removed")
    assert [(item["kind"], item["name"]) for item in found["items"]] == [("pod", "again"), ("pod", "ended")]
    assert found["size"] == sum(item["size"] for item in found["items"]) == before - usage(home)
    assert pods.keys() == ["runs"]


def test_what_other_commands_are_at_stays(vmpod: Vmpod, pods: PodStore, home: Path) -> None:
    leave_all_kinds(pods, home)
    with pods.locked("cut"), pods.locked("half"):
        done = vmpod("prune")
    assert done.err.count("another command works on it") == 2
    assert names(done.out) == [".pod.json.999999999.abc", "long-gone"], "sockets may be theirs"
    assert {"cut", "half"} <= set(pods.keys())


def test_a_damaged_record_stays(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    """With its machine: prune does not know whether that is in use."""
    entry = keep(pods, record())
    (entry.directory / "pod.json").write_text("{")
    with in_place_of_qemu("web", tmp_path / "home") as machine:
        done = vmpod("prune", "--pods", "--all")
        assert machine.poll() is None
    assert "rm --force web" in done.err
    assert entry.directory.exists()


@pytest.mark.parametrize("kept", [None, record(qemu=None, boot=2), record(uid="0-0", qemu=Process(1, 1))])
def test_a_machine_that_no_pod_knows_is_ended(
    kept: object, vmpod: Vmpod, pods: PodStore, tmp_path: Path
) -> None:
    """Also that of a pod which a command started again and was killed before it wrote that down."""
    if kept:
        keep(pods, kept, *WELL)  # type: ignore[arg-type]
    with in_place_of_qemu("web", tmp_path / "home") as machine:
        process_of(machine)
        while b"boot.iso" not in Path(f"/proc/{machine.pid}/cmdline").read_bytes():
            pass
        told = vmpod("prune", "--dry-run").out
        assert machine.poll() is None
        done = vmpod("prune").out
        assert done == told == f"machine web (process {machine.pid}): 0 bytes\nIn all: 0 bytes (0 B)\n"
        assert machine.wait(60) == -9
    assert pods.keys() == (["web"] if kept else [])


def test_bytes_that_come_back(tmp_path: Path) -> None:
    """Not those of a file that another name keeps, nor of holes; those of a file with all its names."""
    directory = tmp_path / "directory"
    directory.mkdir()
    empty = disk_usage(directory)
    (tmp_path / "kept").write_bytes(os.urandom(100_000))
    (directory / "linked").hardlink_to(tmp_path / "kept")
    (directory / "away").symlink_to("..")  # short: a long target takes a block
    assert disk_usage(directory) == empty
    (directory / "one").write_bytes(os.urandom(8192))
    (directory / "two").hardlink_to(directory / "one")
    os.truncate(directory / "one", 1 << 30)
    before = usage(tmp_path)
    told = disk_usage(directory)
    assert told >= empty + 8192
    shutil.rmtree(directory)
    assert before - usage(tmp_path) == told
    assert disk_usage(directory) == 0
