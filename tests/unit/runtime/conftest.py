"""Fixtures of the tests of what commands do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runtime.machines import in_place_of_qemu
from vmpod.paths import Paths
from vmpod.runtime.context import Runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of the QEMU of record()."""
    with in_place_of_qemu("web", tmp_path) as process:
        yield process
