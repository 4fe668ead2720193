"""`vmpod snapshot`."""

from __future__ import annotations

import click

from vmpod.cli import render
from vmpod.cli.common import for_each, quiet_option, runtime
from vmpod.cli.listing import Kind, Wanted, listing_options, show, text_filter, time_filter
from vmpod.cli.main import show_errors
from vmpod.cli.names import POD
from vmpod.cli.progress import progress
from vmpod.errors import HostError
from vmpod.runtime.copies import Snapshot


class _Snapshots(click.Group):
    """`vmpod snapshot POD NAME` takes one, as it would be with `create`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["create", *args]
        return super().resolve_command(ctx, args)


@click.group("snapshot", cls=_Snapshots)
def command() -> None:
    """Keep pods as they are at a moment: memory, disks, all. `vmpod restore` goes on from there.

    `vmpod snapshot POD NAME` is short for `vmpod snapshot create POD NAME`.
    """


@command.command("create")
@click.argument("pod", type=POD)
@click.argument("name")
@quiet_option
def create(pod: str, name: str, quiet: bool) -> None:
    """Keep a POD that runs as it is now, under a NAME. It stands still meanwhile, and then goes on.

    The memory is written to a file that only its user can read. It holds whatever the pod's programs know,
    Secrets too.
    """
    from vmpod.runtime.copies import take  # noqa: PLC0415

    click.echo(take(runtime(), pod, name, progress(quiet=quiet)).name)


@command.command("ls")
@listing_options
def ls(wanted: Wanted) -> int:
    """List snapshots.

    Filters: name, pod, since and until (a moment, or so long ago).
    """
    from vmpod.runtime.copies import snapshots  # noqa: PLC0415

    problems: list[HostError] = []
    show(SNAPSHOTS, snapshots(runtime(), problems), wanted)
    return show_errors(problems)


@command.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def rm(names: tuple[str, ...]) -> int:
    """Remove snapshots. Pods that were restored from one run on."""
    from vmpod.runtime.copies import remove  # noqa: PLC0415

    found = runtime()
    return for_each(names, lambda name: remove(found, name))


def _pod(each: Snapshot) -> str:
    return each.record.called


def _json(each: Snapshot) -> dict[str, object]:
    return {"name": each.name, "pod": _pod(each), "created": render.moment(each.created), "size": each.size}


SNAPSHOTS: Kind[Snapshot] = Kind(
    list_kind="SnapshotList",
    header=["NAME", "POD", "CREATED", "SIZE"],
    narrow=4,
    rows=lambda each: [
        [each.name, _pod(each), f"{render.age(render.moment(each.created))} ago", render.size(each.size)]
    ],
    to_json=_json,
    names=lambda each: [each.name],
    filters={
        "name": text_filter(lambda each, text: each.name == text),
        "pod": text_filter(lambda each, text: _pod(each) == text),
        "since": time_filter(lambda each: each.created, before=False),
        "until": time_filter(lambda each: each.created, before=True),
    },
)
