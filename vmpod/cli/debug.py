"""`vmpod debug`."""

from __future__ import annotations

import click

from vmpod.cli.common import quiet_option, runtime
from vmpod.cli.names import CONTAINER, IMAGE, POD
from vmpod.cli.progress import progress
from vmpod.errors import UsageError


def _variables(words: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise UsageError(f"--env {name}: must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


@click.command("debug", context_settings={"ignore_unknown_options": True})
@click.argument("pod", type=POD)
@click.option("--image", default="", type=IMAGE, metavar="IMAGE", help="The image of the container.")
@click.option(
    "--toolbox",
    is_flag=True,
    help="In place of an image: ip, ss, nsenter, strace, tcpdump and more, with all rights in the machine.",
)
@click.option(
    "--target",
    default="",
    type=CONTAINER,
    metavar="CONTAINER",
    help="See this container's processes; without it, its own.",
)
@click.option(
    "-c", "--container", "name", default="", metavar="NAME", help="Its name. [default: debugger-XXXXX]"
)
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on, and watch what it writes.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal.")
@click.option("--attach", is_flag=True, help="Watch what it writes; -i does so, too.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable; may be repeated.")
@click.option(
    "--image-pull-policy",
    "policy",
    type=click.Choice(["Always", "IfNotPresent", "Never"]),
    help="When its registry is asked. [default: Always for the tag latest or none, else IfNotPresent]",
)
@quiet_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARG]...]")
def command(  # noqa: PLR0917 - click passes options by name
    pod: str,
    image: str,
    toolbox: bool,
    target: str,
    name: str,
    stdin: bool,
    tty: bool,
    attach: bool,
    env: tuple[str, ...],
    policy: str | None,
    quiet: bool,
    words: tuple[str, ...],
) -> int:
    """Add a container to a POD that runs, to look around in it.

    It shares the pod's network, and with --target a container's processes, whose files are below
    /proc/PID/root then. It may trace them (SYS_PTRACE). Without a COMMAND it runs what its image says. It is
    never started again, and the pod does not wait for it. `vmpod logs`, `attach` and `exec` know its name.

    With --toolbox it sees the whole machine, with the agent's processes and those of all containers: their
    files are below /proc/PID/root, and `nsenter -t PID -a` goes to where they are. The toolbox is built from
    Debian packages when it is first wanted.

    Watched (-i, --attach), the exit status is the container's; from a terminal Ctrl-P Ctrl-Q leads back. Else
    its name is printed.
    """
    from vmpod.client.attach import relay  # noqa: PLC0415
    from vmpod.runtime.debug import TOOLBOX, Wanted, debugger  # noqa: PLC0415

    if bool(image) is toolbox:
        raise UsageError("one of --image and --toolbox is needed")
    if toolbox and target:
        raise UsageError("--toolbox sees all processes of the machine: it takes no --target")
    wanted = Wanted(
        image=TOOLBOX if toolbox else image,
        name=name,
        target=target,
        command=words,
        env=_variables(env),
        stdin=stdin,
        tty=tty,
        pull_policy=policy or "",
    )
    watched = attach or stdin
    with debugger(runtime(), pod, wanted, attach=watched, progress=progress(quiet=quiet)) as found:
        called, session, stream = found
        if not watched:
            click.echo(called)
            return 0
        if not quiet:
            click.echo(f"vmpod: the container is called {called}", err=True)
        return relay(session, stream, stdin=stdin, tty=tty, forward=True)
