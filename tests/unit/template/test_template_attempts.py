"""Templates that cannot be made in the background: nobody reads what goes wrong, until somebody asks."""

from __future__ import annotations

import errno
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from tests.unit.template.test_template_store import MACHINE, SHARE
from vmpod.errors import BootTimeoutError
from vmpod.paths import Paths
from vmpod.plan.model import Machine
from vmpod.progress import Silent
from vmpod.runtime import templates
from vmpod.runtime.context import Runtime
from vmpod.runtime.diag.archive import MissingError
from vmpod.runtime.diag.host import templates_told
from vmpod.template import attempts
from vmpod.template.attempts import KEPT, attempt, failed, succeeded


def _fail(directory: Path, machine: Machine, text: str) -> None:
    with attempt(directory, machine) as log:
        os.write(log, text.encode())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it was killed"),
        ("vmpod: QEMU \x1b ended [qemu-ended]\n  a hint\n", "QEMU ? ended [qemu-ended]"),
        ("Traceback (most recent call last):\n  File\nValueError: no\n", "ValueError: no"),
    ],
)
def test_why(text: str, why: str, tmp_path: Path) -> None:
    _fail(tmp_path, MACHINE, text)
    (found,) = failed(tmp_path)
    assert (found.size, found.why, found.text) == ("512 MiB, 1 CPUs, 0 shares (tcg)", why, text)
    assert time.time() - found.ended < 60


def test_while_it_is_made_nothing_has_failed(tmp_path: Path) -> None:
    with attempt(tmp_path, MACHINE), attempt(tmp_path, MACHINE):
        assert failed(tmp_path) == []
    assert len(failed(tmp_path)) == 1


def test_one_that_succeeds_ends_it(tmp_path: Path) -> None:
    """Of its own size alone; the places for shares are the size, not how many a pod has."""
    _fail(tmp_path, replace(MACHINE, shares=(SHARE,)), "one")
    _fail(tmp_path, MACHINE, "other")
    succeeded(tmp_path, replace(MACHINE, shares=(SHARE, SHARE)))
    assert [each.text for each in failed(tmp_path)] == ["other"]


def test_few_are_kept(tmp_path: Path) -> None:
    (tmp_path / "somebody else's").touch()
    for count in range(1, KEPT + 4):
        _fail(tmp_path, replace(MACHINE, cpus=count), str(count))
    assert len(failed(tmp_path)) == KEPT
    assert str(KEPT + 3) in {each.text for each in failed(tmp_path)}


def test_nothing_was_tried(tmp_path: Path) -> None:
    assert failed(tmp_path / "gone") == []
    succeeded(tmp_path / "gone", MACHINE)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_the_maker_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what it has to where it is found, in the words for people."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nsleep 0.2; echo "vmpod: no room${VMPOD_ERRORS} for $*" >&2; exit 125\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("VMPOD_ERRORS", "json")
    runtime = Runtime(Paths(tmp_path / "data", tmp_path / "state", tmp_path / "run"))
    directory = runtime.paths.template_attempts
    templates.make_in_background(runtime, MACHINE)
    assert failed(directory) == []
    deadline = time.monotonic() + 30
    while not failed(directory):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert failed(directory)[0].why.startswith("no room for -m vmpod template create --quiet")
    assert "no room for" in templates_told(runtime)


def test_no_template_has_failed(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="none has failed"):
        templates_told(Runtime(Paths(tmp_path, tmp_path, tmp_path)))


def test_a_template_that_is_there_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(Paths(tmp_path, tmp_path, tmp_path))
    _fail(runtime.paths.template_attempts, MACHINE, "no")
    monkeypatch.setattr(templates, "_make", lambda *_: None)
    templates.make(runtime, MACHINE)
    assert attempts.failed(runtime.paths.template_attempts) == []


@pytest.mark.parametrize("error", [BootTimeoutError("it hangs"), OSError(errno.ENOSPC, "No space left")])
def test_one_that_should_come_first_and_cannot_be_made_is_told(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod boots then: see bring_up()."""

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(templates, "make", fail)
    notes = Notes()
    assert templates.made(Runtime(Paths(tmp_path, tmp_path, tmp_path)), MACHINE, notes) is None
    assert notes.told == [f"no template can be made, so the pod boots: {error}"]


class Notes(Silent):
    """Progress of which the notes are kept."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)
