"""Commands killed with SIGKILL at each of their steps: pods that run are not harmed, and nothing is left.

Nobody lists the steps: they are what the command is seen to do. It is killed at each of them once; after that
`ps -a` tells the truth, and `rm -f` or `prune` bring back exactly what was there before, file by file. So the
same command must work again, which is tried at the end of each walk. walk.py tells how to walk more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.images import busybox_archive
from tests.machine import manifests
from tests.machine.harness import Vmpod, eventually, free_port, kill, processes
from tests.machine.manifests import container, pod
from tests.machine.walk import Walker, listing
from tests.registry import running_registry
from vmpod.paths import default_paths
from vmpod.plan.model import CONSOLE

NAME = "victim"
BYSTANDER = "bystander"


class Home:
    """A home of its own, in which a pod runs that nothing may harm."""

    def __init__(self, vmpod: Vmpod) -> None:
        self.vmpod = vmpod
        self.walker = Walker(vmpod)
        self.port = free_port()
        self.manifest = self._write(NAME, "echo up; sleep 3600", self.port)
        self.archive = str(busybox_archive(vmpod.home / "busybox.tar", manifests.IMAGE))
        vmpod("image", "load", self.archive)
        vmpod("run", "-d", self._write(BYSTANDER, "echo up; sleep 3600", free_port()))
        self.machine = vmpod.qemu(BYSTANDER)
        sockets = Path(vmpod.record(BYSTANDER)["sockets"]).name
        self._living = (BYSTANDER, sockets)
        # So that the directories are there which stay.
        vmpod("run", "-d", self.manifest)
        vmpod("rm", "--force", NAME)

    def _write(self, name: str, script: str, port: int) -> str:
        path = self.vmpod.home / f"{name}.yaml"
        ports = [{"containerPort": 80, "hostPort": port, "hostIP": "127.0.0.1"}]
        document = pod(name, container("main", script, ports=ports), terminationGracePeriodSeconds=1)
        path.write_text(manifests.text(document))
        return str(path)

    def listing(self) -> set[str]:
        return listing(self.vmpod.home, *self._living)

    def tells_the_truth(self) -> dict[str, Any] | None:
        """Check that ps does; the pod that was worked on, as ps shows it."""
        listed = json.loads(self.vmpod("ps", "-a", "-o", "json").out)["items"]
        pods = {each["metadata"]["name"]: each for each in listed}
        bystander = pods.pop(BYSTANDER)
        assert bystander["status"]["phase"] == "Running"
        assert self.vmpod.qemu(BYSTANDER) == self.machine
        found: dict[str, Any] | None = pods.pop(NAME, None)
        assert pods == {}
        if found and found["status"]["phase"] in ("Running", "Pending"):
            assert processes(found["metadata"]["uid"]), f"nothing runs of it: {found['status']}"
        return found

    def clean(self, *, force: bool) -> None:
        """Remove what is left: with rm -f, or, unless the pod runs, with prune alone."""
        found = self.tells_the_truth()
        if found and (force or found["status"].get("reason") != "StartFailed"):
            self.vmpod("rm", "--force", NAME)
        # What follows is left for prune, of other things than the pod, or of it.
        there = self.listing()
        told = self.vmpod("prune", "--dry-run")
        assert self.listing() == there, "told only, not removed"
        assert self.vmpod("prune").out == told.out

    def check(self, before: set[str], *, force: bool = True) -> None:
        """Clean up, and see that all is as before."""
        self.clean(force=force)
        after = self.listing()
        assert after - before == set(), "left behind"
        assert before - after == set(), "removed, but in use"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))  # nobody has it


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="vk", dir="/tmp", ignore_cleanup_errors=True) as name:
        top = Path(name) / "h"
        (top / "tmp").mkdir(parents=True)
        # prune must not see the user's own.
        ignored = shutil.ignore_patterns(".*", "initrds")
        shutil.copytree(default_paths().guests, top / "data/guests", symlinks=True, ignore=ignored)
        vmpod = Vmpod(top, environment={"TMPDIR": str(top / "tmp"), "VMPOD_TEMPLATE": "0"})
        vmpod("guest", "build", timeout=1800)
        try:
            yield Home(vmpod)
        finally:
            for pid, _ in processes(str(top)):
                with contextlib.suppress(ProcessLookupError):
                    kill(pid)


@contextlib.contextmanager
def killed_at(step: str) -> Iterator[None]:
    """Says in a failure which step it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"killed at: {step}")
        raise


