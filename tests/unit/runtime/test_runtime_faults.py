"""What is made of a machine's last words, and QEMU's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmpod.doctor import space
from vmpod.errors import DiskFullError, HostMemoryError, MissingProgramError, VmpodError
from vmpod.runtime import preflight
from vmpod.runtime.faults import Evidence, agent_failed, cause, console_tail, ended, keep, timed_out

INIT = "vmpod-init: FAILED: cannot mount /dev/vda on /disk\n"
PANIC = "[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n"
ROOT = "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
AGENT = "vmpod-agent: failed: OSError: [Errno 28] No space left on device\n  at main.py:3 run\n"
QEMU = (
    "2026-01-31 12:00:00.000+0000: starting up libvirt version: 9.0.0\n"
    "LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=vmpod-x\n"
    "2026-01-31T12:00:01.000000Z qemu-system-x86_64: terminating on signal 15 from pid 77 (kill)\n"
    "2026-01-31 12:00:02.000+0000: shutting down, reason=crashed\n"
)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path / "console.log", tmp_path / "qemu.log")


@pytest.mark.parametrize(
    ("console", "qemu", "code", "message"),
    [
        (INIT + PANIC, "", "guest-init", "the guest's initrd failed: cannot mount /dev/vda on /disk"),
        (ROOT, "", "guest-panic", "the guest's kernel panicked: VFS: Unable to mount root fs on"),
        (AGENT + PANIC, "", "agent-failed", "the guest's agent failed: OSError: [Errno 28] No space left"),
        (PANIC, QEMU, "guest-panic", "Attempted to kill init!"),
        ("", QEMU, "qemu-ended", "QEMU ended: terminating on signal 15 from pid 77 (kill)"),
        ("hello\n", "", "qemu-ended", "QEMU ended, without a word: it was killed, or it crashed"),
    ],
)
def test_an_end_is_explained(console: str, qemu: str, code: str, message: str, evidence: Evidence) -> None:
    evidence.console.write_text(console)
    evidence.qemu.write_text(qemu)
    error = ended("booting the guest", evidence)
    assert error.code == code
    assert error.message.startswith("booting the guest: ")
    assert message in error.message
    assert str(evidence.console) in str(error.hint)
    assert str(error.hint).splitlines()[0]  # what to do comes first


def test_silence_is_told_apart_from_slowness(evidence: Evidence) -> None:
    evidence.console.touch()
    silent = timed_out("booting the guest", 3.0, evidence)
    assert silent.code == "boot-timeout"
    assert "kernel has not said a word, and its agent did not answer in 3 s" in silent.message
    assert "--accel tcg" in str(silent.hint)
    evidence.console.write_text("vmpod-agent: 3.1 s: Booted\n")
    slow = timed_out("handing over the pod", 60.0, evidence)
    assert slow.message == "handing over the pod: the guest's agent did not answer in 60 s"
    evidence.console.write_text(ROOT)
    assert timed_out("booting the guest", 3.0, evidence).code == "guest-panic"


def test_what_an_earlier_machine_of_the_pod_wrote_does_not_count(evidence: Evidence) -> None:
    evidence.console.write_text(ROOT)
    later = Evidence(evidence.console, evidence.qemu, len(ROOT))
    assert ended("booting the guest", later).code == "qemu-ended"
    assert "the console log is empty" in str(timed_out("booting the guest", 1.0, later).hint)
    evidence.console.write_text(f"{ROOT}vmpod-agent: 3.1 s: Booted\nfine\n")
    assert cause(evidence.console) == ""
    evidence.console.write_text(f"vmpod-agent: 3.1 s: Booted\n{ROOT}")
    assert cause(evidence.console).startswith("the guest's kernel panicked: VFS")


def test_what_the_guest_says_cannot_control_a_terminal(evidence: Evidence) -> None:
    evidence.console.write_bytes(b"Kernel panic - not syncing: \x1b[2Jboo\xff\n")
    error = ended("booting the guest", evidence)
    assert "\x1b" not in error.message + str(error.hint)
    assert "\x1b" not in agent_failed("booting the guest", "\x1b[2J", evidence).message


def test_logs_are_kept_and_only_so_many(evidence: Evidence, tmp_path: Path) -> None:
    evidence.console.write_text(ROOT)
    evidence.qemu.write_text(QEMU)
    directory = tmp_path / "failures"
    for number in range(25):
        kept = keep(evidence, directory, f"pod{number}")
        os.utime(kept, (number, number))
    (directory / ".x.log.4194305.abc").touch()  # whoever wrote it was killed
    kept = keep(evidence, directory, "last")
    assert len(list(directory.iterdir())) == 20
    text = kept.read_text()
    assert ROOT in text
    assert QEMU in text
    assert kept.stat().st_mode & 0o777 == 0o600
    assert str(kept) in str(ended("booting the guest", evidence, kept).hint)


def test_the_tail_of_a_console_is_short_whatever_it_holds(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    assert console_tail(console) == f"the machine wrote no console log ({console})"
    console.write_bytes(b"")
    assert console_tail(console) == f"the console log is empty: {console}"
    console.write_bytes(b"x" * 10_000_000)
    assert len(console_tail(console)) < 70_000
    console.write_bytes(b"".join(b"line %d\r\n\r\n" % n for n in range(100)))
    assert "  | line 99" in console_tail(console)
    assert "  | line 80" not in console_tail(console)


# What is looked at before.


def test_a_program_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmpod.run.environment", lambda: {"PATH": str(tmp_path)})
    with pytest.raises(MissingProgramError, match="'qemu-system-x86_64' is not installed") as error:
        preflight.check_host(tmp_path)
    assert "apt-get install qemu-system-x86" in str(error.value.hint)
    assert "`vmpod doctor` makes this check, 'qemu'" in str(error.value.hint)


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "NEEDED", {})
    preflight.check_host(tmp_path / "not/there/yet")
    monkeypatch.setattr(space, "FREE", 1 << 60)
    with pytest.raises(DiskFullError, match="of free space"):
        preflight.check_host(tmp_path / "not/there/yet")
    assert list(tmp_path.iterdir()) == []


def test_a_machine_larger_than_the_host_is_told(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  1048576 kB\nMemFree: 1 kB\nSwapTotal: 524288 kB\nHugePages_Total: 0\n")
    preflight.check_memory(1536 << 20, meminfo)
    with pytest.raises(HostMemoryError, match="needs 1537 MiB of memory, the host has 1536 MiB") as error:
        preflight.check_memory(1537 << 20, meminfo)
    assert isinstance(error.value, VmpodError)
