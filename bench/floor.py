#!/usr/bin/env python3
"""The floor F: how long bare QEMU takes from its start to the first instruction of user space.

Same kernel, accelerator, machine and command line as a pod's machine; but no device, no library, and an
initrd that holds nothing except a static program that writes one byte to the console and stops.
No pod that boots this kernel can start faster.

    bench/floor.py [--rounds 5] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common
from vmpod.guestimage.cpio import archive
from vmpod.guestimage.model import GuestImage
from vmpod.guestimage.store import GuestStore
from vmpod.guestimage.tree import file
from vmpod.paths import default_paths
from vmpod.progress import SILENT

BYTE = b"!"
MACHINE = [
    "-nodefaults -no-user-config -display none -no-reboot",
    "-machine q35,usb=off,vmport=off -smp 1 -m 256 -serial stdio",
]
ACCELERATORS = {
    "tcg": "-accel tcg,thread=single,tb-size=128 -cpu max,erms=off,la57=off",
    "kvm": "-accel kvm -cpu host",
}


def static_init() -> bytes:
    """A static x86-64 ELF program: write(1, "!", 1), then reboot(RB_POWER_OFF)."""
    code = b"".join(
        [
            b"\xb8\x01\x00\x00\x00",  # mov eax, 1            write
            b"\xbf\x01\x00\x00\x00",  # mov edi, 1
            b"\x48\x8d\x35\x1f\x00\x00\x00",  # lea rsi, [rip+31]     the byte after the code
            b"\xba\x01\x00\x00\x00",  # mov edx, 1
            b"\x0f\x05",  # syscall
            b"\xb8\xa9\x00\x00\x00",  # mov eax, 169          reboot
            b"\xbf\xad\xde\xe1\xfe",  # mov edi, LINUX_REBOOT_MAGIC1
            b"\xbe\x69\x19\x12\x28",  # mov esi, LINUX_REBOOT_MAGIC2
            b"\xba\xdc\xfe\x21\x43",  # mov edx, LINUX_REBOOT_CMD_POWER_OFF
            b"\x0f\x05",  # syscall
            b"\xeb\xfe",  # jmp .
        ]
    )
    base, headers = 0x400000, 64 + 56
    size = headers + len(code) + len(BYTE)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + segment + code + BYTE


def measured(image: GuestImage, accel: str) -> tuple[float, float]:
    """One run, from the start of QEMU to the byte on its serial console: seconds, and QEMU's CPU seconds."""
    with tempfile.NamedTemporaryFile() as initrd:
        initrd.write(archive({"init": file(static_init(), executable=True)}))
        initrd.flush()
        boot = ["-kernel", str(image.kernel), "-initrd", initrd.name, "-append", image.command_line[accel]]
        argv = ["qemu-system-x86_64", *" ".join([*MACHINE, ACCELERATORS[accel]]).split(), *boot]
        start = time.monotonic()
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            assert qemu.stdout is not None
            said = b""
            while not said.endswith(BYTE):
                byte = qemu.stdout.read(1)
                if not byte:
                    sys.exit(f"the machine ended without the byte; it said: {said.decode(errors='replace')}")
                said += byte
            taken = time.monotonic() - start
            used = common.process_cpu(qemu.pid)
            qemu.kill()
    return taken, used


def floor(accel: str, rounds: int) -> list[float]:
    """The seconds of each round."""
    image = GuestStore(default_paths().guests).ensure(SILENT)
    return [measured(image, accel)[0] for _ in range(rounds)]


def main() -> None:
    options = common.options(__doc__).parse_args()
    taken = floor(options.accel, options.rounds)
    spread = f"{min(taken):.2f} to {max(taken):.2f}, {len(taken)} rounds"
    print(f"F = {statistics.median(taken):.2f} s  ({spread})")
    common.write(options, {"F": taken})


if __name__ == "__main__":
    main()
