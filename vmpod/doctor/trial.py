"""Tries whether KVM really runs a guest: the guest image's kernel, and an init that says one line.

It is the machine that pods get, without its devices: what it needs of KVM is what they need. Where KVM is
what it seems, that takes a fraction of a second; elsewhere QEMU refuses at once, or computes without end.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmpod.doctor.watch import LIMITS, Limits, Outcome, Watch
from vmpod.hypervisor.verdict import QEMU, Verdict, Verdicts
from vmpod.progress import SILENT, Progress
from vmpod.run import messages, popen, which
from vmpod.text import printable

if TYPE_CHECKING:
    from vmpod.guestimage.model import GuestImage

_WORD = b"vmpod-trial: user space runs"
_MACHINE = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-sandbox", "on,spawn=deny"),
    *("-machine", "q35,usb=off,vmport=off", "-accel", "kvm", "-cpu", "host", "-smp", "1", "-m", "256"),
    *("-serial", "stdio"),
)
_KEPT = 64 * 1024


class Trial:
    """What became of a guest under KVM: as remembered, or tried (see accelerator.Trial).

    guest: gives the guest image, None if there is none to try with.
    """

    def __init__(
        self,
        verdicts: Verdicts,
        guest: Callable[[], GuestImage | None],
        *,
        progress: Progress = SILENT,
        limits: Limits = LIMITS,
    ) -> None:
        self._verdicts = verdicts
        self._guest = guest
        self._progress = progress
        self._limits = limits

    def __call__(self, now: bool, *, fresh: bool = False) -> Verdict | None:
        """now: try it if no verdict is known; fresh: even if one is.

        Raises HostError if QEMU is not installed, and what guest() raises.
        """
        found = None if fresh else self._verdicts.recall()
        if found or not now:
            return found
        which(QEMU)  # before a guest image is built to no end
        guest = self._guest()
        if guest is None:
            return None
        with self._progress.phase("Trying KVM"):
            found = attempt(guest, self._limits)
        self._verdicts.keep(found)
        return found


def attempt(guest: GuestImage, limits: Limits = LIMITS) -> Verdict:
    """Run a guest under KVM until it has proved itself, or its time is up. Raises HostError without QEMU."""
    begin = time.monotonic()
    # QEMU may abort, and that shall leave no core dump where the user happens to be.
    qemu = ["prlimit", "--core=0", which(QEMU)]
    with messages() as initrd, messages() as said:
        initrd.write(_initrd())
        initrd.flush()
        # By a name that lasts as long as we do: on a full disk there is no room for a file.
        boot = ["-kernel", str(guest.kernel), "-initrd", f"/proc/{os.getpid()}/fd/{initrd.fileno()}"]
        # One early line tells a kernel that is slow from one that never began; more would cost time.
        line = guest.command_line["kvm"].replace("quiet", "loglevel=6 earlyprintk=ttyS0")
        argv = [*qemu, *_MACHINE, *boot, "-append", line]
        with popen(argv, stdout=subprocess.PIPE, stderr=said.fileno()) as process:
            try:
                outcome = Watch(process, _WORD, limits).until_clear()
            finally:
                process.kill()
        said.seek(0)
        runs, told, sure = outcome or _ended(process.returncode, said.read(_KEPT).decode(errors="replace"))
    return Verdict(runs, told, round(time.monotonic() - begin, 3), sure)


def _initrd() -> bytes:
    from vmpod.guestimage.cpio import archive  # noqa: PLC0415 - hardly ever needed
    from vmpod.guestimage.steps import Step, program  # noqa: PLC0415
    from vmpod.guestimage.tree import file  # noqa: PLC0415

    line = _WORD.decode() + "\n"
    # write(), and reboot(RB_POWER_OFF) with the two magic numbers of reboot(2).
    steps = [Step(1, (1, line, len(line))), Step(169, (0xFEE1DEAD, 0x28121969, 0x4321FEDC))]
    return archive({"init": file(program(steps), executable=True)})


# What ends QEMU for want of something else than KVM: memory, a file, space.
_NOT_KVM = re.compile(r"allocate memory|guest memory|could not (open|load)|No space left", re.IGNORECASE)


def _ended(status: int, stderr: str) -> Outcome:
    """Why QEMU ended, as far as it said so: its first line that is no warning."""
    lines = [printable(line.strip().removeprefix(f"{QEMU}: ")) for line in stderr.splitlines()]
    said = next((line for line in lines if line and not line.startswith("warning: ")), "")
    words = f": {said.removeprefix('error: ')}" if said else ", without a word"
    # Who kills it is somebody else: a person, or a kernel that is out of memory.
    return False, f"QEMU ended{words}", status != -signal.SIGKILL and not _NOT_KVM.search(said)
