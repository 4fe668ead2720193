"""Progress on a terminal, and where nothing can be written over."""

from __future__ import annotations

import os
import pty
import tty
from pathlib import Path

import pytest

from vmpod.cli.progress import progress

PLAIN = "Work ...\nWork: "


def on_terminal(monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    """What a phase writes to a terminal, with this environment."""
    for name in ("TERM", "NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        with os.fdopen(theirs, "w") as stderr:
            monkeypatch.setattr("sys.stderr", stderr)
            with progress().phase("Work") as phase:
                phase.update("half")
        return _all_of(ours).decode()
    finally:
        os.close(ours)


def _all_of(terminal: int) -> bytes:
    """What comes from a terminal whose other end is closed: in pieces, and then an error."""
    said = b""
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            return said


@pytest.mark.parametrize("ci", ["", "false", "0"])
def test_a_terminal_has_one_live_line(ci: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = on_terminal(monkeypatch, TERM="xterm", NO_COLOR="", CI=ci)
    assert "\r\x1b[KWork: half" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "environ", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "xterm", "CI": "true"}]
)
def test_a_terminal_that_wants_no_escapes_gets_lines(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    said = on_terminal(monkeypatch, **environ)
    assert said.startswith(PLAIN)
    assert not {"\x1b", "\r"} & set(said)


def test_a_file_gets_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with (tmp_path / "log").open("w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        with progress().phase("Work") as phase:
            phase.update("half")
    said = (tmp_path / "log").read_text()
    assert said.startswith(PLAIN)
    assert said.count("\n") == 2
