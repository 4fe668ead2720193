"""What a job of CI needs: an exit status, results, an end in time, and nothing left when it is cancelled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.actions import Action
from tests.machine.harness import CHECKOUT, LIMIT, Running, Vmpod, eventually, kill, processes
from tests.machine.manifests import container, mount, pod
from tests.machine.pods import Pods

WORK = {"volumeMounts": [mount("work", "/results")]}
VOLUMES = [{"name": "work", "emptyDir": {}}]
WAITS = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 60 & wait $!; done"


def job(name: str, end: str) -> dict[str, object]:
    """A pod that leaves results in its volume and in its own layer, and then does something."""
    script = f"mkdir /own; echo own > /own/file; ln -s file /own/link; echo vol > /results/r.xml; {end}"
    return pod(
        name,
        container("test", script, **WORK),
        initContainers=[container("prepare", "echo early > /early.txt")],
        volumes=VOLUMES,
        terminationGracePeriodSeconds=1,
    )


def copies(out: Path) -> tuple[str, ...]:
    wanted = ("test:/results/.", "test:/own", "prepare:/early.txt")
    return tuple(word for each in wanted for word in ("--copy-out", f"{each}={out}"))


def results(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}


ALL = {"r.xml": "vol\n", "own/file": "own\n", "own/link": "own\n", "early.txt": "early\n"}


@pytest.mark.parametrize("status", [0, 7])
def test_results_are_copied_out_whether_it_fails_or_not(
    status: int, vmpod: Vmpod, pods: Pods, tmp_path: Path
) -> None:
    out = tmp_path / "new/out"
    done = pods.run(job("job", f"exit {status}"), options=("--rm", *copies(out)), status=status)
    assert results(out) == ALL
    assert "\r" not in done.errors
    assert "\x1b" not in done.errors
    assert vmpod.leftovers() == []


def test_when_time_is_up_results_are_copied_out_too(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = pods.run(
        job("late", "echo up; sleep 3600"),
        options=("--rm", "--timeout", "25", "--diag-dir", str(tmp_path / "diag"), *copies(out)),
        status=124,
    )
    assert "time is up" in done.errors
    assert results(out) == ALL
    # Taken while it still ran.
    (archive,) = (tmp_path / "diag").iterdir()
    with tarfile.open(archive) as tar:
        assert any(name.endswith("guest/processes.txt") for name in tar.getnames())
    assert vmpod.leftovers() == []


def test_what_cannot_be_copied_is_told_and_fails_only_what_went_well(
    vmpod: Vmpod, pods: Pods, tmp_path: Path
) -> None:
    options = ("--rm", "--copy-out", f"test:/nowhere={tmp_path}/out", *copies(tmp_path / "out"))
    done = pods.run(job("partly", "exit 0"), options=options, status=125)
    assert "test:/nowhere of the pod partly is not copied to" in done.errors
    assert "No such file or directory" in done.errors
    assert results(tmp_path / "out") == ALL
    assert pods.run(job("partly", "exit 4"), options=options, status=4).errors.count("is not copied") == 1
    (tmp_path / "file").touch()
    blocked = ("--rm", "--copy-out", f"test:/own={tmp_path}/file")
    assert "is not copied" in pods.run(job("partly", "exit 0"), options=blocked, status=125).errors


def test_a_machine_that_dies_takes_its_files_with_it(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(pods.expect(job("dies", WAITS)))
    with vmpod.started("run", *copies(tmp_path / "out"), str(manifest)) as running:
        running.until(b"up\n")
        kill(vmpod.qemu("dies"))
        done = running.end()
    # How its containers ended nobody knows.
    assert done.status == 137
    assert done.errors.count("the machine has ended before its files could be copied") == 3


def test_stop_ends_a_pod_whose_files_are_wanted(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(pods.expect(job("wanted", WAITS)))
    with vmpod.started("run", *copies(tmp_path / "out"), str(manifest)) as running:
        running.until(b"up\n")
        vmpod("stop", "wanted")
        done = running.end()
    assert done.status == 125
    assert "is not copied" in done.errors


@contextlib.contextmanager
def group(vmpod: Vmpod, *words: str) -> Iterator[Running]:
    """The command with a process group of its own, which is killed at the end."""
    process = subprocess.Popen(
        vmpod.argv(*words),
        env=vmpod.variables(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_job_that_is_cancelled_leaves_nothing(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """By SIGTERM, as when it is cancelled in time: also while it starts."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(pods.expect(job("cancelled", WAITS)))
    words = ("run", "--rm", "--diag-dir", str(tmp_path / "diag"), *copies(tmp_path / "out"), str(manifest))
    with vmpod.started(*words) as running:
        running.until(b"up\n")
        running.signal(signal.SIGTERM)
        assert running.end().status == 143
    assert vmpod.leftovers() == []
    with vmpod.started(*words) as running:
        running.until_error(b"Starting the machine ...")
        running.signal(signal.SIGTERM)
        assert running.end().status == 143
    assert vmpod.leftovers() == []
    assert not (tmp_path / "diag").exists()


