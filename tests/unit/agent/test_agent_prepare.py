"""What the agent does to make the machine ready, as lists to read."""

from __future__ import annotations

import base64
import ipaddress
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.documents import boot_container, boot_document
from vmpod.wire.boot import check
from vmpod_agent import attached, container, layout, mounts, network, prepare, syscalls
from vmpod_agent.operations import Directory, Mount, Skeleton, WriteFile
from vmpod_agent.secrets import Secrets
from vmpod_agent.syscalls import MS_RDONLY
from vmpod_agent.template import Ahead

if TYPE_CHECKING:
    from vmpod.wire.boot import Card


def volume(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "size": 0,
        "mode": 0o777,
        "group": -1,
        "always": False,
        "tag": "",
        "image": -1,
        "claim": -1,
        "files": [],
    } | fields


def described(operations: Any) -> list[str]:
    return [operation.describe() for operation in operations]


def test_what_every_machine_needs() -> None:
    assert described(prepare.bare()) == [
        "configure lo with 127.0.0.1/8",
        "make /run/vmpod/skeleton",
        "set /proc/sys/vm/overcommit_memory to 1",
        "set /sys/block/vdd/queue/write_cache to write through",
        "set /sys/block/vde/queue/write_cache to write through",
    ]


def test_the_machine() -> None:
    document = boot_document(images=[{"start": 4096, "length": 8192}, {"start": 12288, "length": 512}])
    assert described(prepare.machine(check(document))) == [
        "set /proc/sys/net/ipv6/mld_qrv to 1",
        "set /proc/sys/net/ipv6/conf/eth0/accept_ra to 0",
        "set /proc/sys/net/ipv6/conf/eth0/accept_dad to 0",
        "set /proc/sys/net/ipv6/conf/eth0/addr_gen_mode to 1",
        "configure eth0 with 10.0.2.15/24",
        "configure eth0 with fd76:6d70:6f64::f/64",
        "write /run/vmpod/etc/resolv.conf",
        "set the host name p",
        "write /run/vmpod/etc/hosts",
        "write /run/vmpod/etc/hostname",
        "mount ext4 /dev/vdd on /run/vmpod/scratch",
        "make partition 1 of /dev/vdc: 8192 bytes at 4096",
        "mount squashfs /dev/vdc1 on /run/vmpod/images/0",
        "make partition 2 of /dev/vdc: 512 bytes at 12288",
        "mount squashfs /dev/vdc2 on /run/vmpod/images/1",
    ]


def test_one_image_alone_is_the_disk() -> None:
    steps = described(prepare.machine(check(boot_document(images=[{"start": 0, "length": 8192}]))))
    assert steps[-1] == "mount squashfs /dev/vdc on /run/vmpod/images/0"
    assert not [step for step in steps if "partition" in step]


CARD: Card = {
    "address": "10.0.2.15",
    "prefix": 24,
    "gateway": "10.0.2.2",
    "ipv6": {"address": "fd76:6d70:6f64::f", "prefix": 64, "gateway": "fd76:6d70:6f64::2"},
}


def test_what_a_template_has_done_is_not_done_again() -> None:
    ahead = described(prepare.ahead(CARD))
    assert "configure eth0 with fd76:6d70:6f64::f/64" in ahead
    assert ahead[-1] == "mount ext4 /dev/vdd on /run/vmpod/scratch"
    steps = described(prepare.machine(check(boot_document()), Ahead(scratch=True)))
    assert not set(ahead) & set(steps)
    assert "make /run/vmpod/scratch writable" in steps
    assert not [step for step in steps if "eth0" in step or "unmount" in step]


def test_a_copy_with_a_scratch_disk_of_its_own_mounts_that() -> None:
    """And writes nothing of what the template knew of its own; see prepare.ahead()."""
    mounted = [operation for operation in prepare.ahead(CARD) if isinstance(operation, Mount)]
    assert [operation.flags & MS_RDONLY for operation in mounted] == [MS_RDONLY]
    steps = described(prepare.machine(check(boot_document()), Ahead(scratch=False)))
    at = steps.index("unmount /run/vmpod/scratch")
    assert steps[at + 1] == "mount ext4 /dev/vdd on /run/vmpod/scratch"
    assert not [step for step in steps if "writable" in step]


