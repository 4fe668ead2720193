"""`vmpod ssh-config`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD

if TYPE_CHECKING:
    from vmpod.state.keys import Keys
    from vmpod.state.store import PodEntry


@click.command("ssh-config")
@click.argument("pods", nargs=-1, required=True, type=POD, metavar="POD...")
def command(pods: tuple[str, ...]) -> None:
    """Print what OpenSSH has to know of the machines of PODs.

    For ~/.ssh/config, or a file that `ssh -F` is told of. The machine of the pod web is called vmpod-web
    there; ssh, sftp, scp, rsync and editors reach it by that name, as `vmpod ssh` does. It stays true until
    the pod is removed, also when it is stopped and started again.
    """
    from vmpod.state.keys import keys  # noqa: PLC0415

    entries = [runtime().pods.find(pod) for pod in pods]
    stanzas = (_stanza(entry, keys(entry.record, entry.directory)) for entry in entries)
    click.echo("\n".join(stanzas), nl=False)


def _stanza(entry: PodEntry, own: Keys) -> str:
    settings = {
        "User": "root",
        "IdentityFile": _quoted(own.client),
        "IdentitiesOnly": "yes",
        "HostKeyAlias": own.alias,
        "UserKnownHostsFile": _quoted(own.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ProxyCommand": _proxy(entry.record.called),
    }
    lines = (f"  {name} {value}\n" for name, value in settings.items())
    return f"Host {own.alias}\n{''.join(lines)}"


def _proxy(pod: str) -> str:
    """The command that carries a connection; ssh has a shell run it, after it has replaced its % places."""
    variables = list(_environment())
    words = [*(["env", *variables] if variables else []), *_program(), "ssh", "--stdio", pod]
    return shlex.join(words).replace("%", "%%")


def _program() -> list[str]:
    """What runs this vmpod, from any directory."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "vmpod" and os.access(started, os.X_OK):
        return [str(started)]
    return [sys.executable, "-m", "vmpod"]


def _environment() -> Iterator[str]:
    """What decides where our pods are: whoever runs ssh may have it otherwise."""
    if home := os.environ.get("VMPOD_HOME"):
        yield f"VMPOD_HOME={Path(home).absolute()}"
    elif os.geteuid() != 0:
        for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
            if value := os.environ.get(name):
                yield f"{name}={value}"


def _quoted(path: Path) -> str:
    """As ssh_config(5) takes it."""
    text = str(path.absolute()).replace("%", "%%")
    return f'"{text}"' if " " in text else text
