"""`vmpod template`."""

from __future__ import annotations

from pathlib import Path

import click

from vmpod.cli import removed, render
from vmpod.cli.common import accelerator_option, chosen_accelerator, for_each, quiet_option, runtime
from vmpod.cli.listing import Kind, Wanted, listing_options, show, text_filter, time_filter
from vmpod.cli.moments import checked, size
from vmpod.cli.progress import progress
from vmpod.template import attempts
from vmpod.template.store import Template

_MIB = 1024 * 1024


@click.group("template")
def command() -> None:
    """Manage templates: frozen machines that pods begin as, in place of booting."""


@command.command("create")
@click.option(
    "--memory",
    callback=checked(lambda text: size(text, 128 * _MIB, 1 << 44)),
    default="512Mi",
    show_default=True,
    metavar="SIZE",
    help="Memory of the machine; it is rounded up as that of a pod's.",
)
@click.option("--cpus", type=click.IntRange(1, 255), default=1, show_default=True, help="Its virtual CPUs.")
@click.option(
    "--shares",
    type=click.IntRange(0, 18),
    default=0,
    show_default=True,
    help="hostPath volumes it has room for.",
)
@quiet_option
@accelerator_option
def create(memory: int, cpus: int, shares: int, quiet: bool, accel: str) -> None:
    """Make the template for pods of one size, if it is not there yet.

    `vmpod run` has it made in the background when it boots a pod for want of a template.
    """
    from vmpod.runtime.templates import bare_machine, make  # noqa: PLC0415

    found, shown = runtime(), progress(quiet=quiet)
    with found.guests.using():
        machine = bare_machine(found, chosen_accelerator(accel, quiet=True), memory, cpus, shares, shown)
        click.echo(make(found, machine, shown).key)


@command.command("ls")
@listing_options
def ls(wanted: Wanted) -> None:
    """List templates, the newest first.

    On stderr is told which could not be made in the background, the last time that it was tried.
    Filters: key, since and until (a moment, or so long ago).
    """
    found = runtime()
    show(TEMPLATES, found.templates.list(), wanted)
    if not wanted.quiet:
        _tell_failed(found.paths.template_attempts)


def _tell_failed(directory: Path) -> None:
    for each in attempts.failed(directory):
        ago = render.age(render.moment(each.ended))
        click.echo(f"the last attempt to make one of {each.size} failed {ago} ago: {each.why}", err=True)


@command.command("rm")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
def rm(keys: tuple[str, ...]) -> int:
    """Remove templates. Pods that run from one are not affected."""
    return for_each(keys, runtime().templates.remove)


@command.command("prune")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that the next pod could begin as.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
def prune(everything: bool, dry_run: bool) -> None:
    """Remove templates of other guest images and versions of QEMU, and what makers that were killed have
    left.

    What a running machine uses stays.
    """
    from vmpod.runtime.templates import still_wanted  # noqa: PLC0415

    found = runtime()
    gone = found.templates.prune(still_wanted(found), everything=everything, dry_run=dry_run)
    removed.show(gone, dry_run=dry_run)


def _row(each: Template) -> list[str]:
    ages = [f"{render.age(render.moment(moment))} ago" for moment in (each.created, each.used)]
    return [
        each.key,
        render.size(each.memory),
        str(each.cpus),
        str(each.shares),
        each.accelerator,
        *ages,
        render.size(each.size),
        each.guest,
    ]


def _json(each: Template) -> dict[str, object]:
    return {
        "key": each.key,
        "memory": each.memory,
        "cpus": each.cpus,
        "shares": each.shares,
        "accelerator": each.accelerator,
        "guestImage": each.guest,
        "qemu": each.qemu,
        "created": render.moment(each.created),
        "used": render.moment(each.used),
        "size": each.size,
    }


TEMPLATES: Kind[Template] = Kind(
    list_kind="TemplateList",
    header=["KEY", "MEMORY", "CPUS", "SHARES", "ACCEL", "CREATED", "USED", "SIZE", "GUEST IMAGE"],
    narrow=8,
    rows=lambda each: [_row(each)],
    to_json=_json,
    names=lambda each: [each.key],
    filters={
        "key": text_filter(lambda each, text: bool(text) and each.key.startswith(text)),
        "since": time_filter(lambda each: each.created, before=False),
        "until": time_filter(lambda each: each.created, before=True),
    },
)
