"""The guest's clock follows the host's, also over a time in which the machine stood still."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.machine.harness import CHECKOUT, Running, Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods

_PAUSE = 8.0

# Busybox's date knows no fractions of seconds; this prints seconds and microseconds, for each line read.
_TELL = "while read line; do adjtimex | sed -n 's/.*time.tv_u*sec: *//p' | xargs; done"

# In a process of its own: one can open only one of libvirt's embedded drivers in its life.
_SUSPEND = """\
import sys, time, libvirt
from vmpod.hypervisor import embedded
root, uuid, seconds = sys.argv[1:]
embedded.start_event_loop()
connection = libvirt.open("qemu:///embed?root=" + root)
for attempt in range(100):
    try:
        domain = connection.lookupByUUIDString(uuid)
        break
    except libvirt.libvirtError:
        time.sleep(0.1)
for attempt in range(100):
    try:
        domain.suspend()
        break
    except libvirt.libvirtError:
        time.sleep(0.1)
time.sleep(float(seconds))
domain.resume()
connection.close()
"""


def test_a_pause_is_made_up_for(vmpod: Vmpod, pods: Pods) -> None:
    """Skew is under 1 s within 10 s of the resume, with no vmpod process to help."""
    name = pods.start(pod("sleeper", container("main", "while read line; do :; done; sleep 3600")))
    with vmpod.started("exec", "-i", name, "--", "sh", "-c", _TELL, stdin=subprocess.PIPE) as running:
        assert abs(skew(running)) < 1.0
        suspend(vmpod, name)
        resumed = time.monotonic()
        late = skew(running)
        assert late < -_PAUSE / 2, "the pause did not stop the guest's time, so nothing is shown here"
        eventually(lambda: abs(skew(running)) < 1.0, "the clock to be set", timeout=10.0)
        assert time.monotonic() - resumed < 10.0
        time.sleep(1.0)
        assert abs(skew(running)) < 1.0
    assert "set the clock by +" in (vmpod.pod_directory(name) / "console.log").read_text()


def skew(running: Running) -> float:
    """Seconds that the guest's clock is ahead of ours, to half a round trip."""
    assert running.process.stdin is not None
    before = len(running.out.splitlines())
    asked = time.time()
    running.process.stdin.write(b"\n")
    running.process.stdin.flush()
    while len(running.out.splitlines()) == before or not running.out.endswith(b"\n"):
        running.until(b"\n")
        time.sleep(0.002)
    told = time.time()
    seconds, microseconds = map(int, running.out.splitlines()[-1].split())
    return seconds + microseconds / 1e6 - (asked + told) / 2


def suspend(vmpod: Vmpod, name: str) -> None:
    """Pause a pod's machine for a while, as an administrator can."""
    record = vmpod.record(name)
    subprocess.run(
        [sys.executable, "-c", _SUSPEND, f"{record['sockets']}/v", record["uid"], str(_PAUSE)],
        check=True,
        timeout=120,
        cwd=CHECKOUT,
    )
