"""Opening hypervisors: the embedded driver's root, URIs, and libvirt's errors in our words."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import libvirt
import pytest

from vmpod.errors import (
    ConflictError,
    HostError,
    HypervisorError,
    MissingProgramError,
    PortTakenError,
    UsageError,
    VmpodError,
)
from vmpod.hypervisor import libvirt_errors
from vmpod.hypervisor.connection import LibvirtHypervisor
from vmpod.hypervisor.embedded import check_socket_path, prepare_root
from vmpod.hypervisor.libvirt_errors import translate, translated
from vmpod.hypervisor.open import check_uri, hypervisor
from vmpod.plan.forward import Forward


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for sockets."""
    with tempfile.TemporaryDirectory(prefix="vmpod-") as directory:
        yield Path(directory)


def test_an_embedded_root_is_prepared_and_may_be_again(short: Path) -> None:
    root, cache = short / "v", short / "cache"
    assert prepare_root(root, cache) == prepare_root(root, cache) == f"qemu:///embed?root={root}"
    settings = (root / "etc/qemu.conf").read_text()
    assert f'user = "+{os.geteuid()}"' in settings
    assert "seccomp_sandbox = 1" in settings
    assert (root / "cache").resolve() == cache
    assert cache.is_dir()


def test_a_root_with_odd_characters_is_quoted(short: Path) -> None:
    root = short / "a b&c?d"
    uri = prepare_root(root, short / "cache")
    assert "?d" not in uri.partition("root=")[2]
    assert unquote(uri.partition("root=")[2]) == str(root)


def test_a_root_whose_sockets_would_have_too_long_paths_is_refused(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 80)
    with pytest.raises(HostError, match="is too long for a socket: 107 bytes") as error:
        prepare_root(root, tmp_path / "cache")
    assert "VMPOD_HOME" in str(error.value.hint)
    assert not root.exists()


def test_the_limit_of_socket_paths_is_the_kernels() -> None:
    import socket  # noqa: PLC0415

    longest = "/tmp/" + "x" * 102
    check_socket_path(Path(longest))
    with pytest.raises(HostError):
        check_socket_path(Path(longest + "x"))
    with pytest.raises(HostError):
        check_socket_path(Path("/tmp/" + "é" * 52))
    with socket.socket(socket.AF_UNIX) as probe:
        # The kernel's own word: nobody listens there, but the path is no error.
        with pytest.raises(FileNotFoundError):
            probe.connect(longest)
        with pytest.raises(OSError, match="too long"):
            probe.connect(longest + "x")


@pytest.mark.parametrize("uri", ["", "qemu:///system", "qemu:///session", "qemu:///embed?root=/x"])
def test_uris_of_this_host(uri: str) -> None:
    assert check_uri(uri) == uri


@pytest.mark.parametrize(
    "uri", ["qemu+ssh://host/system", "xen:///", "test:///default", "qemu://host/system"]
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="not a QEMU driver of this host"):
        check_uri(uri)


def test_a_connection_that_cannot_be_opened() -> None:
    with pytest.raises(HypervisorError, match="could not open nonsense:///x"):
        LibvirtHypervisor("nonsense:///x")


def test_libvirts_errors_are_raised_as_ours(capfd: pytest.CaptureFixture[str]) -> None:
    libvirt_errors.silence()
    connection = libvirt.open("test:///default")
    with (
        pytest.raises(HypervisorError, match="could not look: Domain not found") as error,
        translated("could not look"),
    ):
        connection.lookupByName("no-such")
    assert isinstance(error.value.__cause__, libvirt.libvirtError)
    connection.close()
    assert capfd.readouterr() == ("", ""), "libvirt's own words have to be kept back"


def raised(connection: libvirt.virConnect, xml: str) -> libvirt.libvirtError:
    with pytest.raises(libvirt.libvirtError) as error:
        connection.createXML(xml, 0)
    return error.value


def test_a_machine_that_runs_already_is_a_conflict() -> None:
    libvirt_errors.silence()
    connection = libvirt.open("test:///default")
    xml = "<domain type='test'><name>{}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    domain = connection.createXML(xml.format("one"), 0)
    error = translate(raised(connection, xml.format("one")), "could not start")
    assert isinstance(error, ConflictError)
    assert error.hint
    domain.destroy()
    other = translate(raised(connection, "<domain/>"), "could not start")
    assert isinstance(other, HypervisorError)
    connection.close()


def test_a_missing_machine_is_not_destroyed_twice() -> None:
    with LibvirtHypervisor("test:///default") as found:
        found.destroy("12345678-1234-5678-1234-567812345678", "vmpod-hello")


def test_an_error_of_another_kind_passes() -> None:
    with pytest.raises(KeyError), translated("could not"):
        raise KeyError


