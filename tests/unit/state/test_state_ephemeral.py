"""Containers that were added later: in records, in states, in Kubernetes' words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.unit.state.records import RUNNING, agent, ended, keep, one, record, store, whole
from vmpod.process import Process
from vmpod.state import record as records
from vmpod.state.kubernetes import to_kubernetes
from vmpod.state.record import Ephemeral, Record

DOCUMENT = {"name": "look", "image": "busybox", "targetContainerName": "a"}
LOOK = Ephemeral(DOCUMENT, "sha256:" + "1" * 64, Path("/images/1/disk.squashfs"), "debug-1", 0)


def _record(**fields: Any) -> Record:
    return record(qemu=Process.of(os.getpid()), places=8, ephemeral=(LOOK,), **fields)


def test_a_record_keeps_them(tmp_path: Path) -> None:
    records.save(_record(), tmp_path)
    found = records.load(tmp_path)
    assert found == _record()
    assert found.logged_containers == (*found.all_containers, "look")
    assert found.layout.containers == len(found.all_containers) + 8


def test_a_record_of_before_has_none(tmp_path: Path) -> None:
    records.save(record(), tmp_path)
    path = tmp_path / records.FILE
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if '"ephemeral"' not in line and '"places"' not in line))
    found = records.load(tmp_path)
    assert found == record()
    assert found.layout.containers == 3


def test_they_count_for_nothing_else(tmp_path: Path) -> None:
    pods = store(tmp_path)
    running = [one("i", ended(0)), one("a", RUNNING), one("b", RUNNING)]
    for state, code in ((RUNNING, None), (ended(9), 9)):
        entry = keep(
            pods,
            _record(),
            agent(),
            *running,
            one("look", state),
            whole("Running", ready=True),
        )
        status = pods.status(entry)
        assert (status.phase, status.ready, status.restarts) == ("Running", True, 0)
        assert [each.name for each in status.containers] == ["i", "a", "b"]
        assert [(each.name, each.exit_code) for each in status.ephemeral] == [("look", code)]
        shown = to_kubernetes(entry.record, status)
        assert shown["spec"]["ephemeralContainers"] == [DOCUMENT]
        (told,) = shown["status"]["ephemeralContainerStatuses"]
        assert (told["name"], told["image"], told["imageID"], told["ready"]) == (
            "look",
            "busybox",
            LOOK.image,
            False,
        )


def test_they_end_with_their_machine(tmp_path: Path) -> None:
    pods = store(tmp_path)
    gone = record(qemu=Process(1, 1), places=8, ephemeral=(LOOK,))
    entry = keep(pods, gone, agent(), one("look", RUNNING))
    (status,) = pods.status(entry).ephemeral
    assert (status.exit_code, status.reason) == (137, "ContainerStatusUnknown")
