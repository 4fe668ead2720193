"""What is to be copied out of pods: how it is written, and of which pod and container it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.state.records import agent, event_line, keep, record, whole, written
from vmpod.errors import UsageError
from vmpod.paths import Paths
from vmpod.plan.model import JOURNAL
from vmpod.runtime.context import Runtime
from vmpod.runtime.copyout import CopyOut, EndReader, Fetcher, by_pod, parse
from vmpod.spec.load import load
from vmpod.wire.logdisk import EVENTS

MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  initContainers: [{name: i, image: x}]
  containers: [{name: a, image: x}, {name: b, image: x}]
"""
ONE = load(MANIFEST % ("web", "default"), source="x")
TWO = load(MANIFEST % ("web", "default") + "---\n" + MANIFEST % ("db", "other"), source="x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a:/r=out", ("", "a", "/r", "out")),
        (":/r/.=out/x", ("", "", "/r/.", "out/x")),
        ("web/a:r=/abs", ("web", "a", "r", "/abs")),
        ("other/db/a:r=x=y:z", ("other/db", "a", "r", "x=y:z")),
        ("web/:/r=out", ("web", "", "/r", "out")),
    ],
)
def test_places_are_written_as_for_cp(text: str, found: tuple[str, str, str, str]) -> None:
    pod, container, path, directory = found
    assert parse(text) == CopyOut(pod, container, path, Path(directory))


@pytest.mark.parametrize("text", ["", "a", "a:/r", "a=/r:out", "a:=out", "a:/r=", "/r=out"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not CONTAINER:PATH=DIRECTORY"):
        parse(text)


def test_the_container_is_the_first_unless_it_is_named() -> None:
    wanted = [parse(text) for text in (":/r=o", "b:/r=o", "i:/r=o", "web/b:/s=o")]
    assert [each.container for each in by_pod(wanted, ONE)["web"]] == ["a", "b", "i", "b"]
    found = by_pod([parse("other/db/:/r=o"), parse("web/b:/r=o")], TWO)
    assert {key: [each.container for each in wanted] for key, wanted in found.items()} == {
        "web": ["b"],
        "other_db": ["a"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [("c:/r=o", "no container 'c'"), ("x/a:/r=o", "no pod 'x'"), ("a:/r=o", "several pods")],
)
def test_what_is_not_there_is_refused_before_the_start(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        by_pod([parse(text)], TWO if "several" in message else ONE)


def test_a_pod_has_ended_when_it_says_so(tmp_path: Path) -> None:
    runtime = Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))
    entry = keep(runtime.pods, record(), agent(), whole("Running", ready=True))
    reader = EndReader(entry)
    assert not reader.ended()
    with written(entry.directory / JOURNAL) as disk:
        disk.append(EVENTS, b"no json\n" + event_line(whole("Failed")))
    assert reader.ended()
    assert reader.ended()


def test_what_went_with_its_machine_is_told(tmp_path: Path) -> None:
    runtime = Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))
    entry = keep(runtime.pods, record(sockets=tmp_path / "nowhere"))
    said: list[str] = []
    fetcher = Fetcher(by_pod([parse(f"a:/r={tmp_path}/out")], ONE), said.append)
    fetcher.miss(entry)
    assert fetcher.failed
    why = "the machine has ended before its files could be copied"
    assert said == [f"a:/r of the pod web is not copied to {tmp_path}/out: {why}"]
    # Tried in vain, it is told once.
    said.clear()
    fetcher.fetch(entry)
    fetcher.miss(entry)
    assert len(said) == 1
    assert "the pod's machine is not running" in said[0]
