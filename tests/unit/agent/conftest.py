"""Fixtures of the agent's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import Host, StandInServices, agent_loop
from tests.unit.agent.standins import Agent
from tests.unit.agent.world import Make, World
from tests.unit.documents import boot_container, boot_document
from vmpod_agent import layout
from vmpod_agent.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with agent_loop() as loop:
        yield loop


@pytest.fixture
def services(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInServices]:
    services = StandInServices(loop, monkeypatch)
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


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(*names: str, inits: tuple[str, ...] = (), policy: str = "Always", **fields: Any) -> World:
        """Fields called as a container are those of that container."""
        own = {name: fields.pop(name, {}) for name in (*names, *inits)}
        document = boot_document(
            *(boot_container(name=name, **own[name]) for name in names),
            init_containers=[boot_container(name=name, **own[name]) for name in inits],
            restart_policy=policy,
            **fields,
        )
        return World(document, monkeypatch)

    return made


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def host(agent: Agent) -> Host:
    agent.host.greet()
    return agent.host
