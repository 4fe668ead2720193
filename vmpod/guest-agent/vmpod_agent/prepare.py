"""From a boot document to the operations that make the machine ready for it. Pure."""

from __future__ import annotations

import binascii

from vmpod.wire import SHARED_FILE
from vmpod_agent import layout, network
from vmpod_agent.operations import (
    Attached,
    Directory,
    Hostname,
    HugePages,
    Interface,
    Interface6,
    KernelSetting,
    Mount,
    Partition,
    Skeleton,
    Unmount,
    Writable,
    WriteFile,
    WriteFiles,
)
from vmpod_agent.syscalls import MS_NODEV, MS_NOSUID, MS_RDONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmpod.wire.boot import BootDocument, BootVolume, Card
    from vmpod_agent.operations import Operation
    from vmpod_agent.secrets import Secrets
    from vmpod_agent.template import Ahead

_CARD = "eth0"
_IPV6 = f"/proc/sys/net/ipv6/conf/{_CARD}"
# What QEMU's 9p server takes best: large messages, and a cache that other writers cannot fool.
_SHARE_OPTIONS = "trans=virtio,version=9p2000.L,msize=131072,cache=none,access=client,posixacl"


def bare() -> Iterator[Operation]:
    """What every machine needs, whatever its pod."""
    yield Interface("lo", "127.0.0.1", 8, "")
    yield Skeleton(layout.SKELETON)
    # As a kubelet has it: cgroups limit what is used. By default the kernel would refuse what is asked for at
    # once and is more than the machine has, which is little.
    yield KernelSetting("/proc/sys/vm/overcommit_memory", "1")
    # Nothing is gained by asking the host to flush its own cache: it outlives us.
    for disk in (layout.SCRATCH_DISK, layout.JOURNAL_DISK):
        yield KernelSetting(f"/sys/block/{disk.rpartition('/')[2]}/queue/write_cache", "write through")


def ahead(card: Card) -> Iterator[Operation]:
    """What a template does for its copies: they have the same addresses, and may have its scratch disk."""
    yield from _card(card)
    # Read-only: nothing is written, whatever becomes of this file system. A copy may have a disk of its own.
    yield _scratch(MS_RDONLY)


def machine(document: BootDocument, done: Ahead | None = None) -> Iterator[Operation]:
    """What does not need the host's secrets: name, network, disks. done: by the template."""
    settings = document["network"]
    if settings:
        if not done:
            yield from _card(settings)
        yield WriteFile(
            f"{layout.ETC}/resolv.conf",
            network.resolv_conf(settings["nameservers"], settings["search"], settings["options"]),
        )
    else:
        yield WriteFile(f"{layout.ETC}/resolv.conf", b"")
    yield from names(document)
    if document["huge_pages"]:
        # Before anything else takes memory, and breaks it into small pieces.
        yield HugePages(document["huge_pages"])
    for name, value in document["sysctls"]:
        yield KernelSetting(f"/proc/sys/{name.replace('.', '/')}", value)
    yield from disks(document, done)


def names(document: BootDocument) -> Iterator[Operation]:
    """What the pod is called, for the kernel and in files."""
    hostname, settings = document["pod"]["hostname"], document["network"]
    # The full name first, as hosts(5) has it.
    called = " ".join(dict.fromkeys(filter(None, (document["pod"]["fqdn"], hostname))))
    yield Hostname(hostname)
    addresses = [settings["address"]] if settings else ["127.0.1.1"]
    if settings and settings["ipv6"]:
        addresses.append(settings["ipv6"]["address"])
    extra = settings["hosts"] if settings else []
    yield WriteFile(f"{layout.ETC}/hosts", network.hosts(called, addresses, extra))
    yield WriteFile(f"{layout.ETC}/hostname", f"{hostname}\n".encode())


def _card(card: Card) -> Iterator[Operation]:
    """The network card, with nothing that would have to be waited for or learned from the network."""
    ipv6 = card["ipv6"]
    if ipv6:
        # No router advertisements, no second in which an address is tried before it may be used, none that is
        # made of the card's own, of which copies get another. Nobody is told twice which groups it is in.
        yield KernelSetting("/proc/sys/net/ipv6/mld_qrv", "1")
        for name, value in (("accept_ra", "0"), ("accept_dad", "0"), ("addr_gen_mode", "1")):
            yield KernelSetting(f"{_IPV6}/{name}", value)
    else:
        yield KernelSetting(f"{_IPV6}/disable_ipv6", "1")
    yield Interface(_CARD, card["address"], card["prefix"], card["gateway"])
    if ipv6:
        yield Interface6(_CARD, ipv6["address"], ipv6["prefix"], ipv6["gateway"])


