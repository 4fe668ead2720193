"""Security contexts: who a container's processes are, and what they may do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.machine import manifests
from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import config_map, container, mount, pod, secret
from tests.machine.pods import Pods

IDLE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
# What /proc/PID/status shows of a filter.
FILTERED, UNFILTERED = "2", "0"


def idle(name: str, **security: Any) -> dict[str, Any]:
    return container(name, IDLE, securityContext=security)


@pytest.fixture(scope="module")
def subject(vmpod: Vmpod, module_pods: Pods) -> str:
    """One pod with a container for each kind of rights."""
    profiles = vmpod.home / "data/seccomp"
    profiles.mkdir()
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]
    (profiles / "own.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
    ]
    mounts = [mount(name, f"/{name}") for name in ("disk", "memory", "conf", "keys")]
    grouped = idle("grouped", runAsUser=1000, runAsGroup=3000, runAsNonRoot=True) | {"volumeMounts": mounts}
    containers = [
        grouped,
        idle("adding", capabilities={"add": ["NET_ADMIN"], "drop": ["ALL"]}),
        idle("bare", capabilities={"drop": ["ALL"]}, allowPrivilegeEscalation=False),
        idle("sealed", readOnlyRootFilesystem=True) | {"volumeMounts": mounts[:1]},
        idle("mighty", privileged=True),
        idle("unmasked", procMount="Unmasked"),
        idle("usual", seccompProfile={"type": "RuntimeDefault"}),
        idle("local", seccompProfile={"type": "Localhost", "localhostProfile": "own.json"}),
        idle("open", seccompProfile={"type": "Unconfined"}),
        idle("restricted", allowPrivilegeEscalation=False, seccompProfile={"type": "RuntimeDefault"}),
    ]
    spec = {
        "volumes": volumes,
        "securityContext": {
            "fsGroup": 5000,
            "supplementalGroups": [4000],
            "sysctls": [
                {"name": "net.core.somaxconn", "value": "1234"},
                {"name": "kernel.shm_rmid_forced", "value": "1"},
            ],
        },
        "hostAliases": [{"ip": "192.0.2.7", "hostnames": ["seven.example", "seven"]}],
        "dnsPolicy": "None",
        "dnsConfig": {
            "nameservers": ["192.0.2.53"],
            "searches": ["s.example"],
            "options": [{"name": "ndots", "value": "3"}],
        },
        "subdomain": "sub",
        "setHostnameAsFQDN": True,
    }
    documents = (config_map("conf", {"a": "b"}), secret("keys", {"k": "v"}))
    return module_pods.start(*documents, pod("rights", *containers, **spec))


def sh(vmpod: Vmpod, pod_name: str, container_name: str, script: str) -> list[str]:
    done = vmpod("exec", pod_name, "-c", container_name, "--", "sh", "-c", f"{script}; true")
    return (done.text + done.errors).splitlines()


def test_users_and_groups(vmpod: Vmpod, subject: str) -> None:
    """The pod's groups and the image's are those of every container, of exec's processes too."""
    assert sh(vmpod, subject, "grouped", "id -u; id -g; id -G") == ["1000", "3000", "3000 1002 4000 5000"]
    assert sh(vmpod, subject, "grouped", "grep Groups /proc/1/status") == ["Groups:\t1002 3000 4000 5000 "]
    assert sh(vmpod, subject, "bare", "id -G") == ["0 4000 5000"]


def test_volumes_belong_to_the_file_systems_group(vmpod: Vmpod, subject: str) -> None:
    files = "/disk /memory /conf/a /keys/k"
    look = f"stat -L -c '%g %a' {files}; touch /disk/mine; stat -c %g /disk/mine; cat /keys/k"
    assert sh(vmpod, subject, "grouped", look) == [
        "5000 2777",
        "5000 2777",
        "5000 644",
        "5000 440",
        "5000",
        "v",
    ]


def test_capabilities(vmpod: Vmpod, subject: str) -> None:
    look = "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/1/status | cut -f 2"
    assert sh(vmpod, subject, "adding", look) == ["0000000000001000", "0000000000001000", "0"]
    assert sh(vmpod, subject, "bare", look) == ["0000000000000000", "0000000000000000", "1"]
    assert sh(vmpod, subject, "open", look) == ["00000000a80425fb", "00000000a80425fb", "0"]
    # What is executed later has the same.
    assert sh(vmpod, subject, "adding", "ip link set lo mtu 60000 && cat /sys/class/net/lo/mtu") == ["60000"]
    assert "Operation not permitted" in sh(vmpod, subject, "open", "ip link set lo mtu 50000")[0]


