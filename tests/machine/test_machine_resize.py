"""Other limits for a container that runs."""

from __future__ import annotations

import os
from pathlib import Path

from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import container, mount, pod, secret, text
from tests.machine.pods import Pods
from vmpod.plan.size import cpu_class

IDLE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"


def test_limits_of_a_container_that_runs(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """Up and down, in place or, where its policy says so, with a new run."""
    limits = {"limits": {"memory": "64Mi", "cpu": "500m"}, "requests": {"memory": "32Mi", "cpu": "100m"}}
    policy = [
        {"resourceName": "cpu", "restartPolicy": "NotRequired"},
        {"resourceName": "memory", "restartPolicy": "RestartContainer"},
    ]
    ref = {"containerName": "kept", "resource": "limits.memory", "divisor": "1Mi"}
    item = {"path": "memory", "resourceFieldRef": ref}
    facts = {"downwardAPI": {"items": [item]}}
    beside = {"secret": {"name": "beside", "items": [{"key": "word", "path": "deep/word", "mode": 0o400}]}}
    mounts = [mount("told", "/told"), mount("mixed", "/mixed")]
    document = pod(
        "resized",
        container("kept", IDLE, resources=limits, volumeMounts=mounts),
        container("again", IDLE, resources={"limits": {"memory": "32Mi"}}, resizePolicy=policy),
        restartPolicy="Always",
        volumes=[{"name": "told"} | facts, {"name": "mixed", "projected": {"sources": [facts, beside]}}],
    )
    document["metadata"]["annotations"] = {"vmpod/machine-memory": "600Mi", "vmpod/machine-cpus": "3"}
    hidden = secret("beside", {"word": "hidden"})
    name = pods.start(hidden, document)

    def limited(container_name: str) -> list[str]:
        look = "cd /sys/fs/cgroup; cat memory.max cpu.max"
        return vmpod("exec", name, "-c", container_name, "--", "sh", "-c", look).lines

    assert limited("kept") == [str(64 * 2**20), "50000 100000"]
    assert vmpod("exec", name, "-c", "kept", "--", "nproc").lines == ["3"]
    # Far more than the machine would have without the annotations, and down to less than at first.
    for memory, cpu in ((400, 2500), (80, 900), (24, 250)):
        amounts = f"memory={memory}Mi,cpu={cpu}m"
        requests = "memory=16Mi,cpu=50m"
        done = vmpod("resize", name, "-c", "kept", "--limits", amounts, "--requests", requests)
        assert done.lines == [f"pod/{name} resized"]
        assert limited("kept") == [str(memory * 2**20), f"{cpu * 100} 100000"]
        assert vmpod("exec", name, "-c", "kept", "--", "cat", "/told/memory").text == str(memory)
    # Beside a Secret as well, which stays as it was.
    look = "cat /mixed/memory /mixed/deep/word; stat -L -c ' %a' /mixed/deep/word"
    assert vmpod("exec", name, "-c", "kept", "--", "sh", "-c", look).text == "24hidden 400\n"
    shown = next(each for each in vmpod.pod(name)["spec"]["containers"] if each["name"] == "kept")
    assert shown["resources"]["limits"] == {"memory": "24Mi", "cpu": "250m"}
    assert vmpod.status(name, "kept")["restartCount"] == 0

    vmpod("resize", name, "-c", "again", "--limits", "cpu=200m")
    assert limited("again")[1] == "20000 100000"
    assert vmpod.status(name, "again")["restartCount"] == 0
    done = vmpod("resize", name, "-c", "again", "--limits", "memory=40Mi", "--requests", "memory=40Mi")
    assert "its container is started again" in done.text
    eventually(lambda: vmpod.status(name, "again")["restartCount"] == 1, "another run")
    eventually(lambda: "running" in vmpod.status(name, "again")["state"], "another run")
    assert limited("again")[0] == str(40 * 2**20)

    # Shared memory is its container's who wrote it.
    vmpod("exec", name, "-c", "kept", "--", "sh", "-c", "head -c 8000000 /dev/zero >/dev/shm/much")
    refused = {
        ("--limits", "memory=64Gi"): "would need a machine with",
        ("--limits", "cpu=64"): "would need a machine with 65 CPUs",
        ("--limits", "memory=8Mi"): "must not be more than the limit",
        ("--limits", "memory=1x"): "must be a quantity",
        ("--limits", "disk=1Gi"): "must be cpu=AMOUNT or memory=AMOUNT",
        ("--limits", "memory=4Mi", "--requests", "memory=4Mi"): "bytes of memory, more than 4194304",
    }
    for words, told in refused.items():
        assert told in vmpod("resize", name, "-c", "kept", *words, status=125).errors
    assert "no resources as a whole" in vmpod("resize", name, "--pod", "--limits", "cpu=1", status=125).errors
    assert limited("kept") == [str(24 * 2**20), "25000 100000"]
    # The next start has what was set last.
    vmpod("stop", name)
    (tmp_path / "beside.yaml").write_text(text(hidden, document))
    vmpod("start", name, "--file", str(tmp_path / "beside.yaml"))
    assert limited("kept") == [str(24 * 2**20), "25000 100000"]


def test_limits_beyond_what_the_host_has(pods: Pods) -> None:
    """They stay the container's; the machine has what there is, and that is said."""
    limits = {"limits": {"memory": "1Ti", "cpu": "100"}, "requests": {"memory": "64Mi", "cpu": "1"}}
    script = "nproc; cat /sys/fs/cgroup/memory.max"
    done = pods.run(pod("large", container("main", script, resources=limits)), options=("--no-template",))
    cpus, memory = (line.rpartition(" ")[2] for line in done.lines)
    assert int(cpus) <= cpu_class(len(os.sched_getaffinity(0)))
    assert int(memory) == 1 << 40
    assert "the pod may use 100 CPUs, and the host has" in done.errors
    assert "the pod may use 1048576 MiB of memory, and the host has" in done.errors
