"""`vmpod version`."""

from __future__ import annotations

import platform

import click

from vmpod import __version__
from vmpod.cli.listing import Output, output_option


@click.command("version")
@output_option("json", "yaml")
def command(output: Output) -> None:
    """Show the versions of vmpod and of what it builds on."""
    found = {
        "vmpod": __version__,
        "python": platform.python_version(),
        "libvirt": _libvirt(),
        "qemu": _qemu(),
    }
    if output.structured:
        output.show({"apiVersion": "vmpod/v1", "kind": "Version"} | found)
        return
    for name, version in found.items():
        click.echo(f"{name:8} {version}")


def _libvirt() -> str:
    try:
        import libvirt  # noqa: PLC0415
    except ImportError as error:
        return f"missing ({error})"
    number = libvirt.getVersion()
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _qemu() -> str:
    from vmpod.errors import VmpodError  # noqa: PLC0415
    from vmpod.run import run  # noqa: PLC0415

    try:
        said = run(["qemu-system-x86_64", "--version"], timeout=20).decode()
    except VmpodError as error:
        return f"missing ({error.message})"
    return said.splitlines()[0].partition("version ")[2]
