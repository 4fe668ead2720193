"""`vmpod wait`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.jobs import job_name
from vmpod.cli.main import TIMED_OUT
from vmpod.cli.moments import checked, seconds
from vmpod.cli.names import POD_OR_JOB

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.runtime.goals import Goal


def _goal(text: str) -> Goal:
    from vmpod.runtime.goals import parse  # noqa: PLC0415

    return parse(text)


def _wait_job(runtime: Runtime, name: str, goal: Goal, deadline: float | None) -> int:
    from vmpod.runtime.jobs.goals import wait  # noqa: PLC0415 - most that is waited for is a pod

    return wait(runtime, name, goal, deadline)


@click.command("wait")
@click.argument("pods", type=POD_OR_JOB, nargs=-1, required=True, metavar="POD|job/NAME...")
@click.option(
    "--for",
    "goal",
    default="exit",
    show_default=True,
    callback=checked(_goal),
    metavar="condition=NAME[=VALUE]|phase=NAME|jsonpath=PATH[=VALUE]|exit|delete",
    help="What to wait for.",
)
@click.option(
    "--timeout", callback=checked(seconds), metavar="DURATION", help="Give up after so long, as 90s or 5m."
)
def command(pods: tuple[str, ...], goal: Goal, timeout: float | None) -> int:
    """Wait until PODs or Jobs are as they should be, or have ended.

    The exit status is 0, or with --for=exit that of the first pod that failed, as `vmpod run` gives it; 124
    after --timeout; 125 if a pod is not there, or has ended and so cannot come to it any more. A Job's
    conditions are Complete, Failed, Suspended, SuccessCriteriaMet and FailureTarget.

    --for=jsonpath='{.status.podIP}' waits until that is there in what `vmpod get -o json` shows, and with
    =VALUE behind it until it is just that, as `kubectl wait` does.
    """
    from vmpod.runtime.goals import GoalTimeoutError, wait  # noqa: PLC0415

    found = runtime()
    deadline = None if timeout is None else time.monotonic() + timeout
    results: list[int] = []

    def action(text: str) -> None:
        job = job_name(found, text)
        name = text if job is None else job
        try:
            results.append((wait if job is None else _wait_job)(found, name, goal, deadline))
        except GoalTimeoutError:
            results.append(TIMED_OUT)
            raise
        if goal.kind != "exit":
            kind = "pod" if job is None else "job"
            click.echo(f"{kind}/{name} {'condition met' if goal.kind != 'delete' else 'deleted'}")

    failed = for_each(pods, action)
    return next((result for result in results if result), failed)