def test_run(home: Home) -> None:
    """Killed as a whole."""
    words = ("run", "-d", home.manifest)
    before = home.listing()
    steps = home.walker.steps(*words)
    home.check(before)
    for number, step in enumerate(steps):
        with killed_at(step):
            home.walker.kill(step, *words)
            home.check(before, force=number % 2 == 0)
    home.vmpod(*words)
    home.check(before)


def test_run_whose_child_is_killed(home: Home) -> None:
    """The command undoes what it has begun, by itself."""
    words = ("run", "-d", home.manifest)
    before = home.listing()
    home.walker.forget()
    steps = [step for step in home.walker.steps(*words) if step.startswith("child ")]
    home.check(before)
    assert any("virDomainCreateXML" in step for step in steps)
    for step in steps:
        with killed_at(step):
            done = home.walker.kill_child(step, *words)
            assert done.returncode == 125, done.stderr.decode()
            assert b"ended without a word" in done.stderr
            assert home.listing() == before


def test_what_is_done_with_a_pod(home: Home) -> None:
    """Each command on the same pod, brought back to where the command begins."""
    before = home.listing()
    for words in (("stop", NAME), ("start", NAME), ("restart", NAME), ("rm", "--force", NAME), ("rm", NAME)):
        _bring(home, words)
        for number, step in enumerate(home.walker.steps(*words)):
            with killed_at(f"{words} {step}"):
                _bring(home, words)
                home.walker.kill(step, *words)
                home.tells_the_truth()
                if number % 3 == 2:
                    home.check(before)
        home.check(before)
    home.vmpod("run", "-d", home.manifest)
    home.check(before)


def _bring(home: Home, words: tuple[str, ...]) -> None:
    """Have the pod run, or have ended, as the command wants it."""
    running = words[0] in ("stop", "restart") or "--force" in words
    there = home.tells_the_truth()
    alive = there is not None and there["status"]["phase"] == "Running"
    if there is None or (running and not alive) or there["status"].get("reason") == "StartFailed":
        home.vmpod("run", "--replace", "-d", home.manifest)
        alive = True
    if not running and alive:
        kill(home.vmpod.qemu(NAME))


def test_what_is_done_with_images(home: Home, tmp_path: Path) -> None:
    """Pulling, loading, naming, saving, removing."""
    before, archive, saved = home.listing(), tmp_path / "other.tar", tmp_path / "saved.tar"
    name = "localhost/other:1"
    busybox_archive(archive, name, {"Cmd": ["other"]})
    with running_registry(tmp_path) as registry:
        registry.push(f"oci-archive:{archive}", "other:1")
        environment = {**home.vmpod.environment, **registry.write_client_config(tmp_path)}
        vmpod = dataclasses.replace(home.vmpod, environment=environment)
        walker = Walker(vmpod)

        def load() -> None:
            vmpod("image", "load", str(archive))

        def load_anew() -> None:
            load()
            saved.unlink(missing_ok=True)

        commands: dict[tuple[str, ...], Callable[[], object]] = {
            ("image", "pull", registry.name("other:1")): lambda: None,
            ("image", "load", str(archive)): lambda: None,
            ("image", "tag", name, "localhost/third:1"): load,
            ("image", "save", "-o", str(saved), name): load_anew,
            ("image", "rm", name): load,
        }
        for words, prepare in commands.items():
            prepare()
            steps = walker.steps(*words)
            vmpod("prune", "--all")
            for step in steps:
                with killed_at(f"{words} {step}"):
                    prepare()
                    walker.kill(step, *words)
                    vmpod("image", "ls")
                    vmpod("prune", "--all")
                    assert home.listing() == before
        assert {path.name for path in tmp_path.glob("*saved*")} <= {"saved.tar"}, "a draft was left"


