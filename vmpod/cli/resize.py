"""`vmpod resize`."""

from __future__ import annotations

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD, container_option
from vmpod.errors import UsageError


@click.command("resize")
@click.argument("pod", type=POD)
@container_option
@click.option("--pod", "whole", is_flag=True, help="What all containers have together, spec.resources.")
@click.option("--limits", metavar="RESOURCE=AMOUNT,...", help="As cpu=500m,memory=256Mi.")
@click.option("--requests", metavar="RESOURCE=AMOUNT,...", help="As --limits.")
def command(pod: str, container: str, whole: bool, limits: str | None, requests: str | None) -> None:
    """Give a POD that runs, or a container of it, other limits and requests, in place.

    What is not named stays as it is. A container is started again if its resizePolicy asks for that. Files of
    the downward API tell the new amounts at once, variables when the pod is started again. The machine keeps
    the memory and processors that it has, which the annotations vmpod/machine-memory and vmpod/machine-cpus
    of the pod can make more than it needs at first. Memory cannot be limited to less than is used.
    """
    from vmpod.runtime.resize import resize  # noqa: PLC0415

    if whole and container:
        raise UsageError("--pod and --container are two things to resize", hint="resize one after the other")
    amounts = {"--limits": _amounts("--limits", limits), "--requests": _amounts("--requests", requests)}
    if not any(amounts.values()):
        raise UsageError("say what is to change: --limits, --requests or both")
    wanted = None if whole else container
    again = resize(runtime(), pod, wanted, limits=amounts["--limits"], requests=amounts["--requests"])
    click.echo(f"pod/{pod} resized" + ", and its container is started again" * again)


def _amounts(option: str, text: str | None) -> dict[str, str]:
    found = {}
    for each in (text or "").split(","):
        name, equals, amount = each.partition("=")
        if not each:
            continue
        if not equals or name not in ("cpu", "memory"):
            raise UsageError(f"{option} {each}: must be cpu=AMOUNT or memory=AMOUNT")
        found[name] = amount
    return found
