"""Processes that stand for machines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.state.records import record
from vmpod.process import Process


@contextmanager
def in_place_of_qemu(key: str, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the arguments by which a machine is told."""
    name, disk = f"guest=vmpod-{key},debug-threads=on", f"{home}/state/pods/{key}/boot.iso"
    argv = [sys.executable, "-c", "import time; time.sleep(1000)", "-name", name, "-uuid", record().uid, disk]
    with subprocess.Popen(argv) as process:
        yield process
        process.kill()


def process_of(machine: subprocess.Popen[bytes]) -> Process:
    found = Process.of(machine.pid)
    assert found is not None
    return found
