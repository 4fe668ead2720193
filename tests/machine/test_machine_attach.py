"""Watching a container and writing to it."""

from __future__ import annotations

import signal
import subprocess

from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods
from tests.machine.screen import terminal

ECHO = (
    "trap 'echo caught' USR1; while read line || true; do "
    ' echo got $line; [ "$line" = end ] && exit 9; done'
)
TICK = "trap 'exit 4' TERM; i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.2; done"


def test_attach(vmpod: Vmpod, pods: Pods) -> None:
    """Output from now on, input, signals, the exit status; who watches may go."""
    name = pods.start(
        pod("watched", container("echo", ECHO, stdin=True), container("tick", TICK)),
    )
    with vmpod.started("attach", name, stdin=subprocess.PIPE) as running:
        assert running.process.stdin is not None
        running.process.stdin.write(b"first\n")
        running.process.stdin.flush()
        running.until(b"got first\n")
        running.signal(signal.SIGUSR1)
        running.until(b"caught\n")
        # Killed, it takes nothing along.
        running.signal(signal.SIGKILL)
        running.process.wait()
    assert vmpod.status(name, "echo")["state"].keys() == {"running"}

    with vmpod.started("attach", "-c", "tick", name) as running:
        running.until(b"tick")
        assert b"tick 0\n" not in running.out
        with vmpod.started("attach", "-c", "tick", "--no-sig-proxy", name) as other:
            other.until(b"tick")
            other.signal(signal.SIGINT)
            assert other.end().status == 130
        running.signal(signal.SIGTERM)
        assert running.end().status == 4

    done = vmpod("attach", name, input="second\nend\n", status=9)
    assert done.lines[-2:] == ["got second", "got end"]
    eventually(lambda: vmpod.pod(name)["status"]["phase"] == "Failed", "the pod's end")
    assert vmpod("logs", "-c", "echo", name).lines[-1] == "got end"
    assert "not running" in vmpod("attach", name, status=125).errors


def test_a_terminal(vmpod: Vmpod, pods: Pods) -> None:
    """A container with a terminal: it has the size of ours, Ctrl-C is its own, and two keys lead back."""
    script = "echo begun; tty; stty size; exec sh -i"
    shell = container("shell", script, stdin=True, tty=True)
    quiet = container("quiet", "tty; cat", tty=True)
    name = pods.start(pod("terminal", shell, quiet))
    for each, first in (("shell", ["begun", "/dev/pts/0", "24 80"]), ("quiet", ["/dev/pts/0"])):

        def shown(each: str = each, first: list[str] = first) -> bool:
            return vmpod("logs", name, "-c", each).lines[: len(first)] == first

        eventually(shown, f"what {each} writes first")
    with terminal(vmpod, 40, 132, "attach", name) as screen:
        # What was shown before is in the logs; a line of our own tells that we are there.
        screen.type("\rstty size\r")
        screen.until("40 132\r\n")
        screen.type("sleep 100\r")
        screen.until("sleep 100\r\n")
        screen.type("\x03")
        screen.type("echo $((6*7)) $TERM\r")
        screen.until("42 xterm\r\n")
        screen.type("\x10\x11")
        assert screen.running.end().status == 0
        assert screen.settings() == screen.before
    assert vmpod.status(name, "shell")["state"].keys() == {"running"}
    with terminal(vmpod, 24, 80, "attach", name) as screen:
        screen.type("\rexit 7\r")
        assert screen.running.end().status == 7
    eventually(lambda: "terminated" in vmpod.status(name, "shell")["state"], "the shell's end")
    assert vmpod.status(name, "shell")["state"]["terminated"]["exitCode"] == 7
