"""Files of containers that have ended, kept until they are fetched."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.unit.agent.harness import Host, StandInServices, run_until
from tests.unit.agent.standins import Agent, error
from tests.unit.agent.world import Make
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame
from vmpod_agent.loop import Loop


def test_the_last_run_of_a_named_container_is_kept(make: Make) -> None:
    world = make("a", "b", policy="OnFailure")
    world.pod.keep(["a", "nobody"])
    assert world.pod.keeps
    world.start("a", "b")
    first = world.run("a")
    first.ended(1)
    assert not first.removed
    world.clock.go(60)
    second = world.run("a")
    assert second is not first
    second.started()
    assert not first.removed
    second.ended(0)
    assert first.removed
    assert not second.removed
    world.run("b").ended(0)
    assert world.run("b").removed
    assert world.finished == ["Succeeded"]
    assert world.pod.done
    world.pod.drop_kept()
    assert second.removed


def test_nothing_is_kept_unless_it_is_asked_for(make: Make) -> None:
    world = make("a", policy="Never")
    world.pod.keep([])
    assert not world.pod.keeps
    world.start("a")
    world.run("a").ended(0)
    assert world.run("a").removed


def test_what_a_start_asks_for_reaches_the_agent(agent: Agent, host: Host) -> None:
    host.request(1, messages.START, time=1, keep=["a"])
    host.send(Frame(frames.DATA, 1, b"{}"), Frame(frames.EOF, 1))
    host.request(2, messages.STOP, grace=None, keep=True)
    host.request(3, messages.STOP, grace=1)
    assert agent.kept == [["a"], True, False]


def test_a_keep_that_is_no_list_of_names_starts_nothing(agent: Agent, host: Host) -> None:
    host.request(1, messages.START, time=1, keep=[1])
    assert error(host, 1)[0] == messages.BAD_REQUEST
    assert agent.clock == []


class Kept:
    """A run that has ended, whose files are this host's."""

    user = None
    pid = 0

    def __init__(self) -> None:
        self.entered = 0

    def enter(self) -> None:
        os.chdir("/")


class Member:
    name = "a"
    running = False
    run = None

    def __init__(self, kept: Kept | None) -> None:
        self.kept = kept


class Pod:
    def __init__(self, kept: Kept | None) -> None:
        self._member = Member(kept)

    def find(self, _name: str) -> Member:
        return self._member


def test_files_are_copied_out_of_a_container_that_has_ended(
    agent: Agent, host: Host, services: StandInServices, loop: Loop, tmp_path: Path
) -> None:
    agent.services = services
    agent.pod = Pod(Kept())
    (tmp_path / "r.xml").write_text("result")
    host.request(1, messages.COPY, path=str(tmp_path / "r.xml"))

    def ended() -> object:
        host.grant()
        return host.of(1, frames.END)

    run_until(loop, ended)
    with tarfile.open(fileobj=io.BytesIO(host.output(1))) as tar:
        member = tar.extractfile("r.xml")
        assert member
        assert member.read() == b"result"


@pytest.mark.parametrize("into", [True, False])
def test_nothing_is_copied_into_it_nor_out_of_one_that_is_not_kept(
    agent: Agent, host: Host, services: StandInServices, into: bool
) -> None:
    agent.services = services
    agent.pod = Pod(Kept() if into else None)
    host.request(1, messages.COPY, path="/x", into=into)
    assert error(host, 1)[0] == messages.NOT_RUNNING
