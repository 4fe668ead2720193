"""`vmpod doctor`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import accelerator_option, connect_option
from vmpod.cli.listing import Output, output_option
from vmpod.paths import default_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmpod.doctor.checks import Verdict
    from vmpod.doctor.model import Result


@click.command("doctor")
@click.option(
    "--registry", default="", metavar="HOST[:PORT]", help="Also ask a registry, as a pull from it would."
)
@click.option("--fresh", is_flag=True, help="Try KVM again, though it is known whether it runs guests.")
@output_option("json", "yaml")
@accelerator_option
@connect_option
def command(registry: str, fresh: bool, output: Output, accel: str, uri: str) -> int:
    """Check what a run needs of the host, and say how to mend what it lacks.

    Each check finds something ok, degraded, missing, denied or unusable, and tells what was seen, and what
    mends it on this distribution. Whether KVM really runs a guest is tried for a few seconds at most, and
    then known until the host boots again, or its kernel, QEMU or /dev/kvm change. With --accel kvm nothing
    but KVM will do.

    The status is 0 if all is well, 1 if pods run, but slower (by emulation) or not all of them, 2 if none
    can.
    """
    from vmpod.doctor.checks import STATUS, examine, to_json, verdict  # noqa: PLC0415
    from vmpod.doctor.model import Host  # noqa: PLC0415
    from vmpod.doctor.registry import check_name  # noqa: PLC0415
    from vmpod.hypervisor.open import check_uri  # noqa: PLC0415

    host = Host(
        paths=default_paths(),
        environ=os.environ,
        accel=accel,
        uri=check_uri(uri),
        registry=registry and check_name(registry),
        fresh=fresh,
    )
    results = []
    for result in examine(host):
        results.append(result)
        if not output.structured:
            _tell(result)
    found = verdict(results)
    if output.structured:
        output.show(to_json(results))
    else:
        click.echo(f"\n{sentence(results, found)}")
    return STATUS[found]


_NAME, _STATE = 15, 10  # columns


def _tell(result: Result) -> None:
    """One line, and one for each that mends it. Told at once: some checks take their time."""
    finding = result.finding
    click.echo(f"{result.check.name:{_NAME}}{finding.state:{_STATE}}{finding.evidence}")
    for line in finding.mend:
        click.echo(f"{'':{_NAME}}{'mend:':{_STATE}}{line}")


def sentence(results: Sequence[Result], found: Verdict) -> str:
    """The verdict, for people, with the checks that led to it."""
    if found == "fine":
        return "fine: all that a run needs is there"
    names = {impact: _names(results, impact) for impact in ("fatal", "degraded")}
    if found == "cannot-run":
        return f"pods cannot run; to mend: {', '.join(names['fatal'])}"
    slow = ", by software emulation, many times slower than with KVM"
    how = slow if "kvm" in names["degraded"] else ", but not everything works"
    return f"degraded: pods run{how}; to mend: {', '.join(names['degraded'])}"


def _names(results: Sequence[Result], impact: str) -> list[str]:
    return [each.check.name for each in results if each.finding.impact == impact]
