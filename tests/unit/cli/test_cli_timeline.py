"""Timelines: put together from what the host noted and the guest's events tell, and drawn."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import check
from tests.unit.state.records import record
from vmpod.cli.timeline import bars, svg, to_json
from vmpod.progress import SILENT, Progress
from vmpod.state import timeline
from vmpod.state.store import PodEntry
from vmpod.state.timeline import Timeline
from vmpod.stopwatch import Step
from vmpod.wire import events

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
HOST = (
    ("command", 0.0, 0.2, False),
    ("starting the machine", 0.2, 0.5, False),
    ("create the domain", 0.2, 0.4, True),
    ("resume", 0.4, 0.5, True),
    ("booting the guest", 0.5, 3.1, False),
)


def at(seconds: float) -> str:
    moment = BEGIN + round(seconds * SECOND)
    return f"2023-11-14T22:13:{20 + moment // SECOND - BEGIN // SECOND:02}.{moment % SECOND:09}Z"


def agent(reason: str, uptime: float, **more: Any) -> tuple[str, dict[str, Any]]:
    # The clock of a guest that has just booted may be a second off.
    told = uptime + 0.6 if reason == events.HANDED_OVER else uptime + 1.4
    return at(told), {"kind": "agent", "reason": reason, "message": "", "uptime": uptime, **more}


def container(seconds: float, name: str, **state: Any) -> tuple[str, dict[str, Any]]:
    return at(seconds), {"kind": "container", "name": name, "state": state}


TOLD = [
    agent(events.BOOTED, 2.2, began=2.0, boot=1),
    agent(events.PREPARED, 2.4),
    agent(events.HANDED_OVER, 2.5),
    container(3.1, "i", waiting={"reason": "ContainerCreating"}),
    container(3.2, "i", running={}),
    container(3.5, "i", terminated={"exitCode": 0}),
    container(3.5, "a", waiting={"reason": "ContainerCreating"}),
    container(3.7, "a", running={}),
    (at(3.7), {"kind": "pod", "phase": "Running", "ready": True}),
    container(9.0, "a", terminated={"exitCode": 0}),
]


def loaded(directory: Path, told: list[tuple[str, dict[str, Any]]]) -> Timeline:
    steps = [Step(n, BEGIN + round(b * SECOND), BEGIN + round(e * SECOND), part) for n, b, e, part in HOST]
    timeline.save(directory, BEGIN, steps)
    found = timeline.load(directory, record(), told)
    assert found
    return found


def guest(found: Timeline) -> list[tuple[str, float, float]]:
    return [
        (step.name, round((step.begin - BEGIN) / SECOND, 3), round((step.end - BEGIN) / SECOND, 3))
        for step in found.guest
    ]


def test_the_steps_of_a_start_are_written_down(tmp_path: Path) -> None:
    entry = PodEntry(record(), tmp_path)

    def start(progress: Progress) -> PodEntry:
        with progress.phase("Making disks"):
            return entry

    assert timeline.timed(start, SILENT, begin=BEGIN) is entry
    found = timeline.load(tmp_path, record(), [])
    assert found
    assert found.begin == BEGIN
    assert [step.name for step in found.host] == ["command", "making disks"]


def test_the_guests_steps_are_on_the_hosts_clock(tmp_path: Path) -> None:
    found = loaded(tmp_path, TOLD)
    assert guest(found) == [
        ("firmware", 0.5, 0.6),
        ("kernel and Python", 0.6, 2.6),
        ("agent", 2.6, 2.8),
        ("network and disks", 2.8, 3.0),
        ("hand over", 3.0, 3.1),
        ("i: start", 3.1, 3.2),
        ("i: run", 3.2, 3.5),
        ("a: start", 3.5, 3.7),
    ]
    assert found.total == 3.7 * SECOND


def test_a_container_that_is_waited_for(tmp_path: Path) -> None:
    """It runs, has started, and is ready: what is between is no second start."""
    told = [
        *TOLD[:-3],
        (at(3.7), {"kind": "container", "name": "a", "state": {"running": {}}, "ready": False}),
        (at(4.0), {"kind": "container", "name": "a", "state": {"running": {}}, "ready": False}),
        (at(4.6), {"kind": "container", "name": "a", "state": {"running": {}}, "ready": True}),
        (at(4.7), {"kind": "container", "name": "a", "state": {"running": {}}, "ready": True}),
        (at(4.8), {"kind": "pod", "phase": "Running", "ready": True}),
    ]
    assert guest(loaded(tmp_path, told))[-2:] == [("a: start", 3.5, 3.7), ("a: until ready", 3.7, 4.6)]


def test_a_fork_goes_on_when_it_has_become_one(tmp_path: Path) -> None:
    """What its events tell of the pod that it is a copy of is of no start of its own, however late it was."""
    forked = (at(0.9), {"kind": "agent", "reason": events.FORKED, "message": "web", "uptime": 9.0})
    pod = {"kind": "pod", "phase": "Running"}
    before = [
        (at(0.1), {"kind": "container", "name": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}),
        container(0.2, "a", running={}),
        (at(0.2), {**pod, "ready": True}),
    ]
    found = loaded(tmp_path, [*before, forked, container(9.0, "a", terminated={"exitCode": 0})])
    assert guest(found) == [("wake", 0.5, 0.9)]
    assert found.total == 0.9 * SECOND
    # Its containers were not ready yet.
    later = (at(2.0), {**pod, "ready": True})
    unready = [*before, (at(0.3), {**pod, "ready": False}), forked, later]
    assert loaded(tmp_path, unready).total == 2 * SECOND
    # Started anew it is a copy no more.
    old = [("2023-11-14T22:13:00.000000000Z", forked[1])]
    assert guest(loaded(tmp_path, [*old, *TOLD])) == guest(loaded(tmp_path, TOLD))


def test_a_copy_has_neither_firmware_nor_kernel(tmp_path: Path) -> None:
    """Its uptime is from before it was frozen."""
    told = [agent(events.BOOTED, 2.2), agent(events.PREPARED, 2.3), agent(events.HANDED_OVER, 2.4)]
    told[-1] = at(0.8), told[-1][1]
    assert [name for name, _, _ in guest(loaded(tmp_path, told))] == [
        "wake",
        "network and disks",
        "hand over",
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "agent", "reason": events.HANDED_OVER, "uptime": "x"},
        {"kind": "agent", "reason": events.HANDED_OVER, "uptime": 1e300},
        {"kind": "agent", "reason": events.HANDED_OVER, "uptime": float("nan")},
        {"kind": "container", "name": "nobody", "state": {"waiting": {"reason": "ContainerCreating"}}},
        {"kind": "container", "name": ["a"], "state": 1},
        {"kind": "container", "name": "a", "state": {"running": 1}},
        {"kind": "pod", "ready": "yes"},
        {},
    ],
)
@pytest.mark.parametrize("moment", [at(1.0), "", "nonsense", "9999-99-99T99:99:99.999999999Z"])
def test_what_a_hostile_guest_tells_breaks_nothing(
    tmp_path: Path, event: dict[str, Any], moment: str
) -> None:
    found = loaded(tmp_path, [(moment, event)])
    assert found.total < 3600 * SECOND
    assert bars(found, 80)
    assert svg(found, "web")
    check(to_json(found))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 9}', '{"version": 1, "begin": 1, "steps": [1]}']
)
def test_a_damaged_file_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / timeline.FILE).write_text(content)
    assert timeline.load(tmp_path, record(), TOLD) is None


def test_bars(tmp_path: Path) -> None:
    lines = bars(loaded(tmp_path, TOLD), 80)
    assert lines[0].startswith("command ")
    assert lines[0].endswith("| 0.200 s")
    assert lines[-2].split() == ["ready", "after", "3.700", "s"]
    assert max(map(len, lines)) <= 80
    kernel = next(line for line in lines if line.startswith("kernel"))
    assert kernel.count("#") == max(line.count("#") for line in lines)


def test_the_picture_holds_every_step(tmp_path: Path) -> None:
    found = loaded(tmp_path, TOLD)
    picture = ET.fromstring(svg(found, "we<b"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text or "" for each in picture.iter(f"{space}text")]
    assert "Start of we<b: 3.700 s" in texts
    assert {step.name for step in (*found.host, *found.guest)} <= set(texts)
    bars_drawn = list(picture.iter(f"{space}rect"))
    assert len(bars_drawn) == len(found.host) + len(found.guest)
    width = float(picture.attrib["width"])
    assert all(float(each.attrib["x"]) + float(each.attrib["width"]) <= width for each in bars_drawn)


def test_json(tmp_path: Path) -> None:
    found = to_json(loaded(tmp_path, TOLD))
    check(json.loads(json.dumps(found)))
    assert found["ready"] == 3.7
