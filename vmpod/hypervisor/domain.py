"""A machine as libvirt's domain XML. Pure: the same machine gives the same text.

The devices and their places on the PCI bus are the same for every pod, so that a frozen machine can
later become any pod by changing what is behind its devices. Shares come last, in places of their own. Disks
that only some pods have are attached when the machine is there: see plugs.py.
Source of the format: libvirt, Domain XML format.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path

from vmpod import wire
from vmpod.plan.model import MAX_SHARES, Machine, Plug, Share
from vmpod.plan.network import IPV6_PREFIX, IPV6_PREFIX_LENGTH

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
METADATA_NAMESPACE = "https://vmpod.example/domain/1"

# Slots on the root bus. Slot 0 is the host bridge, 0x1f the ICH9 chip.
_SLOT_NETWORK = 0x02
_SLOT_SERIAL = 0x03
_SLOT_BALLOON = 0x04
_SLOT_PLUGS = 0x05
_SLOT_DISKS = 0x08
_SLOT_SHARES = 0x0D

FROZEN_MEMORY = "vmpod-memory"
"""What QEMU calls the main memory of a machine that begins as a frozen one."""

SLOW_WHEN_EMULATED = ("erms", "la57")
assert _SLOT_SHARES + MAX_SHARES <= 0x1F


def domain_xml(machine: Machine, *, labels: Mapping[str, str] | None = None) -> str:
    """The whole domain, indented.

    labels: for each of the hypervisor's security models the label, '' for none, as in {'dac': '+0:+0'};
    without labels no model labels anything.
    """
    ET.register_namespace("qemu", QEMU_NAMESPACE)
    ET.register_namespace("vmpod", METADATA_NAMESPACE)
    domain = ET.Element("domain", {"type": "kvm" if machine.accelerator == "kvm" else "qemu"})
    domain.extend(_identity(machine))
    domain.extend(_hardware(machine))
    domain.append(_devices(machine))
    domain.extend(_labels(labels or {}))
    domain.append(_qemu_capabilities())
    domain.append(_qemu_command_line(machine))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def _element(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    """An element; a trailing underscore in an attribute's name is for Python's keywords."""
    element = ET.Element(tag, {name.rstrip("_"): value for name, value in attributes.items()})
    element.text = text
    return element


def _parent(tag: str, *children: ET.Element, **attributes: str) -> ET.Element:
    element = _element(tag, **attributes)
    element.extend(children)
    return element


def _identity(machine: Machine) -> Iterator[ET.Element]:
    yield _element("name", machine.name)
    yield _element("uuid", machine.uuid)
    if machine.accelerator == "kvm":
        # Changes with every machine, so that a copied kernel notices and renews its random numbers. The agent
        # has it do so as well; to hear it from the firmware's tables takes an emulated guest longer.
        yield _element("genid", machine.uuid)
    yield _parent("metadata", _element(f"{{{METADATA_NAMESPACE}}}pod", uid=machine.uuid))


def _hardware(machine: Machine) -> Iterator[ET.Element]:
    yield _element("memory", str(machine.memory // 1024), unit="KiB")
    yield _element("vcpu", str(machine.cpus))
    yield _parent(
        "os",
        _element("type", "hvm", arch="x86_64", machine="q35"),
        _element("kernel", str(machine.kernel)),
        _element("initrd", str(machine.initrd)),
        _element("cmdline", machine.command_line),
    )
    yield _parent("features", _element("acpi"), _element("apic"))
    yield _cpu(machine)
    yield _element("clock", offset="utc")
    # A pod that has ended, however, leaves no machine behind.
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        yield _element(event, "destroy")


def _cpu(machine: Machine) -> ET.Element:
    if machine.accelerator == "kvm":
        return _element("cpu", mode="host-passthrough")
    # All that can be emulated, but what only makes emulation slower: byte-wise string instructions, which
    # a kernel prefers for copying if they are said to be fast, and a fifth level of page tables.
    slow = [_element("feature", policy="disable", name=name) for name in SLOW_WHEN_EMULATED]
    return _parent("cpu", *slow, mode="maximum")


def _devices(machine: Machine) -> ET.Element:
    devices = _element("devices")
    devices.append(_element("controller", type="usb", model="none"))
    devices.append(_parent("controller", _slot(_SLOT_SERIAL), type="virtio-serial", index="0"))
    devices.append(_plugs())
    devices.extend(_disks(machine))
    devices.append(_network(machine))
    devices.append(_console(machine))
    devices.extend(_channels(machine))
    devices.append(_balloon(machine))
    devices.extend(_share(share, index) for index, share in enumerate(machine.shares))
    return devices


def _balloon(machine: Machine) -> ET.Element:
    if not machine.balloon:
        return _element("memballoon", model="none")
    return _parent(
        "memballoon", _slot(_SLOT_BALLOON), model="virtio", freePageReporting="on", autodeflate="on"
    )


def _plugs() -> ET.Element:
    """Where disks are attached to a machine that is there already; nothing is behind it until then."""
    driver = _element("driver", queues="1")
    return _parent("controller", driver, _slot(_SLOT_PLUGS), type="scsi", index="0", model="virtio-scsi")


def _slot(number: int) -> ET.Element:
    """On the root bus itself: a root port for every device would cost the guest time at boot."""
    return _element(
        "address", type="pci", domain="0x0000", bus="0x00", slot=f"0x{number:02x}", function="0x0"
    )


def _disks(machine: Machine) -> Iterator[ET.Element]:
    disks = machine.disks
    yield _disk(disks.root, 0, read_only=True)
    yield _disk(disks.boot, 1, read_only=True)
    yield _disk(disks.images, 2, read_only=True, format_=disks.images.suffix.removeprefix("."))
    # A write that the host has no room for is an error in the guest. QEMU would stop the machine otherwise,
    # and nobody might be there to see it.
    yield _disk(disks.scratch, 3, read_only=False, error_policy="report")
    # Without room on the host the pod loses output, not its life.
    yield _disk(disks.journal, 4, read_only=False, error_policy="report")


def _disk(
    path: Path, index: int, *, read_only: bool, format_: str = "raw", error_policy: str | None = None
) -> ET.Element:
    # What is written is thrown away with the pod, so nothing has to wait for the platter.
    cache = "writeback" if read_only else "unsafe"
    driver = _element("driver", name="qemu", type=format_, cache=cache, discard="unmap", detect_zeroes="off")
    if error_policy:
        driver.set("error_policy", error_policy)
    disk = _parent(
        "disk",
        driver,
        _element("source", file=str(path)),
        _element("backingStore"),
        _element("target", dev=f"vd{'abcde'[index]}", bus="virtio"),
        type="file",
        device="disk",
    )
    if read_only:
        disk.append(_element("readonly"))
        disk.append(_element("shareable"))
    disk.append(_slot(_SLOT_DISKS + index))
    return disk


def plug_xml(plug: Plug) -> str:
    """The element of a disk that is attached to a machine that is there already."""
    # Unlike a pod's own disks it may be somebody's data: what the guest flushes has to reach the host's disk.
    driver = _element("driver", name="qemu", type="raw", cache="writeback", discard="unmap")
    driver.set("error_policy", "report")
    disk = _parent(
        "disk",
        driver,
        _element("source", file=str(plug.path)),
        _element("backingStore"),
        # libvirt wants a name for it; the guest gives its own.
        _element("target", dev=f"sd{_letters(plug.target)}", bus="scsi"),
        _element("serial", plug.serial),
        _element("address", type="drive", controller="0", bus="0", target=str(plug.target), unit="0"),
        type="file",
        device="disk",
    )
    if plug.read_only:
        disk.append(_element("readonly"))
    return ET.tostring(disk, encoding="unicode")


def _letters(number: int) -> str:
    """a to z, aa, ab, ..."""
    high, low = divmod(number, 26)
    return (chr(ord("a") + high - 1) if high else "") + chr(ord("a") + low)


def _network(machine: Machine) -> ET.Element:
    return _parent(
        "interface",
        _element("mac", address=machine.mac),
        _element("model", type="virtio"),
        _element("ip", family="ipv6", address=IPV6_PREFIX, prefix=str(IPV6_PREFIX_LENGTH)),
        # The firmware would spend time on the card's boot ROM.
        _element("rom", enabled="no"),
        _slot(_SLOT_NETWORK),
        type="user",
    )


def _console(machine: Machine) -> ET.Element:
    return _parent(
        "serial",
        _element("source", mode="bind", path=str(machine.console_socket)),
        _element("log", file=str(machine.console_log), append="on"),
        _element("target", port="0"),
        type="unix",
    )


def _channels(machine: Machine) -> Iterator[ET.Element]:
    for number in range(wire.CONTROL_PORTS):
        yield _parent(
            "channel",
            _element("source", mode="bind", path=str(machine.control_socket(number))),
            _channel_target(wire.CONTROL_PORT_NAME.format(number)),
            _port(1 + number),
            type="unix",
        )


def _channel_target(name: str) -> ET.Element:
    return _element("target", type="virtio", name=name)


def _port(number: int) -> ET.Element:
    return _element("address", type="virtio-serial", controller="0", bus="0", port=str(number))


def _share(share: Share, index: int) -> ET.Element:
    element = _parent(
        "filesystem",
        _element("source", dir=str(share.path)),
        _element("target", dir=share.tag),
        type="mount",
        accessmode="passthrough" if share.keep_owners else "squash",
        # One device for a tree with several file systems: give their files distinct inode numbers.
        multidevs="remap",
    )
    if share.read_only:
        element.append(_element("readonly"))
    element.append(_slot(_SLOT_SHARES + index))
    return element


def _labels(labels: Mapping[str, str]) -> Iterator[ET.Element]:
    if not labels:
        yield _element("seclabel", type="none")
    for model, label in sorted(labels.items()):
        if label:
            yield _parent("seclabel", _element("label", label), type="static", model=model, relabel="no")
        else:
            yield _element("seclabel", type="none", model=model)


def _qemu_capabilities() -> ET.Element:
    """Let libvirt not read every CPU property back after the start: that takes 0.4 s."""
    return _parent(
        f"{{{QEMU_NAMESPACE}}}capabilities",
        _element(f"{{{QEMU_NAMESPACE}}}del", capability="cpu-unavailable-features"),
    )


def _qemu_command_line(machine: Machine) -> ET.Element:
    # The firmware's tables are in the guest's memory, so they cannot differ between copies of a machine.
    words = ["-smbios", "type=1,uuid=00000000-0000-0000-0000-000000000000"]
    # A copy's card is not asked to make itself known to neighbours: in a user-mode network it has none.
    words += ["-global", "virtio-net-pci.guest_announce=off"]
    if machine.frozen:
        memory = str(machine.frozen.memory).replace(",", ",,")
        size = f"size={machine.memory}"
        words += ["-object", f"memory-backend-file,id={FROZEN_MEMORY},{size},mem-path={memory},share=off"]
        # The name that the frozen state has for it is this one, not a path in QEMU's tree of objects.
        words[-1] += ",x-use-canonical-path-for-ramblock-id=off"
        words += ["-machine", f"memory-backend={FROZEN_MEMORY}", "-incoming", "defer"]
    arguments = [_element(f"{{{QEMU_NAMESPACE}}}arg", value=word) for word in words]
    return _parent(f"{{{QEMU_NAMESPACE}}}commandline", *arguments)
