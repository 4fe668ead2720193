"""Programs: there or not, able to run or not."""

from __future__ import annotations

import os
import time

import pytest

from tests.unit.doctor.hosts import QEMU, Place, nobody
from vmpod.doctor import guest, programs
from vmpod.doctor.model import Finding


def told(found: Finding | None) -> tuple[str, str, str]:
    assert found is not None
    assert "\n" not in found.evidence
    return found.state, found.impact, found.evidence


@pytest.mark.parametrize(
    ("script", "state", "impact", "evidence"),
    [
        ("echo QEMU emulator version 7.2.22 '(Debian)'", "ok", "none", "7.2.22, {top}/bin/" + QEMU),
        ("echo QEMU emulator version 10.0.0", "ok", "none", "10.0.0, {top}/bin/" + QEMU),
        ("echo QEMU emulator version 5.2.0", "unusable", "fatal", "QEMU 5.2 is too old: 6.0 is needed"),
        ("echo hello", "unusable", "fatal", f"{QEMU} does not tell its version"),
    ],
)
def test_qemu(script: str, state: str, impact: str, evidence: str, place: Place) -> None:
    place.program(QEMU, script)
    found = programs.qemu(place.host)
    assert told(found) == (state, impact, evidence.format(top=place.top))
    assert bool(found.mend) is (state != "ok")


def test_qemu_that_is_missing(place: Place) -> None:
    found = programs.qemu(place.host)
    assert told(found) == ("missing", "fatal", f"the program '{QEMU}' is not installed")
    assert programs.network(place.host) is None


def test_qemu_that_cannot_be_loaded(place: Place) -> None:
    place.program(QEMU, "echo 'libfdt.so.1: cannot open shared object file' >&2; exit 127")
    for found in (programs.qemu(place.host), programs.network(place.host)):
        assert found
        assert (found.state, found.impact) == ("unusable", "fatal")
        assert "libfdt.so.1: cannot open" in found.evidence
        assert "--reinstall" in found.mend[0] or "reinstall" in found.mend[0]


def test_a_program_that_hangs_is_killed_with_its_children(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "TIMEOUT", 0.3)
    place.program("child", "while :; do sleep 0.1; done")
    place.program(QEMU, f"{place.top}/bin/child & wait")
    begin = time.monotonic()
    found = programs.qemu(place.host)
    assert (found.state, found.impact) == ("unusable", "fatal")
    assert "no end after 0.3 seconds" in found.evidence
    assert time.monotonic() - begin < 5
    assert place.left() == []


@pytest.mark.parametrize(
    ("backends", "state"),
    [("socket\nuser\ntap", "ok"), ("socket\ntap\nvhost-user", "missing"), ("", "missing")],
)
def test_user_mode_network(backends: str, state: str, place: Place) -> None:
    place.program(QEMU, f"echo 'Available netdev backend types:\n{backends}'")
    found = programs.network(place.host)
    assert found
    assert found.state == state
    assert found.impact == ("none" if state == "ok" else "fatal")


def test_what_makes_disks(place: Place) -> None:
    found = programs.filesystems(place.host)
    assert told(found) == ("missing", "fatal", "the programs 'mkfs.ext4' and 'sqfstar' are not installed")
    place.program("mkfs.ext4")
    found = programs.filesystems(place.host)
    assert told(found) == ("missing", "fatal", "the program 'sqfstar' is not installed")
    place.program("sqfstar")
    assert programs.filesystems(place.host).state == "ok"


def test_what_only_some_want(place: Place) -> None:
    place.program("zstd")
    found = programs.optional(place.host)
    assert (found.state, found.impact) == ("missing", "degraded")
    assert "'sqfs2tar' is not installed" in found.evidence
    place.program("sqfs2tar")
    assert programs.optional(place.host).state == "ok"


def test_skopeo(place: Place) -> None:
    """Without it there is no pull, but everything else."""
    assert told(programs.skopeo(place.host)) == (
        *("missing", "degraded"),
        "the program 'skopeo' is not installed",
    )
    place.program("skopeo", "echo skopeo version 1.9.3")
    found = programs.skopeo(place.host)
    assert told(found)[:2] == ("missing", "degraded")
    assert "policy.json is missing" in found.evidence
    place.write("home/.config/containers/policy.json", "{}")
    assert told(programs.skopeo(place.host)) == ("ok", "none", "1.9.3")
    place.program("skopeo", "echo Illegal instruction >&2; exit 132")
    assert told(programs.skopeo(place.host))[:2] == ("unusable", "degraded")


def test_a_policy_that_may_not_be_seen_is_none(place: Place) -> None:
    place.program("skopeo", "echo skopeo version 1.9.3")
    policy = place.write("home/.config/containers/policy.json", "{}")
    policy.parent.chmod(0)
    with nobody():
        assert programs.skopeo(place.host).state == "missing"
    policy.parent.chmod(0o700)


# The guest image.


def test_a_guest_image_that_is_there(place: Place) -> None:
    place.guest_image()
    state, impact, evidence = told(guest.image(place.host))
    assert (state, impact) == ("ok", "none")
    assert evidence.startswith("abc-")
    assert guest.builder(place.host) is None


def test_a_guest_image_that_is_not_built(place: Place) -> None:
    found = guest.image(place.host)
    assert told(found)[:2] == ("missing", "degraded")
    assert found.mend == ("vmpod guest build",)
    assert not place.host.paths.guests.exists()


@pytest.mark.parametrize("lost", ["kernel", "root", "guest.json"])
def test_a_guest_image_that_is_damaged(lost: str, place: Place) -> None:
    path = place.guest_image() / lost
    path.write_text("{") if lost == "guest.json" else path.unlink()
    found = guest.image(place.host)
    assert told(found)[:2] == ("unusable", "fatal")
    assert lost in found.evidence
    assert found.mend == ("vmpod guest build --force",)


def test_what_builds_a_guest_image(place: Place) -> None:
    found = guest.builder(place.host)
    assert told(found)[:2] == ("missing", "fatal")
    assert found
    assert "'mmdebstrap' and 'mksquashfs' and 'zstd'" in found.evidence
    for name in ("mmdebstrap", "mksquashfs", "zstd", "newuidmap"):
        place.program(name)
    if os.geteuid() == 0:
        assert told(guest.builder(place.host))[0] == "ok"
    with nobody():
        found = guest.builder(place.host)
        assert told(found)[:2] == ("missing", "fatal")
        assert found
        assert found.evidence.endswith(f"has no range in {place.top}/etc/subuid")
        assert "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " in found.mend[0]
        uid = os.geteuid()
    # Nobody else's range is given away.
    place.write("etc/subuid", "other:100000:65536\nodd\nmore:x:y\n")
    with nobody():
        found = guest.builder(place.host)
        assert found
        assert "--add-subuids 165536-231071 " in found.mend[0]
    place.write("etc/subuid", f"other:1:65536\n{uid}:100000:65536\n")
    with nobody():
        assert told(guest.builder(place.host))[0] == "ok"
