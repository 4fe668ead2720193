"""Watching a container and writing to it."""

from __future__ import annotations

import signal
import subprocess

from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods

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