def test_a_machine_without_network() -> None:
    steps = described(prepare.machine(check(boot_document(network=None))))
    assert not [step for step in steps if "eth0" in step]
    assert "write /run/vmpod/etc/resolv.conf" in steps


def test_volumes() -> None:
    document = boot_document(
        volumes=[
            volume("data", "disk"),
            volume("shm", "memory"),
            volume("small", "memory", size=1048576),
            volume("host", "share", tag="volume3"),
            volume(
                "conf",
                "files",
                files=[
                    {"path": "a/b", "mode": 0o600, "user": 0, "base64": base64.b64encode(b"plain").decode()},
                    {"path": "key", "mode": 0o400, "user": 0, "base64": {"secret": "file/conf/key"}},
                ],
            ),
        ]
    )
    secrets = Secrets({"file/conf/key": base64.b64encode(b"hidden").decode()})
    operations: list[Any] = list(prepare.volumes(check(document), secrets))
    assert described(operations) == [
        "make directory /run/vmpod/scratch/volumes/data with mode 777",
        "mount tmpfs tmpfs on /run/vmpod/volumes/shm",
        "mount tmpfs tmpfs on /run/vmpod/volumes/small",
        "mount 9p volume3 on /run/vmpod/volumes/host",
        "mount tmpfs tmpfs on /run/vmpod/volumes/conf",
        "write the files of /run/vmpod/volumes/conf",
    ]
    assert [operation.options for operation in operations[1:3]] == ["mode=777", "mode=777,size=1048576"]
    assert operations[5].files == [("a/b", b"plain", 0o600, 0), ("key", b"hidden", 0o400, 0)]
    assert "version=9p2000.L" in operations[3].options


def test_a_secret_that_was_not_sent_is_an_error() -> None:
    files = [{"path": "key", "mode": 0o400, "user": 0, "base64": {"secret": "file/conf/key"}}]
    document = check(boot_document(volumes=[volume("conf", "files", files=files)]))
    with pytest.raises(KeyError):
        list(prepare.volumes(document, Secrets({})))


def test_the_files_in_etc() -> None:
    assert network.resolv_conf(["10.0.2.3"], ["a.org", "b.org"], ["ndots:5"]) == (
        b"nameserver 10.0.2.3\nsearch a.org b.org\noptions ndots:5\n"
    )
    assert network.resolv_conf([], [], []) == b""
    assert network.hosts("web", ["10.0.2.15", "fd00::f"], [["10.0.2.2", "host.vmpod.internal"]]) == (
        b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        b"10.0.2.15\tweb\nfd00::f\tweb\n10.0.2.2\thost.vmpod.internal\n"
    )


@pytest.mark.parametrize(
    "address", ["::", "::1", "1::", "fd76:6d70:6f64::f", "fe80::a:b", "1:2:3:4:5:6:7:8", "0:0:1::2:0:0"]
)
def test_ipv6_addresses_are_packed(address: str) -> None:
    assert network.packed6(address) == ipaddress.IPv6Address(address).packed


def test_without_ipv6_on_the_host_the_card_has_none() -> None:
    document = boot_document()
    document["network"]["ipv6"] = None
    steps = described(prepare.machine(check(document)))
    assert "set /proc/sys/net/ipv6/conf/eth0/disable_ipv6 to 1" in steps
    assert not any("fd76" in step for step in steps)
    order = ("set /proc/sys/net/ipv6/conf/eth0/disable_ipv6 to 1", "configure eth0 with 10.0.2.15/24")
    assert [step for step in steps if step in order] == list(order)


def test_files_and_directories_have_exactly_their_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        WriteFile(f"{tmp_path}/sub/file", b"x", 0o444).execute()
        Directory(f"{tmp_path}/open", 0o777).execute()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "sub/file").stat().st_mode) == 0o444
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o777
    assert (tmp_path / "sub/file").read_bytes() == b"x"


# Mounts of a container.


