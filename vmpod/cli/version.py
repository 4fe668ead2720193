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
    from vmpod.hypervisor.versions import libvirt_version, qemu_version  # noqa: PLC0415

    found = {
        "vmpod": __version__,
        "python": platform.python_version(),
        "libvirt": libvirt_version(),
        "qemu": qemu_version(),
    }
    if output.structured:
        output.show({"apiVersion": "vmpod/v1", "kind": "Version"} | found)
        return
    for name, version in found.items():
        click.echo(f"{name:8} {version}")
