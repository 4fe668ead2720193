"""Huge pages: set aside, counted by container, as memory and as files."""

from __future__ import annotations

from pathlib import Path

from tests.machine.harness import Vmpod
from tests.machine.manifests import container, mount, pod
from tests.machine.pods import Pods
from tests.machine.richpod import compile_probe

IDLE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
MIB = 2**20


def test_huge_pages_of_a_pod(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    compile_probe(tmp_path)
    mounts = [mount("tools", "/tools"), mount("pages", "/pages")]

    def asks(size: str) -> dict[str, object]:
        return {"limits": {"memory": "32Mi", "hugepages-2Mi": size}}

    name = pods.start(
        pod(
            "huge",
            container("eight", IDLE, resources=asks("8Mi"), volumeMounts=mounts),
            container("four", IDLE, resources=asks("4Mi"), volumeMounts=mounts),
            container("none", IDLE, volumeMounts=mounts),
            volumes=[
                {"name": "tools", "hostPath": {"path": str(tmp_path)}},
                {"name": "pages", "emptyDir": {"medium": "HugePages", "sizeLimit": "10Mi"}},
            ],
        )
    )

    def run(where: str, *words: str, status: int = 0) -> str:
        done = vmpod("exec", name, "-c", where, "--", *words, status=status)
        return done.text + done.errors

    pages = dict(line.split(":") for line in run("none", "grep", "Huge", "/proc/meminfo").splitlines())
    assert (pages["HugePages_Total"].strip(), pages["Hugepagesize"].split()) == ("6", ["2048", "kB"])
    assert run("four", "cat", "/sys/fs/cgroup/hugetlb.2MB.max") == f"{4 * MIB}\n"
    # Beyond its limit a container is killed by a signal when it touches the page.
    assert run("eight", "/tools/probe", "huge", "8") == "done\n"
    assert run("four", "/tools/probe", "huge", "4") == "done\n"
    assert "done" not in run("four", "/tools/probe", "huge", "6", status=128 + 7)
    assert "done" not in run("none", "/tools/probe", "huge", "2", status=128 + 7)
    # Files in a volume count for who writes them, and the volume has a limit of its own.
    assert run("eight", "/tools/probe", "huge", "6", "/pages/file") == "done\n"
    assert "done" not in run("eight", "/tools/probe", "huge", "4", "/pages/more", status=128 + 7)
    assert run("none", "stat", "-f", "-c", "%T %s", "/pages").split()[1] == str(2 * MIB)
