"""The benchmarks measure what the vmpod at hand can do, and refuse a start of the wrong kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import common, kinds
from bench.figures import load

RUN = "import sys; print({'run': 'Options:\\n%s', '--help': 'Commands:\\n  run  Run.\\n%s'}[sys.argv[1]])"
SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    kinds._help.cache_clear()
    yield
    kinds._help.cache_clear()


def vmpod(monkeypatch: pytest.MonkeyPatch, option: str, command: str) -> None:
    """Put a command in place of vmpod whose help has that option of `run`, and that command."""
    monkeypatch.setattr(common, "VMPOD", [sys.executable, "-c", RUN % (option, command)])


def test_without_templates_pods_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    vmpod(monkeypatch, "  --rm  Remove it.", "  exec  Run in a fork.")
    assert kinds.kinds() == {"cold": []}
    assert not kinds.can_fork()
    kinds.prepare("tcg")  # nothing to do


def test_with_templates_both_kinds_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    vmpod(monkeypatch, "  --no-template  Boot.", "  fork  Copy pods.")
    assert kinds.kinds() == {"cold": ["--no-template"], "warm": []}
    assert kinds.can_fork()


@pytest.mark.parametrize(
    ("kind", "arguments", "fault"),
    [
        ("cold", [], None),
        ("warm", ["-incoming", "defer"], None),
        ("warm", [], "the warm pod x did boot"),
        ("cold", ["-incoming", "defer"], "the cold pod x did begin from a template"),
    ],
)
def test_a_pod_of_the_wrong_kind_ends_the_program(
    monkeypatch: pytest.MonkeyPatch, kind: str, arguments: list[str], fault: str | None
) -> None:
    with subprocess.Popen([*SLEEP, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            monkeypatch.setattr(common, "record", lambda _name: None)
            monkeypatch.setattr(common, "qemu", lambda _record: process.pid)
            if fault is None:
                kinds.check(kind, "x")
            else:
                with pytest.raises(SystemExit, match=fault):
                    kinds.check(kind, "x")
        finally:
            process.kill()


def test_rounds_alternate_after_one_for_the_caches(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def measure(name: str) -> float:
        seen.append(name)
        return float(len(seen))

    every = {name: lambda name=name: measure(name) for name in "ab"}
    assert common.rounds(every, 2) == {"a": [3.0, 5.0], "b": [4.0, 6.0]}
    assert "".join(seen) == "ababab"
    assert common.rounds(every, 1, first=False) == {"a": [7.0], "b": [8.0]}
    assert "round 2 of 2" in capsys.readouterr().err


def test_numbers_are_read_from_an_option() -> None:
    assert common.numbers("1,5,20") == [1, 5, 20]
    with pytest.raises(ValueError, match="x"):
        common.numbers("1,x")


def test_figures_are_written_for_the_report(tmp_path: Path) -> None:
    options = common.options("").parse_args(["--json", str(tmp_path / "start.json")])
    common.write(options, {"F": [1.0]})
    assert load(tmp_path)["start"].taken == {"F": [1.0]}
    assert load(tmp_path)["start"].accelerator == "tcg"
