"""`vmpod attach`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD, container_option


@click.command("attach")
@click.argument("pod", type=POD)
@container_option
@click.option("--no-stdin", is_flag=True, help="Do not pass standard input on.")
@click.option(
    "--sig-proxy/--no-sig-proxy",
    "forward",
    default=True,
    help="Pass signals on to the container; without, Ctrl-C ends the attach alone. [default: --sig-proxy]",
)
def command(pod: str, container: str, no_stdin: bool, forward: bool) -> int:
    """Watch what a container of a POD writes from now on, and write to its standard input.

    Standard input is passed on if the manifest gives the container one (`stdin: true`). The exit status is
    the container's, once it ends. What was written before is in `vmpod logs`.
    """
    from vmpod.client.attach import attach  # noqa: PLC0415
    from vmpod.client.session import session  # noqa: PLC0415

    entry = runtime().pods.find(pod)
    stdin = not no_stdin and _has_stdin(entry.record.document, container or entry.record.containers[0])
    with session(entry.record.sockets) as found:
        return attach(found, container, stdin=stdin, forward=forward)


def _has_stdin(document: Mapping[str, Any], container: str) -> bool:
    spec = document.get("spec") or {}
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return any(each.get("name") == container and each.get("stdin") is True for each in every)
