"""Fixtures of the agent's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.agent.harness import StandInServices, agent_loop
from vmpod_agent import layout
from vmpod_agent.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with agent_loop() as loop:
        yield loop


@pytest.fixture
def services(loop: Loop) -> Iterator[StandInServices]:
    services = StandInServices(loop)
    yield services
    services.kill_all()


@pytest.fixture
def run_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands for /run/vmpod; its path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="vmpod-") as directory:
        monkeypatch.setattr(layout, "RUN", directory)
        yield Path(directory)


@pytest.fixture(autouse=True)
def _no_internal_errors(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The loop reports what a callback raises and goes on: here that is a failure."""
    yield
    assert "internal error" not in capfd.readouterr().err