def test_a_root_file_system_that_is_read_only(vmpod: Vmpod, subject: str) -> None:
    script = "touch /new; touch /disk/new && echo written; mkdir /bin/x"
    told = sh(vmpod, subject, "sealed", script)
    assert told[0] == "written"
    assert [line for line in told if "Read-only file system" in line and "/new" in line]
    assert sh(vmpod, subject, "open", "touch /new && echo written") == ["written"]


def test_a_privileged_container_has_all_of_the_machine(vmpod: Vmpod, subject: str) -> None:
    """The machine is the boundary: it sees its disks, mounts, makes cgroups, changes settings."""
    script = (
        "head -c 4 /dev/vda; echo;"
        "mount -t tmpfs x /mnt && echo mounted; mkdir /sys/fs/cgroup/x && echo grouped;"
        "echo 99 >/proc/sys/net/core/netdev_budget && cat /proc/sys/net/core/netdev_budget;"
        "grep -E 'CapEff|Seccomp:' /proc/1/status | cut -f 2; head -c 1 /dev/kmsg | wc -c"
    )
    assert sh(vmpod, subject, "mighty", f"mkdir -p /mnt; {script}") == [
        "hsqs",
        "mounted",
        "grouped",
        "99",
        "000001ffffffffff",
        UNFILTERED,
        "1",
    ]


def test_proc_without_masks(vmpod: Vmpod, subject: str) -> None:
    look = "grep -c ' /proc/' /proc/self/mountinfo"
    assert sh(vmpod, subject, "unmasked", look) == ["0"]
    assert int(sh(vmpod, subject, "open", look)[0]) > 5


def test_filters_of_system_calls(vmpod: Vmpod, subject: str) -> None:
    look = "grep Seccomp: /proc/self/status | cut -f 2"
    found = {
        name: sh(vmpod, subject, name, look)[0] for name in ("usual", "local", "open", "restricted", "bare")
    }
    assert found == {
        "usual": FILTERED,
        "local": FILTERED,
        "open": UNFILTERED,
        "restricted": FILTERED,
        "bare": UNFILTERED,
    }
    unshare = "unshare -U true && echo made"
    assert sh(vmpod, subject, "open", unshare) == ["made"]
    assert "Operation not permitted" in sh(vmpod, subject, "usual", unshare)[0]
    assert "Operation not permitted" in sh(vmpod, subject, "restricted", unshare)[0]
    assert sh(vmpod, subject, "usual", "mkdir /made && echo made") == ["made"]
    assert sh(vmpod, subject, "local", "mkdir /made")[0].startswith("mkdir: can't create directory")
    assert sh(vmpod, subject, "local", "grep Seccomp: /proc/1/status | cut -f 2") == [FILTERED]


def test_settings_of_the_kernel(vmpod: Vmpod, subject: str) -> None:
    look = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced"
    assert sh(vmpod, subject, "open", look) == ["1234", "1"]


def test_names(vmpod: Vmpod, subject: str) -> None:
    full = "rights.sub.default.svc.cluster.local"
    assert sh(vmpod, subject, "open", "hostname; echo $HOSTNAME") == [full, full]
    hosts = sh(vmpod, subject, "open", "cat /etc/hosts")
    assert "192.0.2.7\tseven.example seven" in hosts
    assert f"10.0.2.15\t{full}" in hosts
    assert sh(vmpod, subject, "open", "cat /etc/resolv.conf") == [
        "nameserver 192.0.2.53",
        "search s.example",
        "options ndots:3",
    ]


def test_processes_that_are_shared(vmpod: Vmpod, pods: Pods) -> None:
    """Containers see each other; one that ends leaves nothing, and takes nobody along."""
    leaver = container("leaver", "sleep 5555 & setsid sleep 6666 & sleep 1")
    name = pods.start(pod("shared", idle("one"), idle("two"), leaver, shareProcessNamespace=True))
    processes = "ps -o args"
    found = sh(vmpod, name, "one", processes)
    assert sum(line.startswith("sh -c trap") for line in found) == 2

    eventually(lambda: "terminated" in vmpod.status(name, "leaver")["state"], "a container to end")
    left = sh(vmpod, name, "two", processes)
    assert sum(line.startswith("sh -c trap") for line in left) == 2
    assert not [line for line in left if "5555" in line or "6666" in line]
    vmpod("kill", name, "-c", "one")
    eventually(lambda: "terminated" in vmpod.status(name, "one")["state"], "a container to end")
    assert "running" in vmpod.status(name, "two")["state"]


