"""Claims on disk: made whole, grown, removed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from vmpod.errors import CommandError, HostError, NotFoundError
from vmpod.spec.model import Claim
from vmpod.state.claims import ClaimStore, serial_of

MIB = 1024 * 1024
CLAIM = Claim("data", "shop", 64 * MIB, ("ReadWriteOnce",), {"app": "db"}, {"kind": "PersistentVolumeClaim"})


@pytest.fixture
def store(tmp_path: Path) -> ClaimStore:
    found = ClaimStore(tmp_path / "data/claims")
    with found.locked():
        pass
    return found


def test_a_claim_is_a_file_system_that_takes_little_room(store: ClaimStore) -> None:
    made = store.make(CLAIM)
    assert made.disk.stat().st_size == 64 * MIB
    assert 0 < made.used < 2 * MIB
    subprocess.run(["e2fsck", "-fn", made.disk], check=True, capture_output=True)
    assert store.find("shop/data") == made == store.lookup("shop_data")
    assert store.list() == [made]
    assert (made.called, made.labels, made.document) == ("shop/data", CLAIM.labels, CLAIM.document)
    with pytest.raises(NotFoundError):
        store.find("data")


@pytest.mark.parametrize("name", ["", "../x", ".lock", "a/b/c", "shop_data", "shop/"])
def test_names_that_cannot_be(store: ClaimStore, name: str) -> None:
    store.make(CLAIM)
    with pytest.raises(NotFoundError):
        store.find(name)


def test_its_disk_grows(store: ClaimStore) -> None:
    made = store.make(CLAIM)
    grown = store.change(made, replace(CLAIM, size=128 * MIB, modes=("ReadWriteOncePod",)))
    assert (grown.size, grown.modes, grown.uid) == (128 * MIB, ("ReadWriteOncePod",), made.uid)
    assert store.find("shop/data") == grown
    assert grown.disk.stat().st_size == 128 * MIB


def test_whether_a_machine_has_it_mounted(store: ClaimStore) -> None:
    made = store.make(CLAIM)
    assert not made.needs_recovery()
    # What a kernel sets when it mounts it.
    subprocess.run(
        ["debugfs", "-w", "-R", "feature needs_recovery", made.disk], check=True, capture_output=True
    )
    assert made.needs_recovery()


def test_one_that_cannot_be_made_leaves_nothing(store: ClaimStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostError):
        store.make(CLAIM)
    monkeypatch.undo()
    monkeypatch.setattr("vmpod.state.claims._MKFS", ["false"])
    with pytest.raises(CommandError):
        store.make(CLAIM)
    assert store.list() == []
    assert store.abandoned() == []


def test_what_killed_commands_leave(store: ClaimStore) -> None:
    made = store.make(CLAIM)
    new, gone = (made.directory.with_name(name) for name in (".shop_x.new", ".shop_y.gone"))
    new.mkdir()
    os.link(made.disk, new / "disk.raw")
    gone.mkdir()
    assert store.abandoned() == [new, gone]
    assert store.list() == [made]
    # It is in nobody's way.
    store.make(replace(CLAIM, name="x"))
    assert store.abandoned() == [gone]


def test_removal(store: ClaimStore) -> None:
    made = store.make(CLAIM)
    store.remove(made)
    assert store.lookup(made.key) is None
    assert [path.name for path in made.directory.parent.iterdir()] == [".lock"]


def test_a_damaged_record_is_told_with_where_the_data_is(store: ClaimStore) -> None:
    made = store.make(CLAIM)
    for content in ("{", "[]", json.dumps({"version": 1, "modes": []}), json.dumps({"version": 9})):
        (made.directory / "claim.json").write_text(content)
        with pytest.raises(HostError):
            store.list()
        problems: list[HostError] = []
        assert store.list(problems=problems) == []
        assert len(problems) == 1
    assert made.disk.exists()


def test_serial_numbers_fit_and_differ() -> None:
    serials = {serial_of(f"claim{number}") for number in range(1000)}
    assert len(serials) == 1000
    assert max(map(len, serials)) <= 20, "more than a SCSI disk tells in all versions of QEMU"


def test_one_that_is_a_device_has_no_file_system(store: ClaimStore) -> None:
    document = {"kind": "PersistentVolumeClaim", "spec": {"volumeMode": "Block"}}
    made = store.make(replace(CLAIM, block=True, document=document))
    assert (made.block, made.used, made.disk.stat().st_size) == (True, 0, 64 * MIB)
    # Whatever a guest writes where an ext4 has its flags.
    os.truncate(made.disk, 0)
    made.disk.write_bytes(b"\xff" * 4096)
    assert not made.needs_recovery()
