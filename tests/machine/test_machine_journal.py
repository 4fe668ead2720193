"""What stays of a pod's output and events, whatever happens to its machine."""

from __future__ import annotations

import hashlib
import os
import re
import signal

from tests.machine.harness import Vmpod, eventually, kill
from tests.machine.manifests import config_map, container, mount, pod, secret, text
from tests.machine.pods import Pods

BIG = "i=0; while [ $i -lt 4000 ]; do echo $i$i$i$i$i$i$i$i$i$i; i=$((i+1)); done; printf end"
A_POD = 99  # init containers, at most, besides the one that makes the file
RUNS = int(os.environ.get("VMPOD_TEST_RUNS", "99"))
CRI = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] ")


def test_runs_that_write_much_and_end_lose_no_byte(vmpod: Vmpod, pods: Pods) -> None:
    """VMPOD_TEST_RUNS says how many, 99 if it does not: each is a container of its own."""
    volume = {"name": "d", "emptyDir": {}}
    fill = container("fill", f"({BIG}) > /d/big", volumeMounts=[mount("d", "/d")])
    last = container("main", "sha256sum < /d/big", volumeMounts=[mount("d", "/d")])
    for number, first in enumerate(range(0, RUNS, A_POD)):
        runs = [f"r{run}" for run in range(first, min(first + A_POD, RUNS))]
        inits = [fill] + [container(run, "cat /d/big", volumeMounts=[mount("d", "/d")]) for run in runs]
        name = pods.start(pod(f"runs{number}", last, initContainers=inits, volumes=[volume]))
        expected = vmpod("logs", "-f", name, "-c", "main").text.split()[0]
        for run in runs:
            found = vmpod("logs", name, "-c", run).out
            assert hashlib.sha256(found).hexdigest() == expected, f"{name}: {run}"
        vmpod("rm", name)


def test_a_flood_is_bounded_and_survives_a_kill(vmpod: Vmpod, pods: Pods) -> None:
    """It is cut as a kubelet would cut it, in lines that a kubelet reads, and stays when QEMU is killed."""
    flood = "i=0; while :; do echo line $i; echo line $i; i=$((i+1)); done | cat"
    name = pods.start(
        pod("flood", container("main", flood), container("other", "echo once; sleep 3600")),
        options=("--log-max-size", "64Ki", "--log-max-files", "3"),
    )
    journal = vmpod.pod_directory(name) / "journal.raw"

    def newest() -> int:
        # There is none yet right after the start.
        lines = vmpod("logs", "-c", "main", "--tail", "1", name).lines
        return int(lines[-1].split()[1]) if lines else 0

    # Several times what may be kept.
    eventually(lambda: newest() > 40_000, "the flood to go round")
    size, blocks = journal.stat().st_size, journal.stat().st_blocks * 512
    kill(vmpod.qemu(name))
    status = vmpod.pod(name)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "MachineDied")
    lines = vmpod("logs", "-c", "main", name).lines
    assert 2_000 < len(lines) < 12_000
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) >= len(numbers) // 2
    assert vmpod("logs", "-c", "other", name).text == "once\n"
    assert vmpod("logs", "--tail", "2", "-c", "main", name).lines == lines[-2:]
    assert vmpod("logs", "--since", "1h", "-c", "other", name).text == "once\n"
    assert vmpod("logs", "--since", "2099-01-01T00:00:00Z", name).out == b""
    assert journal.stat().st_size == size
    # Two runs of two containers, and the events.
    assert blocks < 4 * 3 * 64 * 1024 + 8 * 1024 * 1024
    assert CRI.search(journal.read_bytes())


def test_a_machine_that_hangs_is_unknown(vmpod: Vmpod, pods: Pods) -> None:
    """Nothing is known of it, so nothing is claimed; and it can be removed."""
    name = pods.start(pod("hung", container("main", "sleep 3600")))
    pid = vmpod.qemu(name)
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: vmpod.pod(name)["status"]["phase"] == "Unknown", "that it is noticed")
    assert "NodeLost" in vmpod("ps").text
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: vmpod.pod(name)["status"]["phase"] == "Running", "that it is back")
    assert vmpod.pod(name)["status"]["containerStatuses"][0]["ready"]
    os.kill(pid, signal.SIGSTOP)
    vmpod("rm", "--force", name)
    assert vmpod.leftovers() == []


def test_started_again_it_is_the_same_pod(vmpod: Vmpod, pods: Pods) -> None:
    """Logs, emptyDirs on disk, ports and uid stay; layers, memory and Secrets come anew."""
    script = (
        "echo run $(cat /d/count 2>/dev/null); echo x >> /d/count; cat /keys/token; ls /own 2>/dev/null;"
        "touch /own; trap 'exit 7' TERM; while :; do sleep 60 & wait $!; done"
    )
    documents = (
        config_map("conf", {"mode": "again"}),
        secret("keys", {"token": "first"}),
        pod(
            "again",
            container(
                "main",
                script,
                volumeMounts=[mount("d", "/d"), mount("keys", "/keys")],
                env=[{"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "mode"}}}],
            ),
            volumes=[{"name": "d", "emptyDir": {}}, {"name": "keys", "secret": {"secretName": "keys"}}],
            restartPolicy="Always",
        ),
    )
    manifest = vmpod.home / "again.yaml"
    manifest.write_text(pods.expect(*documents))
    vmpod("run", "-d", str(manifest))
    uid = vmpod.record("again")["uid"]
    assert "is running" in vmpod("start", "again", status=125).errors
    eventually(lambda: vmpod("logs", "again").text == "run\nfirst", "what it writes")
    manifest.write_text(text(*documents).replace('"first"', '"second"'))
    vmpod("restart", "again")
    assert vmpod.record("again")["uid"] == uid
    eventually(lambda: vmpod("logs", "again").text == "run x\nsecond", "what it writes")
    assert vmpod("logs", "--previous", "again").text == "run\nfirst"
    assert vmpod.exec("again", "sh", "-c", "echo $MODE").text == "again\n"
    status = vmpod.status("again", "main")
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 7)

    # The Secrets' file is gone: they are not made up, and the pod stays as it is.
    vmpod("stop", "again")
    manifest.unlink()
    assert "the Secrets of the pod again cannot be read again" in vmpod("start", "again", status=125).errors
    other = vmpod.home / "other.yaml"
    other.write_text(text(*documents).replace('"first"', '"third"'))
    vmpod("start", "again", "--file", str(other))
    eventually(lambda: vmpod("logs", "again").text == "run x x\nthird", "what it writes")
    assert vmpod.pod("again")["status"]["phase"] == "Running"
