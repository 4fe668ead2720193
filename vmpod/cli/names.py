"""Names of pods, containers and images on the command line: any text, which shells complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmpod.errors import VmpodError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from vmpod.runtime.context import Runtime

    _Type = click.ParamType[str]
else:
    _Type = click.ParamType  # not generic in click 8.1

F = TypeVar("F", bound=Callable[..., Any])
Names = Callable[["Runtime", click.Context], Iterable[str]]


class Name(_Type):
    """Takes any text. names: what it can be, asked for by a shell alone."""

    name = "text"

    def __init__(self, names: Names) -> None:
        self._names = names

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        return str(value)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """What begins so; nothing where something is wrong, for a shell is no place for errors."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only to complete

        from vmpod.cli.common import runtime  # noqa: PLC0415

        try:
            found = sorted(set(self._names(runtime(), ctx)))
        except (VmpodError, OSError):
            return []
        return [CompletionItem(each) for each in found if each.startswith(incomplete)]


def _pods(runtime: Runtime, _ctx: click.Context) -> Iterable[str]:
    return [entry.record.called for entry in runtime.pods.list(problems=[])]


def _containers(runtime: Runtime, ctx: click.Context) -> Iterable[str]:
    """Of the pod that is on the command line already, else of all."""
    named = ctx.params.get("pod") or ctx.params.get("pods")
    wanted = {named} if isinstance(named, str) else set(named or ())
    for entry in runtime.pods.list(problems=[]):
        if not wanted or entry.record.called in wanted:
            yield from entry.record.logged_containers


def _images(runtime: Runtime, _ctx: click.Context) -> Iterable[str]:
    for image in runtime.images.list():
        yield from image.names or (image.digest,)


def _guests(runtime: Runtime, _ctx: click.Context) -> Iterable[str]:
    return [image.id for image in runtime.guests.list()]


def _claims(runtime: Runtime, _ctx: click.Context) -> Iterable[str]:
    return [claim.called for claim in runtime.claims.list(problems=[])]


def _pods_and_jobs(runtime: Runtime, ctx: click.Context) -> Iterable[str]:
    jobs = (f"job/{entry.record.called}" for entry in runtime.jobs.list(problems=[]))
    return [*_pods(runtime, ctx), *jobs]


POD, CONTAINER, IMAGE, GUEST = Name(_pods), Name(_containers), Name(_images), Name(_guests)
POD_OR_JOB = Name(_pods_and_jobs)
CLAIM = Name(_claims)


def container_option(command: F) -> F:
    """`-c NAME`: one container, '' for the first."""
    return click.option(
        "-c",
        "--container",
        type=CONTAINER,
        default="",
        metavar="NAME",
        help="Which container; by default the first.",
    )(command)


def containers_option(command: F) -> F:
    """`-c NAME`, any number of times: these containers, all if there is none."""
    return click.option(
        "-c",
        "--container",
        type=CONTAINER,
        multiple=True,
        metavar="NAME",
        help="Only this container; may be repeated.",
    )(command)