class NoUserError(libvirt.libvirtError):  # type: ignore[misc] # libvirt has no types
    """What root's driver raises on a system without its default user."""

    def __init__(self) -> None:
        super().__init__("")

    def get_error_code(self) -> int:
        return int(libvirt.VIR_ERR_INVALID_ARG)

    def get_error_message(self) -> str:
        return "Failed to parse user 'libvirt-qemu'"


def test_the_user_that_libvirt_wants_is_named() -> None:
    error = translate(NoUserError(), "could not open qemu:///embed")
    assert isinstance(error, HostError)
    assert "useradd" in (error.hint or "")


class Libvirts(libvirt.libvirtError):  # type: ignore[misc] # libvirt has no types
    """An error of libvirt's, with its code and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__("")
        self.code = code
        self.words = words

    def get_error_code(self) -> int:
        return self.code

    def get_error_message(self) -> str:
        return self.words


@pytest.mark.parametrize(
    ("code", "words", "kind", "told", "mend"),
    [
        (
            libvirt.VIR_ERR_NO_CONNECT,
            "no connection driver available for qemu:///embed?root=/x",
            MissingProgramError,
            "libvirt's QEMU driver is not installed",
            "install libvirt-daemon",
        ),
        (
            libvirt.VIR_ERR_OPERATION_FAILED,
            "Failed to create state dir '/root/.cache/libvirt/hostdevmgr'",
            HostError,
            "Failed to create state dir",
            "set HOME to a directory of this user's",
        ),
        (
            libvirt.VIR_ERR_SYSTEM_ERROR,
            "Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory",
            HypervisorError,
            "No such file or directory",
            "systemctl start libvirtd",
        ),
        (
            libvirt.VIR_ERR_SYSTEM_ERROR,
            "Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied",
            HypervisorError,
            "Permission denied",
            "usermod --append --groups libvirt",
        ),
        (
            libvirt.VIR_ERR_INVALID_ARG,
            "Failed to parse user 'qemu'",
            HostError,
            "the system user qemu to exist",
            "useradd --system",
        ),
    ],
)
def test_a_libvirt_that_is_half_installed(
    code: int, words: str, kind: type[VmpodError], told: str, mend: str
) -> None:
    """What lacks is told with what mends it, and the check of `vmpod doctor` that looks at it."""
    error = translate(Libvirts(code, words), "could not open qemu:///embed")
    assert type(error) is kind
    assert told in error.message
    assert mend in (error.hint or "")
    assert "`vmpod doctor` makes this check" in (error.hint or "")


class InternalError(libvirt.libvirtError):  # type: ignore[misc] # libvirt has no types
    """What libvirt raises for a QEMU that ends at once, with QEMU's words in its message."""

    def __init__(self, words: str) -> None:
        super().__init__("")
        self.words = words

    def get_error_code(self) -> int:
        return int(libvirt.VIR_ERR_INTERNAL_ERROR)

    def get_error_message(self) -> str:
        return self.words


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            "exited while connecting to monitor: qemu-system-x86_64: cannot set up guest memory 'pc.ram'",
            "host-memory",
            "cannot set up guest memory",
        ),
        (
            "qemu unexpectedly closed the monitor: qemu-system-x86_64: -M q35: no such machine",
            "qemu-ended",
            "QEMU ended at once: -M q35: no such machine",
        ),
        (
            "QEMU unexpectedly closed the monitor (vm='x'): qemu-system-x86_64: No space left on device",
            "disk-full",
            "No space left on device",
        ),
        ("internal error: something else", "hypervisor", "something else"),
    ],
)
def test_a_qemu_that_ends_at_once_tells_why(words: str, code: str, told: str) -> None:
    error = translate(InternalError(words), "could not start the machine vmpod-x")
    assert error.code == code
    assert error.message.startswith("could not start the machine vmpod-x: ")
    assert told in error.message


def test_a_libvirt_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt, "getVersion", lambda: 5_006_000)
    with pytest.raises(MissingProgramError, match=r"libvirt 5\.6 is too old: 6\.1 is needed"):
        LibvirtHypervisor("test:///default")


def test_a_host_without_libvirts_binding_is_told(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr("vmpod.hypervisor.binding.find_spec", lambda _name: None)
    with (
        pytest.raises(MissingProgramError, match="Python binding is not installed") as error,
        hypervisor("", root=short / "v", cache=short / "cache"),
    ):
        pass
    assert "python3-libvirt" in str(error.value.hint)


def test_a_port_that_was_taken_after_it_was_looked_at_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "could not set up host forwarding rule 'tcp:127.0.0.1:80-:80'"
    monkeypatch.setattr("libvirt_qemu.qemuMonitorCommand", lambda *_: f"{told}\r\n")
    with LibvirtHypervisor("test:///default") as found:
        with pytest.raises(PortTakenError, match=r"host port 80 \(TCP\) is taken"):
            found._forward(None, Forward("127.0.0.1", 80, 80))
        monkeypatch.setattr("libvirt_qemu.qemuMonitorCommand", lambda *_: "")
        found._forward(None, Forward("127.0.0.1", 80, 80))
