"""A host for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.doctor.hosts import Place, make


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A host with nothing on it. Not below pytest's directories, where nobody else may look."""
    with tempfile.TemporaryDirectory(prefix="vd") as name:
        Path(name).chmod(0o755)
        yield make(Path(name), monkeypatch)