def disks(document: BootDocument, done: Ahead | None = None) -> Iterator[Operation]:
    """The scratch disk, and every image that a container of the pod uses.

    The images lie one after the other on a disk without a partition table: the document says where. One alone
    is the disk: to make a partition takes an emulated guest 15 ms.
    """
    if done and done.scratch:
        yield Writable(layout.SCRATCH, MS_NODEV)
    else:
        if done:
            yield Unmount(layout.SCRATCH)
        yield _scratch()
    for number, image in enumerate(document["images"]):
        source = layout.IMAGES_DISK
        if image["start"]:
            # Partition numbers start at 1.
            yield Partition(layout.IMAGES_DISK, number + 1, image["start"], image["length"])
            source += str(number + 1)
        yield Mount(source, layout.image(number), "squashfs", flags=MS_RDONLY | MS_NODEV)
    for number, disk in enumerate(document["disks"]):
        yield Attached(
            disk["target"],
            disk["serial"],
            layout.disk(number),
            read_only=disk["read_only"],
            block=disk["block"],
        )


def _scratch(flags: int = 0) -> Mount:
    options = "discard,noinit_itable"
    return Mount(layout.SCRATCH_DISK, layout.SCRATCH, "ext4", flags=MS_NODEV | flags, options=options)


def volumes(document: BootDocument, secrets: Secrets) -> Iterator[Operation]:
    """Every volume, at VOLUMES/<name>; what comes from Secrets stays in memory."""
    for volume in document["volumes"]:
        if volume["kind"] == "claim":
            continue  # it is mounted already: see disks()
        yield from _volume(volume, f"{layout.VOLUMES}/{volume['name']}", secrets)


def to_give(document: BootDocument) -> list[str]:
    """The directories of claims whose files are to be given to the pod's group; few pods have any."""
    found = []
    for volume in document["volumes"]:
        if (
            volume["kind"] == "claim"
            and volume["group"] >= 0
            and not document["disks"][volume["claim"]]["read_only"]
            and not document["disks"][volume["claim"]]["block"]
        ):
            from vmpod_agent import attached  # noqa: PLC0415 - few pods have such disks

            path = source(volume)
            if path not in found and (volume["always"] or not attached.is_given(path, volume["group"])):
                found.append(path)
    return found


def _volume(volume: BootVolume, path: str, secrets: Secrets) -> Iterator[Operation]:
    if volume["kind"] == "disk":
        # Bound from the scratch disk when a container starts: see source().
        yield Directory(source(volume), volume["mode"], volume["group"])
    elif volume["kind"] in ("memory", "huge"):
        kind = "tmpfs" if volume["kind"] == "memory" else "hugetlbfs"
        size = f",size={volume['size']}" if volume["size"] else ""
        yield Mount(kind, path, kind, flags=MS_NOSUID | MS_NODEV, options=f"mode={volume['mode']:o}{size}")
        if volume["group"] >= 0:
            yield Directory(path, volume["mode"], volume["group"])
    elif volume["kind"] == "image":
        return  # it is mounted already: see disks()
    elif volume["kind"] in ("share", "shared-file"):
        yield Mount(volume["tag"], path, "9p", options=_SHARE_OPTIONS)
    else:
        yield Mount("tmpfs", path, "tmpfs", flags=MS_NOSUID | MS_NODEV, options="mode=0755")
        files = [
            (file["path"], binascii.a2b_base64(secrets.text(file["base64"])), file["mode"], file["user"])
            for file in volume["files"]
        ]
        yield WriteFiles(path, files, volume["group"])


def source(volume: BootVolume) -> str:
    """The guest's path of what a container mounts when it mounts the volume."""
    if volume["kind"] == "disk":
        return f"{layout.SCRATCH}/volumes/{volume['name']}"
    if volume["kind"] == "image":
        return layout.image(volume["image"])
    if volume["kind"] == "claim":
        return layout.disk(volume["claim"])
    if volume["kind"] == "shared-file":
        return f"{layout.VOLUMES}/{volume['name']}/{SHARED_FILE}"
    return f"{layout.VOLUMES}/{volume['name']}"
