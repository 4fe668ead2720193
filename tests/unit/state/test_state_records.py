"""What is written down about pods, and finding it again."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.unit.state.records import agent, ended, keep, one, output_line, record, store, whole
from vmpod.errors import HostError, NotFoundError
from vmpod.process import Process
from vmpod.state import record as records
from vmpod.state.store import key_of


@pytest.mark.parametrize(
    "kept",
    [
        record(),
        record(qemu=Process(4711, 123456789)),
        record(stopped=True, uri="qemu:///system", accelerator="kvm"),
        record(containers=("c",), init_containers=(), images=(), forwards=(), document={}),
        record("p-1", namespace="kube-system"),
    ],
)
def test_a_record_comes_back_the_same(kept: Any, tmp_path: Path) -> None:
    records.save(kept, tmp_path)
    assert records.load(tmp_path) == kept
    assert stat.S_IMODE((tmp_path / records.FILE).stat().st_mode) == 0o600


def test_no_record_is_no_pod(tmp_path: Path) -> None:
    assert records.load(tmp_path) is None
    assert records.load(tmp_path / "gone") is None
    (tmp_path / "file").touch()
    assert records.load(tmp_path / "file") is None


def test_another_version_says_so(tmp_path: Path) -> None:
    records.save(record(), tmp_path)
    path = tmp_path / records.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(HostError, match="was written by another version of vmpod"):
        records.load(tmp_path)


def changed(**fields: Any) -> str:
    base = {
        "version": records.VERSION,
        "uid": "u",
        "name": "n",
        "namespace": "default",
        "created": "",
        "uri": "",
        "accelerator": "tcg",
        "sockets": "/s",
        "containers": ["c"],
        "init_containers": [],
        "sidecars": [],
        "images": [],
        "forwards": [],
        "document": {},
        "config": [],
        "secrets": False,
        "manifest": "",
        "image_ids": {},
        "logs": {"size": 65536, "files": 2},
        "addresses": [],
        "boot": 1,
        "qemu": None,
        "stopped": False,
    }
    return json.dumps({name: value for name, value in (base | fields).items() if value != "missing"})


def test_the_damage_below_is_the_only_damage(tmp_path: Path) -> None:
    (tmp_path / records.FILE).write_text(changed())
    assert records.load(tmp_path) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "1",
        "\xff",
        "[" * 100_000,
        changed(version="missing"),
        changed(uid="missing"),
        changed(sockets=5),
        changed(sockets=None),
        changed(containers=5),
        changed(forwards=[{"host_ip": "x"}]),
        changed(forwards=5),
        changed(qemu={"pid": 5}),
        changed(qemu=5),
        changed(color="red"),
        changed()[:-20],
    ],
)
def test_a_damaged_record_says_what_to_do(text: str, tmp_path: Path) -> None:
    (tmp_path / records.FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(HostError, match=r"pod\.json is damaged|another version") as error:
        records.load(tmp_path)
    assert error.value.hint


def test_a_reader_never_sees_half_a_record(tmp_path: Path) -> None:
    records.save(record(), tmp_path)
    before = (tmp_path / records.FILE).stat().st_ino
    records.save(record(stopped=True), tmp_path)
    assert (tmp_path / records.FILE).stat().st_ino != before, "it was written over in place"
    assert [path.name for path in tmp_path.iterdir()] == [records.FILE]


# The store.


@pytest.mark.parametrize(
    ("name", "key"),
    [("web", "web"), ("default/web", "web"), ("shop/web", "shop_web"), ("/web", "web"), ("a.b-c", "a.b-c")],
)
def test_names_and_keys(name: str, key: str) -> None:
    assert key_of(name) == key


@pytest.mark.parametrize(
    "name", ["", "/", "shop/", "a/b/c", "..", ".", "../x", "x/..", "a_b", "shop/a_b", ".hidden"]
)
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be the name of a pod"):
        key_of(name)


def test_pods_are_found_by_name_and_listed_in_order(tmp_path: Path) -> None:
    pods = store(tmp_path)
    assert pods.list() == []
    for name, namespace in (("web", "default"), ("web", "shop"), ("db", "default")):
        keep(pods, record(name, namespace=namespace))
    (tmp_path / "state/pods/half-made").mkdir()
    (tmp_path / "state/pods/stray-file").touch()
    assert [entry.record.key for entry in pods.list()] == ["db", "shop_web", "web"]
    assert pods.find("shop/web").record.namespace == "shop"
    assert pods.lookup("gone") is None
    with pytest.raises(NotFoundError, match="there is no pod 'gone'"):
        pods.find("gone")


def test_removing_a_pod_leaves_nothing(tmp_path: Path) -> None:
    pods = store(tmp_path)
    sockets = tmp_path / "run/123456781234"
    sockets.mkdir(parents=True)
    (sockets / "c0").touch()
    entry = keep(pods, record(sockets=sockets))
    pods.delete(entry.record.key, sockets)
    assert not entry.directory.exists()
    assert not sockets.exists()
    assert pods.list() == []
    pods.delete(entry.record.key, None)


def test_a_pod_goes_whatever_its_guest_has_made(tmp_path: Path) -> None:
    """In the directory of a file of the host it may make others, deeper than Python removes them."""
    pods = store(tmp_path)
    entry = keep(pods, record())
    files = entry.directory / "files/share0"
    files.mkdir(parents=True)
    here = os.open(files, os.O_DIRECTORY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    pods.delete(entry.record.key, None)
    assert not entry.directory.exists()


def test_directories_of_others_are_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory of somebody else")
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, 65534)
    with pytest.raises(HostError, match="belongs to somebody else"):
        keep(store(tmp_path), record())


def test_socket_directories_have_short_names_of_their_own(tmp_path: Path) -> None:
    pods = store(tmp_path)
    assert pods.sockets("12345678-1234-5678-1234-567812345678") == tmp_path / "run/123456781234"


def test_a_listed_pod_costs_little_reading(tmp_path: Path) -> None:
    """However much it wrote: with 200 pods `ps` would read for seconds else."""
    pods = store(tmp_path)
    output = [line for number in range(4000) for line in output_line("a/0", b"%01000d" % number)]
    for number in range(3):
        keep(pods, record(f"p{number}"), agent(), one("a", ended(1)), whole("Failed"), output=output)
    before = _bytes_read()
    assert [pods.status(entry).phase for entry in pods.list()] == ["Failed"] * 3
    assert _bytes_read() - before < 3 * 16 * 1024


def _bytes_read() -> int:
    """What this process has read by system calls so far (proc(5), /proc/PID/io)."""
    return int(Path("/proc/self/io").read_text().split()[1])