@pytest.mark.slow
def test_making_a_template(home: Home) -> None:
    """Whoever is killed at it leaves nothing that a pod would begin as, and is in nobody's way."""
    words = ("template", "create", "--memory", "128Mi")
    vmpod = _with_templates(home)
    walker = Walker(vmpod)
    vmpod(*words)
    vmpod("template", "prune", "--all")
    before = home.listing()  # with the files that are locked, which stay
    steps = walker.steps(*words)
    vmpod("template", "prune", "--all")
    for step in steps:
        with killed_at(step):
            walker.kill(step, *words)
            # Complete, or not there.
            for each in json.loads(vmpod("template", "ls", "-o", "json").out)["items"]:
                vmpod("template", "rm", each["key"])
            vmpod("prune")
            assert home.listing() == before
    vmpod(*words)
    vmpod("template", "prune", "--all")
    assert home.listing() == before


@pytest.mark.slow
def test_forking(home: Home) -> None:
    """The pod that is copied goes on, if need be by `resume`, and loses nothing; half a copy is removed."""
    vmpod = _with_templates(home)
    walker = Walker(vmpod)
    vmpod("run", "--replace", "-d", home.manifest)
    _template_is_made(vmpod)
    vmpod("run", "--replace", "-d", home.manifest)
    copy = f"{NAME}-1"
    machine, sockets = vmpod.qemu(NAME), Path(vmpod.record(NAME)["sockets"]).name
    vmpod("fork", NAME)
    vmpod("rm", "--force", copy)
    before = home.listing()
    steps = walker.steps("fork", NAME)
    vmpod("rm", "--force", copy)
    for step in steps:
        with killed_at(step):
            walker.kill(step, "fork", NAME)
            if vmpod.pod(NAME)["status"].get("reason") == "Paused":
                vmpod("resume", NAME)
            assert vmpod.exec(NAME, "echo", "alive").text == "alive\n"
            assert vmpod.qemu(NAME) == machine
            if vmpod.pod_directory(copy).exists():
                vmpod("rm", "--force", copy)
            vmpod("prune")
            # The socket through which the machine's state goes is made anew each time.
            assert home.listing() - {f"run/{sockets}/out"} == before
    vmpod("rm", "--force", NAME)
    vmpod("template", "prune", "--all")


def _with_templates(home: Home) -> Vmpod:
    return dataclasses.replace(home.vmpod, environment={**home.vmpod.environment, "VMPOD_TEMPLATE": ""})


def _template_is_made(vmpod: Vmpod) -> None:
    def made() -> bool:
        return bool(json.loads(vmpod("template", "ls", "-o", "json").out)["items"])

    eventually(made, "the template that is made in the background")


def test_building_a_guest_image(home: Home) -> None:
    """What builds it ends with the command; what it has made so far goes."""
    guests, before = home.vmpod.home / "data/guests", home.listing()
    there = set(guests.rglob("*"))
    with home.vmpod.started("guest", "build", "--force") as running:
        eventually(lambda: any((guests / "images/.build").glob("*")), "packages to be unpacked")
        running.signal(signal.SIGKILL)
        running.process.wait()
    eventually(lambda: home.listing() == before, "the programs that it had started to end")
    assert "images/.build: " in home.vmpod("prune", "--dry-run").text
    home.vmpod("prune")
    assert set(guests.rglob("*")) == there
    home.check(before)


def test_the_machine_is_killed_while_it_starts(home: Home) -> None:
    """At once, later, when its pod runs: that is told, and nothing stays of a start that failed."""
    before, console = home.listing(), home.vmpod.pod_directory(NAME) / CONSOLE

    def runs() -> bool:
        found = home.tells_the_truth()
        return found is not None and found["status"]["phase"] == "Running"

    moments: dict[str, Callable[[], object]] = {
        "it is there": lambda: True,
        "it has booted": lambda: "Booted" in console.read_text(),
        "it is prepared": lambda: "Prepared" in console.read_text(),
        "its pod runs": runs,
    }
    for name, come in moments.items():
        with killed_at(name), home.vmpod.started("run", "-d", home.manifest) as running:
            eventually(lambda come=come: _qemu(home) and come(), name)  # type: ignore[misc]
            kill(_qemu(home)[0])
            done = running.end()
            assert done.status == 0 or (done.status == 125 and "machine" in done.errors), done
            if found := home.tells_the_truth():
                assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "MachineDied")
                home.vmpod("rm", NAME)
            assert home.listing() == before


def _qemu(home: Home) -> list[int]:
    return [pid for pid, _ in processes(str(home.vmpod.pod_directory(NAME)))]
