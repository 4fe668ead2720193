"""Single files of the host as volumes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.machine.harness import Vmpod
from tests.machine.manifests import container, mount, pod, text
from tests.machine.pods import Pods


@pytest.fixture
def beside(vmpod: Vmpod) -> Path:
    """A directory on the file system where the pods are."""
    path = vmpod.home / "beside"
    path.mkdir(exist_ok=True)
    return path


@pytest.mark.parametrize("options", [(), ("--no-template",)])
def test_a_file_of_the_host(vmpod: Vmpod, pods: Pods, beside: Path, options: tuple[str, ...]) -> None:
    """Read, written, made, with its owner; one that is read only is so for root, too; nothing beside it."""
    config, made, link = beside / "config", beside / "made", beside / "link"
    config.write_text("from the host\n")
    config.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(config, 1234, 4321)
    made.unlink(missing_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("fixed")
    (beside / "fixed").write_text("fixed\n")
    (beside / "secret").write_text("nobody's business\n")
    name = pods.start(
        pod(
            "files",
            container(
                "main",
                "sleep 1000",
                volumeMounts=[
                    mount("config", "/etc/app/config"),
                    mount("made", "/made"),
                    mount("fixed", "/fixed", readOnly=True),
                ],
            ),
            container("all", "sleep 1000", securityContext={"privileged": True}),
            volumes=[
                {"name": "config", "hostPath": {"path": str(config), "type": "File"}},
                {"name": "made", "hostPath": {"path": str(made), "type": "FileOrCreate"}},
                {"name": "fixed", "hostPath": {"path": str(link)}},
            ],
            terminationGracePeriodSeconds=0,
            hostPID=True,
        ),
        options=options,
    )

    def shell(script: str, status: int = 0) -> str:
        done = vmpod.exec(name, "sh", "-c", script, status=status)
        return done.text + done.errors

    owner = f"{config.stat().st_uid}:{config.stat().st_gid}:640"
    assert shell("cat /etc/app/config; stat -c %u:%g:%a /etc/app/config; ls -A /etc/app") == (
        f"from the host\n{owner}\nconfig\n"
    )
    shell("echo from the pod >> /etc/app/config; echo made > /made")
    assert config.read_text() == "from the host\nfrom the pod\n"
    assert (made.read_text(), made.stat().st_mode & 0o777) == ("made\n", 0o644)
    with config.open("a") as file:
        file.write("again\n")
    assert shell("tail -n 1 /etc/app/config; cat /fixed") == "again\nfixed\n"
    assert "Read-only" in shell("echo x > /fixed", 1)
    # Whoever owns the machine sees the file and no other, and cannot write to what QEMU has read-only.
    look = "cd /proc/1/root/run/vmpod/volumes; ls -A config/. config/..; echo x > fixed/file"
    done = vmpod("exec", "-c", "all", name, "--", "sh", "-c", look, status=1)
    assert done.lines == ["config/.:", "file", "", "config/..:", "config", "fixed", "made"]
    assert "Read-only" in done.errors
    assert (beside / "fixed").read_text() == "fixed\n"
    # A restart finds what has taken the file's place.
    (beside / "new").write_text("new\n")
    (beside / "new").rename(config)
    assert shell("head -n 1 /etc/app/config") == "from the host\n"
    if not options:
        vmpod("restart", name)
        assert shell("cat /etc/app/config") == "new\n"
    vmpod("rm", "--force", name)
    assert config.read_text() == "new\n"
    assert config.stat().st_nlink == 1


def test_what_cannot_be_shared(vmpod: Vmpod, beside: Path) -> None:
    """Told with the field before anything starts."""
    with socket.socket(socket.AF_UNIX) as listener:
        (beside / "s").unlink(missing_ok=True)
        listener.bind(str(beside / "s"))
        for path, told in (
            (str(beside / "s"), "a socket leads into the kernel that made it"),
            ("/dev/null", "a device belongs to the machine that has it"),
            ("/proc/version", "is on another file system than"),
        ):
            wrong = pod("no", container("m", "true"), volumes=[{"name": "v", "hostPath": {"path": path}}])
            errors = vmpod("run", "-", input=text(wrong), status=125).errors
            assert f"spec.volumes[0].hostPath: {path}" in errors
            assert told in errors
    assert vmpod.leftovers() == []