def test_a_job_that_is_killed_is_cleaned_up_by_the_next(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """Its whole process group by SIGKILL. A detached pod, and one that is being watched, stay."""
    pods.start(pod("detached", container("main", WAITS), terminationGracePeriodSeconds=1))
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(pods.expect(job("killed", WAITS)))
    watched = tmp_path / "watched.yaml"
    watched.write_text(pods.expect(job("watched", WAITS)))
    machine = vmpod.qemu("detached")
    with vmpod.started("run", "--rm", str(watched)) as other:
        other.until(b"up\n")
        with group(vmpod, "run", "--rm", str(manifest)) as running:
            running.until(b"up\n")
        assert processes(str(vmpod.pod_directory("killed")))
        done = pods.run(pod("next", container("main", "true")), options=("--rm",))
        assert "the pod killed is stopped: the command that ran it was killed" in done.errors
        assert not vmpod.pod_directory("killed").exists()
        assert not processes(str(vmpod.pod_directory("killed")))
        # Killed while it starts: nothing was handed over yet.
        with group(vmpod, "run", "--rm", str(manifest)) as running:
            running.until_error(b"Starting the machine ...")
        vmpod("prune")
        assert not processes(str(vmpod.pod_directory("killed")))
        assert not vmpod.pod_directory("killed").exists()
        assert vmpod.qemu("detached") == machine
        assert vmpod.exec("detached", "echo", "alive").out == b"alive\n"
        assert vmpod.exec("watched", "echo", "alive").out == b"alive\n"
        other.signal(signal.SIGINT)
        assert other.end().status == 130


def test_a_killed_job_without_rm_keeps_its_logs_and_can_be_started_again(
    vmpod: Vmpod, pods: Pods, tmp_path: Path
) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(pods.expect(pod("logged", container("main", WAITS))))
    with group(vmpod, "run", str(manifest)) as running:
        running.until(b"up\n")
    pods.run(pod("next", container("main", "true")), options=("--rm",))
    assert vmpod.pod("logged")["status"]["phase"] == "Succeeded"
    assert vmpod("logs", "logged").out == b"up\nbye\n"
    vmpod("start", "logged")
    pods.run(pod("next", container("main", "true")), options=("--rm",))
    assert vmpod.pod("logged")["status"]["phase"] == "Running"


def test_an_unfetched_machine_ends_by_itself(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """The command is killed, the pod ends, and nobody comes for its files: the machine waits a minute."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(pods.expect(job("unfetched", "echo up; sleep 3")))
    with group(vmpod, "run", *copies(tmp_path / "out"), str(manifest)) as running:
        running.until(b"up\n")
    pid = vmpod.qemu("unfetched")
    eventually(lambda: vmpod.pod("unfetched")["status"]["phase"] == "Succeeded", "the pod's end")
    assert processes(str(vmpod.pod_directory("unfetched")))
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the machine's end")
    assert results(tmp_path) == {"pod.yaml": manifest.read_text()}


@pytest.mark.slow
def test_the_steps_of_the_action(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """As GitHub would run them, but for those that are actions of GitHub's own."""
    workspace, temporary, programs = (tmp_path / name for name in ("work", "temp", "bin"))
    for directory in (workspace, temporary, programs):
        directory.mkdir()
    # A runner's user may become root; here the tests may be root already.
    (programs / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (programs / "sudo").chmod(0o755)
    (workspace / "pod with space.yaml").write_text(pods.expect(job("action", "exit 6")))
    environment = {name: value for name, value in vmpod.variables().items() if name.startswith("VMPOD")}
    environment["PATH"] = f"{os.environ['PATH']}:{programs}"
    action = Action(
        CHECKOUT,
        temporary,
        {
            "manifest": "pod with space.yaml",
            "timeout": "120",
            "copy-out": "test:/results/.=results\nprepare:/early.txt=results\n",
            "options": "--log-max-files 2 --no-template",
        },
        environment,
    )
    ran = []
    for step in action.steps:
        if "run" not in step:
            action.expand(str(step.get("with")))
            continue
        wanted = 6 if step["name"] == "Run" else 0
        done = action.run(step, workspace, timeout=5 * LIMIT)
        assert done.returncode == wanted, f"{step['name']}: {done.stdout!r}\n{done.stderr.decode()}"
        ran.append(step["name"])
    assert ran[-1] == "Run"
    assert results(workspace / "results") == {"r.xml": "vol\n", "early.txt": "early\n"}
    assert len(list((temporary / "vmpod-diag").glob("*.tar.gz"))) == 1
    assert vmpod.leftovers() == []


@pytest.mark.slow
def test_the_action_is_stopped_by_the_signal_that_its_step_gets(
    vmpod: Vmpod, pods: Pods, tmp_path: Path
) -> None:
    """A runner that cancels a job signals a step's first process alone, which must not be a shell by then."""
    (tmp_path / "pod.yaml").write_text(pods.expect(job("action", WAITS)))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "vmpod").write_text(f'#!/bin/sh\nexec {vmpod.python} -m vmpod "$@"\n')
    (programs / "vmpod").chmod(0o755)
    environment = {**vmpod.variables(), "PATH": f"{programs}:{os.environ['PATH']}"}
    action = Action(CHECKOUT, tmp_path, {"manifest": "pod.yaml"}, environment)
    action._known["steps.install.outputs.diag-dir"] = str(tmp_path / "diag")
    (step,) = [each for each in action.steps if each["name"] == "Run"]
    with subprocess.Popen(
        action.argv(step),
        env=action.variables(step),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        running = Running(process)
        running.until(b"up\n")
        running.signal(signal.SIGINT)
        assert running.end().status == 130
    assert vmpod.leftovers() == []
