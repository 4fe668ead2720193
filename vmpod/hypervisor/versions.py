"""The versions of what starts machines; 'missing (...)' for what is not installed."""

from __future__ import annotations


def libvirt_version() -> str:
    """Of the library that is loaded."""
    try:
        import libvirt  # noqa: PLC0415 - takes time
    except ImportError as error:
        return f"missing ({error})"
    number = libvirt.getVersion()
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def qemu_version() -> str:
    """Of the emulator that is found first."""
    from vmpod.errors import VmpodError  # noqa: PLC0415
    from vmpod.run import run  # noqa: PLC0415

    try:
        said = run(["qemu-system-x86_64", "--version"], timeout=20).decode()
    except VmpodError as error:
        return f"missing ({error.message})"
    return said.splitlines()[0].partition("version ")[2]
