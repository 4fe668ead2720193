"""Runs the command in this process, with a state of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmpod.cli.main import main
from vmpod.paths import default_paths
from vmpod.state.store import PodStore


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Vmpod = Callable[..., Result]


@pytest.fixture
def vmpod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Vmpod:
    for name in ("VMPOD_CONNECT", "VMPOD_ACCEL", "VMPOD_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VMPOD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["vmpod", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, said.out, said.err)

    return run


@pytest.fixture
def pods(vmpod: Vmpod) -> PodStore:
    """The pods that the command sees."""
    return PodStore(default_paths())
