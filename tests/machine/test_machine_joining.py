"""What `vmpod exec` starts is a process of the container, and goes when nobody asks for it any more."""

from __future__ import annotations

import signal
import time

import pytest

from tests.machine.harness import Running, Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods
from tests.machine.screen import terminal

NAME = "joined"
GONE_WITHIN = 2.0
"""Seconds from the death of a client to the end of its processes in the guest: what is promised."""

# Everything by which a process of a container could differ from its first one.
FACTS = r"""
grep -E '^(Umask|Uid|Gid|Groups|SigBlk|Cap|NoNewPrivs|Seccomp)' /proc/self/status
cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj /proc/self/attr/current 2>&1
for each in /proc/self/ns/*; do readlink $each; done
readlink /proc/self/root; pwd; env | sort; ls -ld /dev/* | sed 's/.* 20..//'
"""
# Looks at every process that is not the container's own yet, and writes what it could learn. By the time
# it looks, the process may have become its command.
SPY = r"""
while :; do
    for each in /proc/[0-9]*; do
        read -r name <$each/comm || continue
        case $name in
        python*)
            readlink $each/exe
            ls -d $each/root/run/vmpod $each/cwd/run/vmpod
            grep -ao TERM=linux $each/environ
            ls -l $each/fd | grep -o 'anon_inode.*\|/dev/vport.*\|/dev/console'
            echo seen ;;
        esac
    done
done >/tmp/spied 2>/dev/null
"""


@pytest.fixture(scope="module")
def subject(module_pods: Pods) -> str:
    """A pod with a container as root, one as somebody, and one that spies."""
    idle = f"({FACTS}) >/tmp/all; mv /tmp/all /tmp/facts; while :; do sleep 60; done"
    limited = {"limits": {"memory": "40Mi"}}
    return module_pods.start(
        pod(
            NAME,
            container("root", idle, env=[{"name": "WHO", "value": "me"}], workingDir="/tmp"),
            container("somebody", idle, securityContext={"runAsUser": 1000}, resources=limited),
            container("spy", SPY),
        )
    )


@pytest.mark.parametrize("name", ["root", "somebody"])
def test_it_is_as_the_first_process(vmpod: Vmpod, subject: str, name: str) -> None:
    """Rights, cgroup, namespaces, limits, directory, environment."""
    script = "until [ -e /tmp/facts ]; do sleep 0.1; done; cat /tmp/facts"
    theirs = vmpod("exec", "-c", name, subject, "--", "sh", "-c", script).lines
    mine = vmpod("exec", "-c", name, subject, "--", "sh", "-c", FACTS).lines
    assert len(mine) > 40
    assert mine == theirs


def test_it_leads_a_session_and_ignores_nothing(vmpod: Vmpod, subject: str) -> None:
    """As a program expects that a shell starts: no signal is ignored, and no descriptor is left from us."""
    status = vmpod.exec(subject, "cat", "/proc/self/status").text
    assert "SigIgn:\t0000000000000000" in status
    script = "ls /proc/$$/fd | tr '\\n' ' '; echo; cut -d' ' -f1,5,6 /proc/$$/stat"
    descriptors, numbers = vmpod.exec(subject, "sh", "-c", script).lines
    assert descriptors.split() == ["0", "1", "2"]
    assert len(set(numbers.split())) == 1, "process, group and session"


def test_memory_is_counted_from_the_first_page(vmpod: Vmpod, subject: str) -> None:
    """What is over the container's limit is killed; the container's first process is not."""
    hog = ("tail", "-c", "100000000", "/dev/zero")
    vmpod("exec", "-c", "somebody", subject, "--", *hog, status=137)
    assert "running" in vmpod.status(subject, "somebody")["state"]


def test_a_terminal_is_the_containers(vmpod: Vmpod, subject: str) -> None:
    """It has a name inside, is listed, and belongs to the container's user."""
    script = "tty; stat -c %u:%a $(tty); ls /dev/pts; echo hi >/dev/tty"
    done = vmpod("exec", "-t", "-c", "somebody", subject, "--", "sh", "-c", script)
    assert done.text.split() == ["/dev/pts/0", "1000:620", "0", "ptmx", "hi"]


