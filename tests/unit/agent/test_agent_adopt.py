"""ADOPT and RENEW: a copied machine is told which pod it is, and what makes it nobody's double."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.agent.harness import Host
from tests.unit.agent.standins import Agent, StandInPod, error
from vmpod.wire import frames, messages
from vmpod.wire.boot import BOOT_VERSION
from vmpod.wire.frames import Frame

DOCUMENT: dict[str, Any] = {
    "version": BOOT_VERSION,
    "boot": 1,
    "pod": {"name": "web", "namespace": "default", "uid": "u", "hostname": "web", "fqdn": ""},
    "network": None,
    "images": [],
    "disks": [],
    "volumes": [],
    "init_containers": [],
    "containers": [],
    "restart_policy": "Never",
    "grace": 30,
    "deadline": 0,
    "processes": "own",
    "memory": 0,
    "cpu": 0,
    "huge_pages": 0,
    "pids": 0,
    "sysctls": [],
}
IDENTITY = {"time": 5, "seed": "ab" * 64, "mac": "525400010203", "scratch": True}


@pytest.fixture
def waiting(agent: Agent) -> Agent:
    agent.waiting = True
    return agent


def adopt(host: Host, document: bytes, stream: int = 1, **changes: Any) -> None:
    host.request(stream, messages.ADOPT, **(IDENTITY | changes))
    host.input(stream, document)
    host.send(Frame(frames.EOF, stream))


def test_it_gets_the_document_and_its_identity(waiting: Agent, host: Host) -> None:
    adopt(host, messages.dump(DOCUMENT))
    assert host.answer(1) == {"adopted": True}
    ((document, identity, done),) = waiting.adopted
    assert done.scratch
    assert document["pod"]["name"] == "web"
    assert (identity.time, identity.seed, identity.mac) == (5, b"\xab" * 64, bytes.fromhex("525400010203"))


def test_only_once(waiting: Agent, host: Host) -> None:
    adopt(host, messages.dump(DOCUMENT))
    adopt(host, messages.dump(DOCUMENT), stream=2)
    assert error(host, 2)[0] == messages.BAD_REQUEST
    assert len(waiting.adopted) == 1


@pytest.mark.parametrize(
    ("changes", "document"),
    [
        ({"seed": "ab"}, DOCUMENT),
        ({"seed": "x" * 128}, DOCUMENT),
        ({"mac": "52540001"}, DOCUMENT),
        ({"time": "now"}, DOCUMENT),
        ({"scratch": 1}, DOCUMENT),
        ({}, DOCUMENT | {"version": 1}),
        ({}, {"version": 2}),
    ],
)
def test_what_is_wrong_is_refused_and_it_waits_on(
    waiting: Agent, host: Host, changes: dict[str, Any], document: dict[str, Any]
) -> None:
    adopt(host, messages.dump(document), **changes)
    assert error(host, 1)[0] == messages.BAD_REQUEST
    assert waiting.waiting
    assert not waiting.adopted


def test_a_pod_cannot_be_started_before(waiting: Agent, host: Host) -> None:
    host.request(1, messages.START, time=1)
    assert error(host, 1)[0] == messages.BAD_REQUEST
    assert not waiting.started


# RENEW.


def test_a_pod_goes_on_as_another(agent: Agent, host: Host) -> None:
    agent.pod = StandInPod()
    host.request(1, messages.RENEW, pod=DOCUMENT["pod"], **IDENTITY)
    assert host.answer(1) == {"renewed": True}
    ((pod, identity),) = agent.renewed
    assert (pod["name"], identity.time) == ("web", 5)


@pytest.mark.parametrize("pod", [{}, DOCUMENT["pod"] | {"more": 1}, DOCUMENT["pod"] | {"hostname": 1}, "web"])
def test_who_is_nobody_is_refused(agent: Agent, host: Host, pod: Any) -> None:
    agent.pod = StandInPod()
    host.request(1, messages.RENEW, pod=pod, **IDENTITY)
    assert error(host, 1)[0] == messages.BAD_REQUEST
    assert not agent.renewed


def test_without_a_pod_there_is_nothing_to_go_on(agent: Agent, host: Host) -> None:
    host.request(1, messages.RENEW, pod=DOCUMENT["pod"], **IDENTITY)
    assert error(host, 1)[0] == messages.NOT_RUNNING
