"""Domain XML: golden files, which libvirt's own schema accepts, and which hold no secrets."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.unit.golden import DIRECTORY, compare
from tests.unit.plan.requests import host, plan_text
from vmpod.hypervisor import libvirt_errors
from vmpod.hypervisor.domain import domain_xml
from vmpod.plan.model import MAX_SHARES, Machine, Share

MANIFESTS = {path.stem: path for path in DIRECTORY.glob("pods/*.yaml")}
CASES = [*((name, "tcg") for name in sorted(MANIFESTS)), ("hello", "kvm")]


def machine(name: str, accelerator: Any = "tcg") -> Machine:
    return plan_text(MANIFESTS[name].read_text(), host=host(accelerator)).plan.machine


@pytest.fixture(scope="module")
def test_driver() -> Iterator[libvirt.virConnect]:
    libvirt_errors.silence()
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


@pytest.mark.parametrize(("name", "accelerator"), CASES)
def test_golden_domains(name: str, accelerator: str) -> None:
    compare(f"domains/{name}-{accelerator}.xml", domain_xml(machine(name, accelerator)))


def test_there_is_a_golden_file_for_every_case_and_no_other() -> None:
    assert {path.name for path in DIRECTORY.glob("domains/*")} == {
        f"{name}-{accel}.xml" for name, accel in CASES
    }


@pytest.mark.parametrize(("name", "accelerator"), CASES)
def test_libvirt_accepts_and_keeps_every_device(
    name: str, accelerator: str, test_driver: libvirt.virConnect
) -> None:
    domain = define(test_driver, domain_xml(machine(name, accelerator)))
    kept = ET.fromstring(domain.XMLDesc())
    ours = ET.fromstring(domain_xml(machine(name, accelerator)))
    for tag in ("disk", "interface", "channel", "serial", "filesystem", "memballoon"):
        assert len(kept.findall(f"devices/{tag}")) == len(ours.findall(f"devices/{tag}")), tag
    for path in ("os/kernel", "os/initrd", "os/cmdline", "uuid", "genid"):
        assert kept.findtext(path) == ours.findtext(path), path
    domain.undefine()


def define(connection: libvirt.virConnect, xml: str) -> libvirt.virDomain:
    """Define on the test driver, checked against libvirt's schema.

    The driver knows domains of its own type alone; all else is as it is.
    """
    root = ET.fromstring(xml)
    root.set("type", "test")
    return connection.defineXMLFlags(
        ET.tostring(root, encoding="unicode"), libvirt.VIR_DOMAIN_DEFINE_VALIDATE
    )


def test_the_schema_would_tell_an_error(test_driver: libvirt.virConnect) -> None:
    wrong = domain_xml(machine("hello")).replace("<devices>", "<devices><surprise/>")
    with pytest.raises(libvirt.libvirtError, match=r"surprise|schema"):
        define(test_driver, wrong)


def test_secrets_are_in_no_domain() -> None:
    planned = plan_text(MANIFESTS["secrets"].read_text())
    xml = domain_xml(planned.plan.machine)
    assert planned.secrets
    for value in planned.secrets.values():
        assert value not in xml


def places(machine: Machine) -> list[str | None]:
    root = ET.fromstring(domain_xml(machine))
    return [each.get("slot") for each in root.findall("devices/*/address[@type='pci']")]


def test_every_device_has_a_place_of_its_own_the_same_for_every_pod() -> None:
    plain = places(machine("hello"))
    assert len(set(plain)) == len(plain)
    assert places(machine("web")) == plain
    shared = places(machine("secrets"))
    assert shared[: len(plain)] == plain
    assert len(shared) == len(plain) + 2


def test_the_most_shares_fit() -> None:
    shares = tuple(Share(f"volume{n}", Path(f"/srv/{n}"), False, True) for n in range(MAX_SHARES))
    found = places(replace(machine("hello"), shares=shares))
    assert len(set(found)) == len(found)
    assert max(int(str(slot), 16) for slot in found) < 0x1F


def test_text_of_the_user_is_escaped(test_driver: libvirt.virConnect) -> None:
    share = Share("volume0", Path("/srv/<a> & \"b\" 'c'"), True, False)
    xml = domain_xml(replace(machine("hello"), shares=(share,), command_line="a='<b>' & c"))
    kept = ET.fromstring(define(test_driver, xml).XMLDesc())
    source = kept.find("devices/filesystem/source")
    assert source is not None
    assert source.get("dir") == str(share.path)
    assert kept.findtext("os/cmdline") == "a='<b>' & c"


def test_the_machine_is_confined() -> None:
    root = ET.fromstring(domain_xml(machine("hello")))
    assert root.find("devices/graphics") is None
    assert root.find("devices/video") is None
    disks = root.findall("devices/disk")
    assert [disk.find("readonly") is not None for disk in disks] == [True, True, True, False, False]
    assert {root.findtext(name) for name in ("on_poweroff", "on_reboot", "on_crash")} == {"destroy"}