def test_two_terminals_at_once(vmpod: Vmpod, subject: str) -> None:
    """Each has its own size, and what is typed on one does not come out of the other."""
    words = ("exec", "-it", subject, "--", "sh", "-c", "tty; stty size; read word; echo got $word; exit 3")
    with terminal(vmpod, 20, 60, *words) as one:
        one.until("/dev/pts/0\r\n20 60\r\n")
        with terminal(vmpod, 30, 90, *words) as other:
            other.until("/dev/pts/1\r\n30 90\r\n")
            other.type("second\n")
            one.type("first\n")
            one.until("got first\r\n")
            other.until("got second\r\n")
            assert (one.running.process.wait(60), other.running.process.wait(60)) == (3, 3)


STUBBORN = "trap '' HUP TERM; "
KILLED = {
    "a process": "exec sleep 54321",
    "one that ignores the signals": f"{STUBBORN} sleep 54321",
    "children of a shell": "sleep 54321 & sleep 54321 | sleep 54321 & wait",
    "children that outlive their shell": f"({STUBBORN} sleep 54321) & wait",
}


@pytest.mark.parametrize("script", KILLED.values(), ids=KILLED)
def test_a_killed_client_ends_the_group(vmpod: Vmpod, subject: str, script: str) -> None:
    """All of it, soon, whatever it does about signals."""
    with vmpod.started("exec", subject, "--", "sh", "-c", f"echo ready; {script}") as running:
        running.until(b"ready\n")
        _gone_with(vmpod, subject, running)


def test_a_killed_client_ends_the_job_on_its_terminal(vmpod: Vmpod, subject: str) -> None:
    """A shell with job control gives each job a group of its own."""
    with terminal(vmpod, 24, 80, "exec", "-it", subject, "--", "sh", "-i") as screen:
        screen.until("# ")
        screen.type(f"sh -c \"{STUBBORN} echo rea''dy; sleep 54321; sleep 54321\"\n")
        screen.until("ready\r\n")
        _gone_with(vmpod, subject, screen.running)


def _gone_with(vmpod: Vmpod, subject: str, client: Running) -> None:
    """Kill the client, and see the processes that are called 54321 go in time."""
    seen = "ps -o args | grep -q '[s]leep 54321'"
    watch = f"{seen} && echo there; while {seen}; do :; done; echo gone"
    with vmpod.started("exec", "-c", "root", subject, "--", "sh", "-c", watch) as watching:
        watching.until(b"there\n")
        client.signal(signal.SIGKILL)
        killed = time.monotonic()
        watching.until(b"gone\n")
        assert time.monotonic() - killed < GONE_WITHIN


def test_nothing_of_ours_is_seen_on_the_way(vmpod: Vmpod, subject: str) -> None:
    """The container sees the agent's child, but can neither read nor follow anything of it."""

    def spied() -> bytes:
        vmpod("exec", "-c", "spy", subject, "--", "true")
        return vmpod("exec", "-c", "spy", subject, "--", "cat", "/tmp/spied").out

    eventually(spied, "the spy to see a process before it executes its command")
    assert set(spied().split()) <= {b"seen", b"/bin/busybox"}


TRAPS = {
    "a terminal that is a pipe": ("mkfifo /dev/trap; ln -sf /dev/trap /dev/ptmx", "open a terminal"),
    "a terminal that is a file": ("ln -sf /etc/passwd /dev/ptmx", "open a terminal"),
    "a directory that is a descriptor": (
        "cd /; rm -rf /tmp; ln -s /proc/self/fd/4 /tmp",
        "enter the working directory",
    ),
    "a directory that is another's": (
        "cd /; rm -rf /tmp; ln -s /proc/1/root/nowhere /tmp",
        "enter the working directory",
    ),
}


@pytest.mark.parametrize(("trap", "step"), TRAPS.values(), ids=TRAPS)
def test_what_the_container_changes_is_its_own_loss(vmpod: Vmpod, subject: str, trap: str, step: str) -> None:
    """A file system that was turned against us makes exec fail, and no more."""
    mend = "rm -rf /tmp /dev/trap; mkdir /tmp; ln -sf pts/ptmx /dev/ptmx; rm -rf /dev/trap"
    with vmpod.started(
        "exec", "-i", subject, "--", "sh", "-c", f"{trap}; echo set; cat; {mend}", stdin=-1
    ) as it:
        it.until(b"set\n")
        done = vmpod("exec", "-t", subject, "--", "true", status=125)
        assert step in done.errors
        assert it.end().status == 0
    vmpod("exec", "-t", subject, "--", "true")
