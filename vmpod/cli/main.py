"""The command itself, and the one place that turns errors into text and an exit status."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import NoReturn

import click

from vmpod import log
from vmpod.errors import ManifestError, VmpodError, from_system
from vmpod.hypervisor import ahead
from vmpod.text import printable_lines

FAILED = 125
"""Exit status of our own failures, so that they differ from a container's."""
TIMED_OUT = 124
"""Exit status of a command whose --timeout is over."""

# Each command is a module of its own, imported only when it is used. The short help stands here, so
# that `vmpod --help` imports none of them.
_COMMANDS = {
    "run": "Run the pods of a manifest, each in a machine of its own.",
    "apply": "Make pods what manifests say: start those that are not there.",
    "diff": "Show how manifests differ from the pods that are there.",
    "delete": "Stop and remove the pods of manifests.",
    "ps": "List pods.",
    "get": "Show pods.",
    "describe": "Tell everything about pods, for people.",
    "inspect": "Show all that is known of pods, as JSON.",
    "timeline": "Show where the time of a pod's start went.",
    "events": "Show what happened in pods.",
    "wait": "Wait until pods are as they should be.",
    "logs": "Show what a pod's containers wrote.",
    "exec": "Run a command in a container.",
    "ssh": "Open a shell in the machine of a pod.",
    "ssh-config": "Print what SSH clients have to know of the machines of pods.",
    "attach": "Watch a container, and write to its standard input.",
    "debug": "Add a container to a pod that runs, to look around in it.",
    "cp": "Copy files into a container, or out of it.",
    "port-forward": "Forward local ports to a pod.",
    "kill": "Send a signal to containers.",
    "stats": "Show what pods and containers use, live.",
    "top": "Show the processor time and memory that pods use.",
    "resize": "Give a pod or a container other limits, while it runs.",
    "stop": "Stop pods, gracefully.",
    "start": "Start pods again that have ended.",
    "restart": "Stop pods and start them again.",
    "pause": "Let pods stand still.",
    "resume": "Let paused pods run on.",
    "fork": "Make copies of a pod that runs, as it is now.",
    "snapshot": "Keep pods as they are at a moment.",
    "restore": "Let a pod go on from a snapshot.",
    "rm": "Remove pods and all that is kept of them.",
    "prune": "Remove what nobody uses.",
    "diag": "Write all that tells why a pod is as it is into an archive.",
    "console": "Connect to the serial console of a pod's machine.",
    "plan": "Show what running a manifest would do, and do nothing.",
    "validate": "Check manifests, and run nothing.",
    "explain": "Say what becomes of a field of a manifest.",
    "image": "Manage container images.",
    "template": "Manage templates: frozen machines that pods begin as, in place of booting.",
    "volume": "Manage volumes that outlive pods.",
    "guest": "Manage the guest image that every machine boots.",
    "doctor": "Check what a run needs of the host, and say how to mend it.",
    "completion": "Print a script that lets a shell complete vmpod.",
    "version": "Show versions.",
}
_STARTING = {"run", "apply", "start", "restart", "fork", "restore", "doctor"}
"""Those that start machines: so much time that importing their modules and libvirt's go on side by side."""

_ALONE = object()
"""Says that this process is a command's, which has no threads, and may fork."""

_MODULES = {"exec": "exec_", "port-forward": "port_forward", "ssh-config": "ssh_config"}


COMPLETE = "_VMPOD_COMPLETE"
"""The variable by which a shell's completion script asks what a word may be."""


class Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    short_texts = _COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        if name in _STARTING and ctx.find_root().obj is _ALONE:
            ahead.begin()
        command = import_module(f"vmpod.cli.{_MODULES.get(name, name)}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _end_by_pipe()
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415

            near = get_close_matches(name, _COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, envvar="VMPOD_DEBUG", help="Say on stderr what is being done.")
def cli(debug: bool) -> None:
    """Run Kubernetes Pods, each as one lightweight virtual machine.

    The machine is the sandbox; the pod's containers are processes in it that share its network. No
    daemon is involved: a pod runs on when the command has ended, and every command finds it again.
    """
    if debug:
        log.to_stderr()


def main() -> NoReturn:
    """Run the command line and exit: with the command's status, 125 for failures of our own."""
    try:
        _main()
    finally:
        ahead.dismiss()
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _end_by_pipe()


def _end_by_pipe() -> None:
    """End as a program does whose reader went away, as `| head` does: without a word.

    The signal itself stays ignored until then, as Python has it: a program that we feed may end before its
    input does, and that is to be told.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)


def _main() -> NoReturn:
    try:
        status = cli.main(
            prog_name="vmpod",
            standalone_mode=False,
            auto_envvar_prefix="VMPOD",
            complete_var=COMPLETE,
            obj=_ALONE,
        )
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(FAILED)
    except VmpodError as error:
        show_error(error)
        sys.exit(FAILED)
    except OSError as error:
        if os.environ.get("VMPOD_DEBUG"):
            raise
        show_error(from_system(error))
        sys.exit(FAILED)
    sys.exit(status if isinstance(status, int) else 0)


def show_errors(errors: Iterable[VmpodError]) -> int:
    """Print each, and return the exit status: 0 if there is none."""
    status = 0
    for error in errors:
        show_error(error)
        status = FAILED
    return status


def show_error(error: VmpodError) -> None:
    """Print an error, with its code, and what to do about it on stderr.

    With VMPOD_ERRORS=json it is one JSON object in a line: {version, code, message, hint}.
    """
    if os.environ.get("VMPOD_ERRORS") == "json":
        told = {"version": 1, "code": error.code, "message": error.message, "hint": error.hint}
        click.echo(json.dumps(told), err=True)
        return
    if isinstance(error, ManifestError):
        for problem in error.problems:
            click.echo(printable_lines(str(problem)), err=True)
        count = len(error.problems)
        click.echo(
            f"vmpod: the manifest has {count} fault{'s' * (count != 1)}; nothing was started [{error.code}]",
            err=True,
        )
        return
    # The words of a guest or of an image may be in it.
    first, newline, rest = printable_lines(error.message).partition("\n")
    click.echo(f"vmpod: {first} [{error.code}]{newline}{rest}", err=True)
    for line in printable_lines(error.hint or "").splitlines():
        click.echo(f"  {line}", err=True)
