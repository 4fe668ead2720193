"""Listing pods and their output, from a state that was made up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Vmpod
from tests.unit.state.records import (
    RUNNING,
    agent,
    ended,
    keep,
    one,
    output_line,
    record,
    whole,
)
from vmpod.process import Process
from vmpod.state.store import PodStore

UP = [agent(), one("i", ended(0, "Completed")), one("a", RUNNING), one("b", RUNNING)]


def ourselves() -> Process:
    """A process that certainly lives."""
    found = Process.of(os.getpid())
    assert found is not None
    return found


def rows(out: str) -> list[list[str]]:
    return [line.split("   ") for line in out.splitlines()]


def columns(out: str) -> dict[str, dict[str, str]]:
    """Cells by pod and column, cut where the header says."""
    header, *lines = out.splitlines()
    names = header.split()
    starts = [header.index(name) for name in names] + [None]
    cut = [{name: line[starts[n] : starts[n + 1]].strip() for n, name in enumerate(names)} for line in lines]
    return {row["NAME"]: row for row in cut}


def test_without_pods_there_is_a_header(vmpod: Vmpod) -> None:
    assert vmpod("ps").out.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "PORTS"]
    assert vmpod("ps", "-q").out == ""
    assert json.loads(vmpod("ps", "-o", "json").out) == {"apiVersion": "v1", "kind": "List", "items": []}


def test_pods_that_run_and_all_pods(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record("up", qemu=ourselves()), *UP, whole("Running", ready=True))
    keep(pods, record("up", namespace="shop", qemu=ourselves()), *UP, whole("Running"))
    keep(pods, record("down", qemu=Process(1, 1)), *UP, whole("Succeeded"))
    assert list(columns(vmpod("ps").out)) == ["shop/up", "up"]
    assert vmpod("ps", "-q").out == "shop/up\nup\n"
    assert vmpod("ps", "-aq").out == "down\nshop/up\nup\n"
    assert vmpod("ps", "-a", "-o", "name").out == "down\nshop/up\nup\n"
    listed = columns(vmpod("ps", "-a").out)
    assert listed["up"]["READY"] == "2/2"
    assert listed["up"]["STATUS"] == "Running"
    assert listed["up"]["PORTS"] == "127.0.0.1:8080->80, 0.0.0.0:53->53/udp"
    assert listed["down"]["STATUS"] == "Completed"


def test_names_as_apply_prints_them(vmpod: Vmpod, pods: PodStore) -> None:
    """And as kubectl takes them; a namespace may be called so, too, and a pod."""
    for name, namespace in (("up", "default"), ("up", "shop")):
        keep(pods, record(name, namespace=namespace, qemu=ourselves()), *UP, whole("Running"))

    def got(*words: str) -> list[str]:
        return vmpod("get", *words, "-o", "name").out.splitlines()

    for words in (("pod/up",), ("pods/up",), ("pod", "up"), ("pods", "up")):
        assert got(*words) == ["up"]
    assert got("pod/shop/up") == ["shop/up"]
    assert got("pods") == got("pod") == got() == ["shop/up", "up"]
    assert "there is no pod 'pod/down'" in vmpod("get", "pod/down").err
    keep(pods, record("up", namespace="pod", qemu=ourselves()), *UP, whole("Running"))
    keep(pods, record("pods", qemu=ourselves()), *UP, whole("Running"))
    assert got("pod/up") == ["pod/up"]
    assert got("pods") == ["pods"]


STATES: list[tuple[list[Any], bool, str, str]] = [
    ([], True, "StartFailed", "0/2"),
    ([agent()], True, "StartFailed", "0/2"),
    ([agent(), one("i", {"waiting": {"reason": "PodInitializing"}})], True, "Init:0/1", "0/2"),
    ([agent(), one("i", {"waiting": {"reason": "CrashLoopBackOff"}})], True, "Init:CrashLoopBackOff", "0/2"),
    ([agent(), one("i", ended(0))], True, "ContainerCreating", "0/2"),
    ([*UP, whole("Running")], True, "Running", "2/2"),
    (
        [*UP, one("b", {"waiting": {"reason": "CrashLoopBackOff"}}), whole("Running")],
        True,
        "CrashLoopBackOff",
        "1/2",
    ),
    ([*UP, one("b", ended(1)), whole("Running")], True, "Error", "1/2"),
    ([*UP, one("b", ended(0, "Completed")), whole("Running")], True, "Running", "1/2"),
    ([*UP, one("b", ended(137, "OOMKilled")), whole("Failed")], True, "OOMKilled", "1/2"),
    ([*UP], False, "MachineDied", "0/2"),
    ([agent("Broken", "x")], True, "MachineFailed", "0/2"),
    ([*UP, one("b", ended(1, "\x1b[31mred")), whole("Failed")], True, "?[31mred", "1/2"),
]


@pytest.mark.parametrize(("events", "alive", "word", "ready"), STATES)
def test_the_word_that_says_most(
    events: list[Any], alive: bool, word: str, ready: str, vmpod: Vmpod, pods: PodStore
) -> None:
    keep(pods, record(qemu=ourselves() if alive else Process(1, 1)), *events)
    listed = columns(vmpod("ps", "-a").out)["web"]
    assert (listed["STATUS"], listed["READY"]) == (word, ready)


@pytest.mark.parametrize("events", [[], [agent()]])
def test_a_pod_that_a_command_is_starting(events: list[Any], vmpod: Vmpod, pods: PodStore) -> None:
    """The lock tells it from one whose command was killed."""
    keep(pods, record(qemu=ourselves()), *events)
    with pods.locked("web"):
        assert columns(vmpod("ps").out)["web"]["STATUS"] == "Init:0/1"
    assert columns(vmpod("ps", "-a").out)["web"]["STATUS"] == "StartFailed"


def test_wide(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=ourselves()), *UP)
    listed = columns(vmpod("get", "web", "-o", "wide").out)["web"]
    assert (listed["ACCEL"], listed["PID"], listed["IMAGES"]) == ("tcg", str(os.getpid()), "0" * 12)


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_a_pod_as_an_object(output: str, read: Any, vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=ourselves()), *UP, whole("Running", ready=True))
    found = read(vmpod("get", "web", "-o", output).out)
    assert (found["kind"], found["metadata"]["name"], found["status"]["phase"]) == ("Pod", "web", "Running")
    (listed,) = read(vmpod("ps", "-o", output).out)["items"]
    assert listed == found


def test_a_damaged_record_hides_no_other_pod(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=ourselves()), *UP)
    broken = pods.directory("broken")
    broken.mkdir()
    (broken / "pod.json").write_text("{")
    result = vmpod("ps")
    assert "web" in columns(result.out)
    assert "broken/pod.json is damaged" in result.err
    assert result.status == 125


def test_a_damaged_record_is_told(vmpod: Vmpod, pods: PodStore) -> None:
    entry = keep(pods, record())
    (entry.directory / "pod.json").write_text("{")
    result = vmpod("get", "web")
    assert result.status == 125
    assert "pod.json is damaged" in result.err
    assert "vmpod rm --force web" in result.err
    assert vmpod("rm", "web").status == 125
    assert vmpod("rm", "--force", "web").status == 0
    assert not entry.directory.exists()


def test_rm_of_what_runs_and_of_what_has_ended(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record("up", qemu=ourselves()), *UP, whole("Running"))
    down = keep(pods, record("down", qemu=Process(1, 1), sockets=Path("/nonexistent")), *UP)
    result = vmpod("rm", "up", "down")
    assert result.status == 125
    assert (
        result.err == "vmpod: the pod up is running [conflict]\n  stop it first, or `vmpod rm --force up`\n"
    )
    assert not down.directory.exists()
    assert vmpod("ps", "-aq").out == "up\n"


def test_stop_of_what_has_ended_is_no_error(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=Process(1, 1)), *UP)
    assert vmpod("stop", "web").status == 0


# logs.


LINES = (
    output_line("i/0", b"filled")
    + output_line("a/0", b"out ", partial=True)
    + output_line("b/0", b"between", stream="stderr")
    + output_line("a/0", b"put")
    + output_line("a/1", b"unfinished", partial=True)
)


def test_logs(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=Process(1, 1)), output=LINES)
    result = vmpod("logs", "web")
    assert result.status == 0
    assert result.out == "i | filled\na | unfinished\n"
    assert result.err == "b | between\n"


def test_logs_of_one_container_are_its_bytes(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=Process(1, 1)), output=LINES)
    assert vmpod("logs", "web", "-c", "a").out == "unfinished"
    assert vmpod("logs", "web", "-c", "a", "-c", "i").out == "i | filled\na | unfinished\n"
    assert vmpod("logs", "web", "-c", "a", "-p").out == "out put\n"
    assert vmpod("logs", "-f", "web", "-c", "b").err == "between\n"


def test_logs_with_timestamps(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=Process(1, 1)), output=LINES)
    first = vmpod("logs", "web", "--timestamps").out.splitlines()[0]
    assert first == "2026-01-31T12:00:00.000000000Z i | filled"
    one_alone = vmpod("logs", "web", "--timestamps", "-c", "i").out
    assert one_alone == "2026-01-31T12:00:00.000000000Z filled\n"


def test_logs_of_a_container_that_is_not_there(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(), output=LINES)
    result = vmpod("logs", "web", "-c", "z")
    assert result.status == 125
    assert result.err == "vmpod: the pod web has no container 'z' [not-found]\n  it has i, a, b\n"


def test_the_log_of_the_console(vmpod: Vmpod, pods: PodStore) -> None:
    entry = keep(pods, record(qemu=Process(1, 1)))
    entry.console.write_bytes(b"[    0.0] Linux\r\n")
    assert vmpod("console", "--log", "web").out == "[    0.0] Linux\r\n"
    result = vmpod("console", "web")
    assert result.status == 125
    assert "the pod's machine is not running" in result.err


def test_exec_in_a_machine_that_is_gone(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    keep(pods, record(qemu=Process(1, 1), sockets=tmp_path))
    result = vmpod("exec", "web", "--", "true")
    assert (result.status, result.out) == (125, "")
    assert "the pod's machine is not running" in result.err