def test_the_machines_own_processes(vmpod: Vmpod, pods: Pods) -> None:
    strict = {"supplementalGroupsPolicy": "Strict", "supplementalGroups": [4000]}
    somebody = idle("somebody", runAsUser=1000)
    spec = {"hostPID": True, "hostIPC": True, "hostNetwork": True, "securityContext": strict}
    name = pods.start(pod("machines", idle("main"), somebody, **spec))
    assert sh(vmpod, name, "somebody", "id -G") == ["1001 4000"]
    found = sh(vmpod, name, "main", "ps -o pid,args")
    assert any(line.split()[:1] == ["1"] and "python" in line for line in found)


def test_nobody_starts_as_root_by_mistake(vmpod: Vmpod) -> None:
    document = pod("rooted", idle("main", runAsNonRoot=True))
    done = vmpod("run", "-", input=manifests.text(document), status=125)
    assert "spec.containers[0].securityContext.runAsNonRoot: the container would run as root" in done.errors
    assert not vmpod.pod_directory("rooted").exists()
    missing = {"type": "Localhost", "localhostProfile": "nobody/has-it.json"}
    done = vmpod(
        "run", "-", input=manifests.text(pod("rooted", idle("main", seccompProfile=missing))), status=125
    )
    assert "seccompProfile: the profile nobody/has-it.json cannot be read" in done.errors


def test_what_a_pod_is_limited_to(vmpod: Vmpod, pods: Pods) -> None:
    """Its containers have it together: one that takes too much ends, whatever its own limit."""
    greedy = container("greedy", "tail -c 100m /dev/zero")
    limits = {"limits": {"memory": "64Mi", "cpu": "500m"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
    name = pods.start(pod("limited", idle("mighty", privileged=True), hostPID=True, resources=limits))
    look = "cd /proc/1/root/sys/fs/cgroup/vmpod; cat memory.max cpu.max"
    assert sh(vmpod, name, "mighty", look) == [str(64 * 2**20), "50000 100000"]
    _resize_as_a_whole(vmpod, name, look)
    # Whatever rights they have.
    assert sh(vmpod, name, "mighty", "cat /proc/1/root/sys/fs/cgroup/vmpod/mighty-0/cgroup.procs")
    pods.run(pod("greedy", greedy, resources=limits), status=137)
    assert vmpod.status("greedy", "greedy")["state"]["terminated"]["reason"] == "OOMKilled"


def _resize_as_a_whole(vmpod: Vmpod, name: str, look: str) -> None:
    """While they run, within what the machine has."""
    done = vmpod("resize", name, "--pod", "--limits", "memory=120Mi,cpu=1", "--requests", "memory=40Mi")
    assert done.lines == [f"pod/{name} resized"]
    assert sh(vmpod, name, "mighty", look) == [str(120 * 2**20), "100000 100000"]
    asked = {"limits": {"memory": "120Mi", "cpu": "1"}, "requests": {"cpu": "100m", "memory": "40Mi"}}
    assert vmpod.pod(name)["spec"]["resources"] == asked
    vmpod("exec", name, "--", "sh", "-c", "head -c 8000000 /dev/zero >/dev/shm/much")
    for words, told in (
        (("--limits", "memory=64Gi"), "would need a machine with"),
        (("--limits", "cpu=64"), "would need a machine with 64 CPUs, and has one with 1"),
        (("--limits", "memory=32Mi"), "spec.resources.requests.memory: must not be more than the limit"),
        (("--limits", "memory=4Mi", "--requests", "memory=4Mi"), "the pod uses"),
        (("-c", "mighty", "--limits", "cpu=1"), "--pod and --container are two things"),
    ):
        assert told in vmpod("resize", name, "--pod", *words, status=125).errors
    assert sh(vmpod, name, "mighty", look) == [str(120 * 2**20), "100000 100000"]


def test_how_many_processes_a_pod_may_have(vmpod: Vmpod, pods: Pods) -> None:
    """Those of all containers count together, threads as well."""
    many = "i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i + 1)); done; echo all; sleep 1000"
    more = container("more", "sleep 1000")
    name = pods.start(pod("crowd", container("many", many), more, resources={"limits": {"pids": "150"}}))
    eventually(lambda: "all" in vmpod("logs", name, "-c", "many").lines, "many processes")
    script = "i=0; while sleep 1000 & do i=$((i + 1)); [ $i -lt 100 ] || break; done; echo $i"
    done = vmpod("exec", "-c", "more", name, "--", "sh", "-c", script, status=None)
    assert "can't fork" in done.errors
    pods.close()
