"""What several commands share: the runtime, options, output formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmpod.cli.main import FAILED, show_error
from vmpod.errors import VmpodError
from vmpod.paths import default_paths

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator
    from vmpod.runtime.context import Runtime

F = TypeVar("F", bound=Callable[..., Any])


def runtime() -> Runtime:
    """The stores of the user who runs the command."""
    from vmpod.runtime.context import Runtime  # noqa: PLC0415

    return Runtime(default_paths())


def connect_option(command: F) -> F:
    """`--connect URI`."""
    return click.option(
        "--connect",
        "uri",
        metavar="URI",
        default="",
        envvar="VMPOD_CONNECT",
        help="libvirt connection for the machine, as qemu:///system. [default: libvirt's embedded driver, "
        "which needs no daemon]",
    )(command)


def accelerator_option(command: F) -> F:
    """`--accel`."""
    return click.option(
        "--accel",
        type=click.Choice(["auto", "kvm", "tcg"]),
        default="auto",
        envvar="VMPOD_ACCEL",
        show_default=True,
        help="kvm: hardware virtualization; tcg: emulation; auto: kvm where it runs guests.",
    )(command)


def template_option(command: F) -> F:
    """`--template`, `--no-template`."""
    return click.option(
        "--template/--no-template",
        default=True,
        envvar="VMPOD_TEMPLATE",
        help="Begin as a frozen machine if there is one, and have one made if there is none. A machine that "
        "boots without gives free memory back to the host, and cannot be forked.",
    )(command)


def boot_timeout_option(command: F) -> F:
    """`--boot-timeout`."""
    from vmpod.cli.moments import checked, seconds  # noqa: PLC0415 - for commands that boot alone

    return click.option(
        "--boot-timeout",
        callback=checked(seconds),
        envvar="VMPOD_BOOT_TIMEOUT",
        metavar="DURATION",
        help="Give up if the guest's agent has not answered after so long. [default: 60s with KVM, 240s "
        "without]",
    )(command)


def quiet_option(command: F) -> F:
    """`--quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress.")(command)


def chosen_accelerator(accel: str, *, quiet: bool) -> Accelerator:
    """What --accel comes to, for a start; a choice that needs a reason is explained on stderr.

    KVM that looks well is tried once, which builds the guest image if there is none; see doctor/trial.py.
    Raises as choose(), and VmpodError if the guest image cannot be built.
    """
    from vmpod.cli.progress import progress  # noqa: PLC0415
    from vmpod.doctor.trial import Trial  # noqa: PLC0415
    from vmpod.hypervisor.accelerator import choose  # noqa: PLC0415
    from vmpod.hypervisor.verdict import Verdicts  # noqa: PLC0415

    found, shown = runtime(), progress(quiet=quiet)
    trial = Trial(Verdicts(found.paths.verdict), lambda: found.guests.ensure(shown), progress=shown)
    choice = choose(accel, trial)
    if choice.reason and not quiet:
        click.echo(f"vmpod: {choice.reason}", err=True)
    return choice.accelerator


def likely_accelerator(accel: str) -> Accelerator:
    """What --accel comes to as far as it is known: nothing is tried. Raises as choose()."""
    from vmpod.hypervisor.accelerator import choose  # noqa: PLC0415
    from vmpod.hypervisor.verdict import Verdicts  # noqa: PLC0415

    verdicts = Verdicts(default_paths().verdict)
    return choose(accel, lambda _now: verdicts.recall()).accelerator


def say(text: str) -> None:
    """Tell the user something, on stderr. What a guest has written may be in it."""
    from vmpod.text import printable_lines  # noqa: PLC0415

    click.echo(f"vmpod: {printable_lines(text)}", err=True)


def for_each(names: Iterable[str], action: Callable[[str], None]) -> int:
    """Act on every name, also after a failure. Returns the exit status: 125 if any failed."""
    status = 0
    for name in names:
        try:
            action(name)
        except VmpodError as error:
            show_error(error)
            status = FAILED
    return status