def _opened(directory: Path, path: str) -> Path:
    """Where a path in a volume leads, without the mount that only root can make."""
    top = os.open(directory, os.O_PATH)
    try:
        try:
            place = syscalls.open_beneath(top, path)
        except FileNotFoundError:
            place = mounts._make_below(top, path)
    finally:
        os.close(top)
    try:
        return Path(f"/proc/self/fd/{place}").readlink()
    finally:
        os.close(place)


def test_a_sub_path_is_made_and_stays_inside(tmp_path: Path) -> None:
    volume_directory = tmp_path / "volume"
    volume_directory.mkdir()
    volume_directory.chmod(0o2771)
    made = _opened(volume_directory, "a/./b")
    assert made == volume_directory / "a/b"
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE(volume_directory.stat().st_mode) == 0o2771
    (volume_directory / "file").write_text("x")
    assert _opened(volume_directory, "file") == volume_directory / "file"
    (volume_directory / "in").symlink_to("a")
    assert _opened(volume_directory, "in/b") == volume_directory / "a/b"
    assert _opened(volume_directory, "in/c") == volume_directory / "a/c"


@pytest.mark.parametrize("target", ["/", "..", "../beside", "/etc/passwd", "/proc/self/root"])
@pytest.mark.parametrize("rest", ["", "/new"])
def test_a_sub_path_that_leads_out_is_refused_and_makes_nothing(
    target: str, rest: str, tmp_path: Path
) -> None:
    volume_directory = tmp_path / "volume"
    volume_directory.mkdir()
    (volume_directory / "link").symlink_to(target)
    with pytest.raises(OSError, match="Invalid cross-device link"):
        _opened(volume_directory, f"link{rest}")
    assert list(tmp_path.iterdir()) == [volume_directory]


def test_mounts_of_a_container() -> None:
    document = check(
        boot_document(
            boot_container(
                mounts=[
                    {
                        "volume": "data",
                        "path": "/data",
                        "sub_path": "",
                        "read_only": False,
                        "recursive": False,
                        "options": [],
                    },
                    {
                        "volume": "conf",
                        "path": "/conf",
                        "sub_path": "",
                        "read_only": False,
                        "recursive": False,
                        "options": [],
                    },
                    {
                        "volume": "data",
                        "path": "/again",
                        "sub_path": "",
                        "read_only": True,
                        "recursive": False,
                        "options": [],
                    },
                ]
            ),
            volumes=[volume("data", "disk"), volume("conf", "files")],
        )
    )
    services: Any = None
    volumes = {each["name"]: each for each in document["volumes"]}
    run = container.Run(document["containers"][0], 3, volumes, services)
    assert run.id == "c-3"
    assert [(each.source, each.path, each.read_only) for each in run._binds()] == [
        (f"{layout.SCRATCH}/volumes/data", "/data", False),
        (f"{layout.VOLUMES}/conf", "/conf", True),
        (f"{layout.SCRATCH}/volumes/data", "/again", True),
        (f"{layout.SCRATCH}/containers/c-3/message", "/dev/termination-log", False),
    ]


def test_the_skeleton_has_what_is_mounted_upon_in_every_container(tmp_path: Path) -> None:
    Skeleton(str(tmp_path)).execute()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {"proc", "dev", "sys", "etc", "etc/hosts", "etc/hostname", "etc/resolv.conf"}


@pytest.mark.parametrize(
    ("always", "is_given", "read_only", "wanted"),
    [
        (True, True, False, True),
        (False, True, False, False),
        (False, False, False, True),
        (True, False, True, False),
    ],
)
def test_which_claims_are_given_to_the_group(
    monkeypatch: pytest.MonkeyPatch, always: bool, is_given: bool, read_only: bool, wanted: bool
) -> None:
    """Once each, however many volumes are of it; one that is read-only stays as it is."""
    monkeypatch.setattr(attached, "is_given", lambda _path, _group: is_given)
    disk = {"target": 0, "serial": "claim-a", "read_only": read_only, "block": False}
    volumes = [volume(name, "claim", claim=0, group=7, always=always) for name in "ab"]
    document = check(boot_document(disks=[disk], volumes=[*volumes, volume("c", "claim", claim=0)]))
    assert prepare.to_give(document) == ([layout.disk(0)] if wanted else [])
