"""The parts that tell of a pod's machine as the host sees it: its domain, its QEMU, its console."""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.plan.model import CONSOLE
from vmpod.runtime.diag.archive import Archive, MissingError, Text
from vmpod.runtime.diag.files import listing, tail
from vmpod.runtime.diag.subject import Subject
from vmpod.runtime.faults import qemu_log
from vmpod.state.machine import FILE as MACHINE
from vmpod.state.machine import load as load_machine

_BETWEEN = 0.5  # seconds, in which a processor that spins uses about as much
_FIELDS = re.compile(
    r"^(?:Name|State|Threads|VmRSS|VmSwap|SigBlk|SigIgn|voluntary|nonvoluntary).*$", re.MULTILINE
)


@dataclass(frozen=True)
class MachineParts:
    """margin: see files.tail()."""

    subject: Subject
    margin: int

    def collect(self, archive: Archive) -> None:
        """Add all of them."""
        directory = self.subject.directory
        archive.collect("machine/domain.xml", self._domain)
        archive.collect("machine/machine.json", partial(tail, directory / MACHINE, margin=0))
        archive.collect("machine/console.log", partial(tail, directory / CONSOLE, margin=self.margin))
        archive.collect("machine/agent.log", self._agent)
        archive.collect("machine/qemu.log", self._qemu_log)
        archive.collect("machine/process.txt", self._process)
        archive.collect("machine/files.txt", self._files)

    def _domain(self) -> str:
        from vmpod.hypervisor.domain import domain_xml  # noqa: PLC0415

        return domain_xml(load_machine(self.subject.directory))

    def _agent(self) -> Text:
        """What the agent says of itself: its lines of the console, and where in its code a fault arose."""
        console = tail(self.subject.directory / CONSOLE, margin=self.margin)
        lines = [line for line in console.text.splitlines() if "vmpod-" in line or line.startswith("  at ")]
        return Text("\n".join(lines), "its lines of the console")

    def _qemu_log(self) -> Text:
        return tail(qemu_log(self.subject.known().record), margin=self.margin)

    def _process(self) -> str:
        """Its state and its threads, and how much each has worked within half a second."""
        if not self.subject.machines:
            raise MissingError("no QEMU runs with the pod's disks")
        return "\n".join(_process(machine.process.pid) for machine in self.subject.machines)

    def _files(self) -> str:
        entry = self.subject.entry
        directories = [self.subject.directory, *([entry.record.sockets] if entry else [])]
        return listing(directory for directory in directories if directory.exists())


def _process(pid: int) -> str:
    top = Path(f"/proc/{pid}")
    before = _ticks(top)
    time.sleep(_BETWEEN)
    after = _ticks(top)
    status = "\n".join(_FIELDS.findall((top / "status").read_text()))
    threads = [
        f"  {number} {name} {state} {ticks - before.get(number, ('', '', ticks))[2]} ticks in {_BETWEEN:g} s"
        for number, (name, state, ticks) in after.items()
    ]
    return f"process {pid}\n{status}\nthreads:\n" + "\n".join(threads) + "\n"


def _ticks(top: Path) -> dict[str, tuple[str, str, int]]:
    """By the number of a thread its name, its state, and the ticks that it has used."""
    found = {}
    for path in sorted((top / "task").iterdir()):
        try:
            head, _, rest = (path / "stat").read_text().rpartition(")")
        except OSError:
            continue  # it has just ended
        fields = rest.split()
        found[path.name] = head.partition("(")[2], fields[0], int(fields[11]) + int(fields[12])
    return found
