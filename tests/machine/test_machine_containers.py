"""What surrounds a container: mounts, devices, rights, and how an image tries to get out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import images
from tests.machine.harness import Done, Vmpod
from tests.machine.manifests import Json, container, mount, pod
from tests.machine.pods import Pods

# Links that a hostile image has where its volumes are to be mounted.
_TRAPS = {
    "out": "../../../../run/vmpod",
    "magic": "/proc/self/fd/0",
    "dangling": "/not/there/yet",
    "loop": "loop",
}
_TRAP_IMAGE = "localhost/traps:latest"


@pytest.fixture(scope="module")
def subject(module_pods: Pods) -> str:
    """A pod whose containers only wait: one as root, one as somebody."""
    idle = "while :; do sleep 60; done"
    somebody = container("somebody", f"echo told >/dev/stdout; {idle}", securityContext={"runAsUser": 1000})
    return module_pods.start(pod("surroundings", container("root", idle), somebody))


def _sh(vmpod: Vmpod, name: str, script: str) -> str:
    return vmpod.exec(name, "sh", "-c", script).text.strip()


def test_dev_has_what_every_engine_gives(vmpod: Vmpod, subject: str) -> None:
    script = "cd /dev; echo *; for f in *; do readlink $f; done; stat -c %a:%t:%T null tty"
    names, *more = _sh(vmpod, subject, script).splitlines()
    assert (
        names
        == "fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero"
    )
    assert more[:5] == ["/proc/self/fd", "pts/ptmx", *(f"/proc/self/fd/{number}" for number in (2, 0, 1))]
    assert more[5:] == ["666:1:3", "666:5:0"]


def test_the_machines_disks_cannot_be_reached_by_nodes_of_ones_own(vmpod: Vmpod, subject: str) -> None:
    """Root may make nodes, but open only what is harmless."""
    script = (
        "cd /dev; for d in 'vdc b 254 32' 'vde b 254 64' 'kmsg c 1 11' '5 c 1 5'; do mknod $d; done;"
        "for d in vdc vde kmsg 5; do head -c 1 $d >/dev/null 2>/tmp/why && echo $d opened || cat /tmp/why;"
        " rm $d; done"
    )
    assert _sh(vmpod, subject, script).splitlines() == [
        *(f"head: {name}: Operation not permitted" for name in ("vdc", "vde", "kmsg")),
        "5 opened",
    ]


def test_the_kernels_files_are_guarded(vmpod: Vmpod, subject: str) -> None:
    script = (
        "ls /sys/firmware /proc/acpi; head -c 1 /proc/kcore | wc -c; head -c 1 /proc/keys | wc -c;"
        "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/mm/ksm/run"
        " /sys/fs/cgroup/cgroup.procs; do (echo 1 >$f) 2>&1 | grep -o 'Read-only.*' || echo $f; done;"
        "mkdir /sys/fs/cgroup/own 2>&1 | grep -o 'Read-only.*'; mount -t tmpfs x /tmp 2>&1 | cut -c 1-40"
    )
    lines = _sh(vmpod, subject, script).splitlines()
    assert lines[:2] == ["/proc/acpi:", ""] or "/proc/acpi:" in lines
    assert [line for line in lines if line and not line.endswith(":")] == [
        "0",
        "0",
        *["Read-only file system"] * 5,
        "mount: permission denied (are you root?)",
    ]


def test_rights_of_root_and_of_somebody(vmpod: Vmpod, subject: str) -> None:
    look = "grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|Umask):' /proc/1/status | cut -f 2; cat /proc/1/comm"
    nothing, granted = "0000000000000000", "00000000a80425fb"
    assert _sh(vmpod, subject, look).split() == ["0022", nothing, granted, granted, granted, nothing, "sh"]
    found = vmpod("exec", subject, "-c", "somebody", "--", "sh", "-c", look).text.split()
    assert found == ["0022", nothing, nothing, nothing, granted, nothing, "sh"]


def test_somebody_may_open_the_standard_output(vmpod: Vmpod, subject: str) -> None:
    assert vmpod("logs", subject, "-c", "somebody").lines == ["told"]


def _said(done: Done) -> list[str]:
    return [line.removeprefix("main | ") for line in done.lines]


@pytest.fixture(scope="module")
def traps(vmpod: Vmpod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An image with links, loaded."""
    busybox = images.busybox_layer()
    links = images.layer(*(images.link(name, target) for name, target in _TRAPS.items()))
    path = images.oci_archive(
        tmp_path_factory.mktemp("traps") / "traps.tar",
        _TRAP_IMAGE,
        [busybox, links],
        {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
    )
    vmpod("image", "load", str(path))
    yield
    vmpod("image", "rm", _TRAP_IMAGE)


def _trapped(name: str, path: str, script: str) -> Json:
    found = container("main", script, image=_TRAP_IMAGE, volumeMounts=[mount("data", path)])
    return pod(name, found, volumes=[{"name": "data", "emptyDir": {}}])


@pytest.mark.usefixtures("traps")
def test_links_in_an_image_lead_nowhere_but_into_the_container(pods: Pods) -> None:
    script = "echo x >/out/here && ls /run/vmpod; grep -c ' /run/vmpod ' /proc/self/mountinfo"
    assert _said(pods.run(_trapped("trap-out", "/out", script))) == ["here", "1"]
    script = "echo x >/dangling/here && ls /not/there/yet"
    assert _said(pods.run(_trapped("trap-dangling", "/dangling", script))) == ["here"]


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize(("path", "why"), [("/magic", "Too many levels"), ("/loop", "Too many levels")])
def test_a_link_that_leads_to_a_descriptor_or_round_in_circles_is_refused(
    vmpod: Vmpod, pods: Pods, path: str, why: str
) -> None:
    name = f"trap-{path[1:]}"
    pods.run(_trapped(name, path, "true"), status=128)
    told = vmpod.status(name, "main")["state"]["terminated"]
    assert (told["reason"], told["exitCode"]) == ("StartError", 128)
    assert f"could not mount on {path}: {why}" in told["message"]


def test_a_directory_to_work_in_is_made_and_little_memory_is_enough(vmpod: Vmpod, pods: Pods) -> None:
    """What makes the container must not count as its own memory so much that it is killed for it."""
    small = {"limits": {"memory": "4Mi"}}
    main = container("main", "pwd; stat -c %a .", workingDir="/made/for/it", resources=small)
    assert _said(pods.run(pod("small", main))) == ["/made/for/it", "755"]
    assert vmpod.status("small", "main")["state"]["terminated"]["reason"] == "Completed"
