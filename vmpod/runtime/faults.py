"""Why a machine did not come up, or went: read from what it and its QEMU said last.

Each cause is an error of its own, whose message names the phase and whose hint says what to do, shows
the console's last lines, and where all of it is kept.
"""

from __future__ import annotations

import re
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import (
    AgentFailedError,
    BootTimeoutError,
    GuestInitError,
    GuestPanicError,
    QemuEndedError,
    VmpodError,
)
from vmpod.files import abandoned, write_atomically
from vmpod.runtime.context import DRIVER_ROOT
from vmpod.state.record import Record
from vmpod.text import printable
from vmpod.wire.events import BOOTED

_CONSOLE_LINES = 12
_READ = 64 * 1024
_KEPT = 20
"""Logs of so many failed starts are kept."""

# In this order: the first failure makes the later ones. A kernel whose init ends panics.
_CONSOLE: tuple[tuple[re.Pattern[str], type[VmpodError], str, str], ...] = (
    (
        re.compile(r"vmpod-init: FAILED: (.+)"),
        GuestInitError,
        "the guest's initrd failed: {}",
        "`vmpod guest build --force` makes the guest image anew",
    ),
    (
        re.compile(r"vmpod-agent: failed: (.+)"),
        AgentFailedError,
        "the guest's agent failed: {}",
        "the lines below `failed:` are places in its code: this is a fault of vmpod, or of a full disk",
    ),
    (
        re.compile(r"Kernel panic - not syncing: (.+)"),
        GuestPanicError,
        "the guest's kernel panicked: {}",
        "`vmpod guest build --force` makes the guest image anew; more memory for the pod may help",
    ),
    (
        re.compile(r"vmpod-agent: [\d.]+ s: Broken (.+)"),
        AgentFailedError,
        "the guest's agent failed: {}",
        "what it could not do is in the message",
    ),
)
_QEMU = re.compile(r"^(?:\S+ )?qemu-system-\w+: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Evidence:
    """The logs of a machine. skip: bytes of the console's log that are an earlier machine's."""

    console: Path
    qemu: Path
    skip: int = 0

    def said(self) -> str:
        """The end of what the machine has written to its console since its last start."""
        return _tail(self.console, self.skip)

    def last_words(self) -> str:
        """QEMU's own last message; '' if it went without one."""
        found = _QEMU.findall(_tail(self.qemu, 0))
        return printable(found[-1]) if found else ""


def ended(phase: str, evidence: Evidence, kept: Path | None = None) -> VmpodError:
    """The error for a machine that ended. phase: what was being done, as in 'booting the guest'."""
    console = evidence.said()
    if known := _known(phase, console, evidence, kept):
        return known
    words = evidence.last_words()
    why = f": {words}" if words else ", without a word: it was killed, or it crashed"
    return QemuEndedError(
        f"{phase}: QEMU ended{why}",
        hint=_hint("`dmesg` tells whether the host's kernel killed it for want of memory", evidence, kept),
    )


def timed_out(phase: str, seconds: float, evidence: Evidence, kept: Path | None = None) -> VmpodError:
    """The error for a machine that did not answer in time."""
    console = evidence.said()
    if known := _known(phase, console, evidence, kept):
        return known
    if console.strip():
        what, remedy = (
            "the guest's agent did not answer",
            "a busy host is slow: --boot-timeout gives it longer",
        )
    else:
        what = "the guest's kernel has not said a word, and its agent did not answer"
        remedy = (
            "a busy host is slow: --boot-timeout gives it longer; where KVM is not what it seems, "
            "--accel tcg runs without it, and `vmpod doctor --fresh` tries it"
        )
    return BootTimeoutError(f"{phase}: {what} in {seconds:g} s", hint=_hint(remedy, evidence, kept))


def agent_failed(phase: str, message: str, evidence: Evidence, kept: Path | None = None) -> VmpodError:
    """The error for an agent that has said why it cannot go on."""
    return AgentFailedError(
        f"{phase}: the guest's agent failed: {printable(message)}",
        hint=_hint("what it could not do is in the message", evidence, kept),
    )


def cause(console: Path) -> str:
    """What ended a machine that had come up, as far as its console tells; '' if it does not."""
    # The log goes on from machine to machine; the agent's first words begin the part of the last one.
    text = _tail(console, 0).rpartition(f": {BOOTED}")[2]
    for pattern, _, sentence, _ in _CONSOLE:
        if found := pattern.findall(text):
            return sentence.format(printable(found[-1].strip()))
    return ""


def qemu_log(record: Record) -> Path:
    """Where libvirt has QEMU write what it has to say."""
    top = {
        "qemu:///system": Path("/var/log/libvirt/qemu"),
        "qemu:///session": Path("~/.cache/libvirt/qemu/log").expanduser(),
    }.get(record.uri, record.sockets / DRIVER_ROOT / "log/qemu")
    return top / f"{record.machine_name}.log"


def failures(state: Path) -> Path:
    """Where the logs of pods are kept whose start failed, as KEY.log."""
    return state / "failures"


def keep(evidence: Evidence, directory: Path, name: str) -> Path:
    """Copy what a failed machine wrote to `<directory>/<name>.log`; the oldest such logs go.

    The pod is removed, and this is what is left to look at. Raises OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = directory / f"{name}.log"
    text = f"--- console\n{evidence.said()}\n--- QEMU\n{_tail(evidence.qemu, 0)}"
    write_atomically(target, text.encode())
    newest = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [*newest[_KEPT:], *abandoned(directory)]:
        old.unlink(missing_ok=True)
    return target


def console_tail(path: Path, *, skip: int = 0, kept: Path | None = None) -> str:
    """The last lines of a console log, fit for a terminal, and where the log is.

    skip: bytes at its beginning that do not count; kept: where it will be, if it does not stay.
    """
    where = kept or path
    if not path.exists():
        return f"the machine wrote no console log ({where})"
    lines = [printable(line) for line in _tail(path, skip).splitlines() if line.strip()][-_CONSOLE_LINES:]
    if not lines:
        return f"the console log is empty: {where}"
    return f"the console's last lines, from {where}:\n" + "\n".join(f"  | {line}" for line in lines)


def _known(phase: str, console: str, evidence: Evidence, kept: Path | None) -> VmpodError | None:
    for pattern, kind, sentence, remedy in _CONSOLE:
        if found := pattern.search(console):
            told = sentence.format(printable(found[1].strip()))
            return kind(f"{phase}: {told}", hint=_hint(remedy, evidence, kept))
    return None


def _hint(remedy: str, evidence: Evidence, kept: Path | None) -> str:
    return f"{remedy}\n{console_tail(evidence.console, skip=evidence.skip, kept=kept)}"


def _tail(path: Path, skip: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(skip, path.stat().st_size - _READ))
            return file.read(_READ).decode(errors="replace")
    except OSError:
        return ""
