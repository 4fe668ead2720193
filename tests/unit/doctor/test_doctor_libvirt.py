"""libvirt, as it is here, and as it is where it is half installed or hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from tests.unit.doctor.hosts import Place, nobody
from vmpod.doctor import libvirt
from vmpod.errors import HostError, MissingProgramError
from vmpod.hypervisor import embedded
from vmpod.process import command_lines


@pytest.fixture
def short(place: Place) -> Iterator[Place]:
    """A host whose sockets have short paths, and which leaves nothing."""
    yield place
    assert list(place.host.paths.runtime.iterdir() if place.host.paths.runtime.exists() else ()) == []
    top = os.fsencode(place.host.paths.runtime)
    assert [line for _, line in command_lines() if top in line] == []


def test_the_embedded_driver_opens(short: Place) -> None:
    found = libvirt.embedded(short.host)
    assert (found.state, found.impact) == ("ok", "none")
    assert found.evidence.endswith(", its embedded driver opens")
    assert found.evidence[0].isdigit()


def test_a_host_without_the_binding(short: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmpod.hypervisor.binding.find_spec", lambda _name: None)
    for found in (libvirt.embedded(short.host), libvirt.daemon(replace(short.host, uri="qemu:///system"))):
        assert found
        assert (found.state, found.impact) == ("missing", "fatal")
        assert found.evidence == "libvirt's Python binding is not installed"
        assert "python3-libvirt" in found.mend[0]
        assert not any("doctor" in line for line in found.mend)
        assert found.error is MissingProgramError


def test_a_binding_without_its_library(short: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vmpod.hypervisor.connection", None)
    found = libvirt.embedded(short.host)
    assert (found.state, found.impact) == ("missing", "fatal")
    assert found.evidence.startswith("libvirt cannot be loaded: ")


def test_a_driver_that_dies(short: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "prepare_root", lambda *_: os._exit(1))
    found = libvirt.embedded(short.host)
    assert (found.state, found.impact) == ("unusable", "fatal")
    assert "ended without a word" in found.evidence
    assert found.error is HostError


def test_a_driver_that_hangs_is_killed_with_what_it_has_started(
    short: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As libvirt's does, it starts a QEMU that is in no way its child any more."""

    def hang(root: Path, _cache: Path) -> NoReturn:
        argv = [sys.executable, "-c", "import time; time.sleep(100)", str(root)]
        subprocess.Popen(argv, start_new_session=True)
        time.sleep(100)
        raise AssertionError

    monkeypatch.setattr(embedded, "prepare_root", hang)
    monkeypatch.setattr(libvirt, "TIMEOUT", 0.5)
    begin = time.monotonic()
    found = libvirt.embedded(short.host)
    assert (found.state, found.impact) == ("unusable", "fatal")
    assert found.evidence == "libvirt did not answer within 0.5 s"
    assert time.monotonic() - begin < 10


def test_a_runtime_directory_of_somebody_else(short: Place) -> None:
    short.host.paths.runtime.mkdir()
    os.chown(short.host.paths.runtime, 1, -1)
    found = libvirt.embedded(short.host)
    os.chown(short.host.paths.runtime, os.geteuid(), -1)
    assert (found.state, found.impact) == ("unusable", "fatal")
    assert "belongs to somebody else" in found.evidence


def test_a_runtime_directory_that_cannot_be_made(place: Place) -> None:
    place.write("run", "a file is in the way")
    found = libvirt.embedded(place.host)
    assert (found.state, found.impact) == ("unusable", "fatal")
    assert found.evidence.startswith(f"{place.host.paths.runtime} cannot be written: ")


# The one that --connect names.


def connect(place: Place, uri: str) -> tuple[str, str, tuple[str, ...]]:
    found = libvirt.daemon(replace(place.host, uri=uri))
    assert found
    assert found.impact == ("none" if found.state == "ok" else "fatal")
    return found.state, found.evidence, found.mend


def test_no_daemon_is_asked_unless_one_is_named(short: Place) -> None:
    assert libvirt.daemon(short.host) is None


def test_a_daemon_that_is_not_there(short: Place) -> None:
    state, evidence, mend = connect(short, f"qemu:///system?socket={short.top}/sock")
    assert state == "missing"
    assert "No such file or directory" in evidence
    assert any("systemctl start libvirtd" in line for line in mend)


def test_a_daemon_that_is_not_for_this_user(short: Place) -> None:
    path = short.top / "sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)
        with nobody():
            state, evidence, mend = connect(short, f"qemu:///system?socket={path}")
    assert state == "denied"
    assert "Permission denied" in evidence
    assert any("--groups libvirt" in line for line in mend)


def test_a_daemon_that_is_silent(short: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt, "TIMEOUT", 0.5)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short.top / "sock"))
        server.listen()
        state, evidence, _ = connect(short, f"qemu:///system?socket={short.top}/sock")
    assert (state, evidence) == ("unusable", "libvirt did not answer within 0.5 s")


def test_a_driver_that_opens(short: Place) -> None:
    state, evidence, _ = connect(short, "test:///default")
    assert state == "ok"
    assert evidence.endswith(", test:///default opens")
