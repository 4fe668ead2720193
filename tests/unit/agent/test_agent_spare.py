"""The child that waits for a container: what it gets, and what becomes of it when it gets nothing."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import run_until
from vmpod_agent import cgroups, create, launch, spare
from vmpod_agent.create import Creating
from vmpod_agent.launch import Command, Process
from vmpod_agent.loop import Loop
from vmpod_agent.reaper import ExitStatus, Reaper
from vmpod_agent.spare import Spare
from vmpod_agent.users import User


class Given:
    """Stands for what the machine gives to a container: a pipe's end, for every tree."""

    def __init__(self, places: list[str]) -> None:
        self.ends = os.pipe()
        self.trees = [(self.ends[1], place) for place in places]


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The child stays here, and keeps its rights; the cgroups that were removed."""

    def surroundings(_group: str, _rights: object) -> Generator[str, None, list[create.Tree]]:
        yield from ()
        return []

    def moving_in(process: Creating, _made: object) -> Iterator[str]:
        # It says what it was given through what it was given.
        for fd, place in process._trees:
            os.write(fd, f"{place} ".encode())
        yield "move in"

    groups: list[str] = []
    monkeypatch.setattr(launch, "_fork_into", lambda _enter: os.fork())
    monkeypatch.setattr(create, "surroundings", surroundings)
    monkeypatch.setattr(Creating, "moving_in", moving_in)
    for step in ("_give_up", "_change_user"):
        monkeypatch.setattr(Process, step, lambda _self: None)
    monkeypatch.setattr(cgroups, "create", lambda _group: None)
    monkeypatch.setattr(cgroups, "remove", groups.append)
    return groups


def command(script: str, **more: Any) -> Command:
    return Command(
        ["sh", "-c", script], env=["PATH=/usr/bin:/bin", "WHO=me"], cwd="/", user=User(0, 0, [], "/"), **more
    )


def test_it_becomes_the_command_with_what_it_gets(loop: Loop, removed: list[str], tmp_path: Path) -> None:
    child, given, ended = Spare(Reaper(loop)), Given(["/", "/data"]), list[ExitStatus]()
    out = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    starting = child.start(given, command("echo $WHO; exit 7"), [out, out, out], ended.append)  # type: ignore[arg-type]
    assert starting is not None
    run_until(loop, lambda: bool(ended))
    assert starting.report() is None
    starting.close()
    assert (starting.command, ended[0].code) == ("sh", 7)
    assert os.read(given.ends[0], 100) == b"/ /data "
    assert (tmp_path / "out").read_text() == "me\n"
    assert not removed  # whoever runs the container removes its cgroup


def test_without_orders_it_ends(loop: Loop, removed: list[str]) -> None:
    child = Spare(Reaper(loop))
    child.dismiss()
    run_until(loop, lambda: bool(removed))
    assert removed == ["vmpod/first"]


@pytest.mark.parametrize("why", ["too much", "too many", "gone"])
def test_what_it_cannot_do_is_left_to_others(loop: Loop, removed: list[str], why: str) -> None:
    child, places, script = Spare(Reaper(loop)), ["/"], "true"
    if why == "too much":
        script = "x" * spare._MAX_ORDER
    elif why == "too many":
        places = ["/"] * (spare._MAX_PASSED + 1)
    else:
        os.kill(child._starting.pid, 9)
        run_until(loop, lambda: child._gone)
    assert child.start(Given(places), command(script), [0, 1, 2], lambda _status: None) is None  # type: ignore[arg-type]
    run_until(loop, lambda: bool(removed))


def test_one_that_fails_on_its_way_is_an_error(
    loop: Loop, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_group: str, _rights: object) -> Iterator[str]:
        yield "mount proc on /proc"
        raise PermissionError(1, "no")

    monkeypatch.setattr(create, "surroundings", broken)
    with pytest.raises(launch.LaunchError, match="could not mount proc on /proc: Operation not permitted"):
        Spare(Reaper(loop))
    run_until(loop, lambda: bool(removed))
