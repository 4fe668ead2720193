"""What a machine has room for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.spec.manifests import container, pod, read_pod
from tests.unit.state.records import record
from tests.unit.template.test_template_store import MACHINE
from vmpod.errors import ConflictError
from vmpod.runtime.resize import _check_fits
from vmpod.spec.model import Pod
from vmpod.state.machine import save
from vmpod.state.store import PodEntry


def _limited(cpu: str, memory: str = "128Mi") -> Pod:
    return read_pod(pod(container(resources={"limits": {"cpu": cpu, "memory": memory}})))


def test_no_more_than_the_machine_has_or_was_allowed_from_the_beginning(tmp_path: Path) -> None:
    save(replace(MACHINE, cpus=2), tmp_path)
    entry = PodEntry(record(), tmp_path)
    _check_fits(entry, _limited("1"), _limited("2"))
    with pytest.raises(ConflictError, match="would need a machine with 3 CPUs, and has one with 2"):
        _check_fits(entry, _limited("1"), _limited("3"))
    # A limit that was beyond the host's, and so beyond the machine's, is no obstacle to any change.
    _check_fits(entry, _limited("100"), _limited("50"))
    _check_fits(entry, _limited("1", "64Gi"), _limited("2", "32Gi"))
    with pytest.raises(ConflictError, match="101 CPUs"):
        _check_fits(entry, _limited("100"), _limited("101"))
