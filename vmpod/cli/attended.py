"""`vmpod run` in the foreground: its pods to their end, and what is done then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmpod.cli.common import say
from vmpod.cli.interrupt import Interruption
from vmpod.cli.main import FAILED, TIMED_OUT
from vmpod.cli.output import Printer
from vmpod.errors import TimeoutExpiredError
from vmpod.runtime.copyout import Copies, Fetcher
from vmpod.runtime.follow import exit_code, explanation
from vmpod.runtime.foreground import Foreground
from vmpod.runtime.remove import remove_pod

if TYPE_CHECKING:
    from vmpod.cli.failures import Failures
    from vmpod.runtime.context import Runtime
    from vmpod.state.store import PodEntry


class Attended:
    """The pods of one command. deadline: by time.monotonic(); copies: what is wanted of them in the end."""

    def __init__(
        self,
        runtime: Runtime,
        entries: list[PodEntry],
        deadline: float | None,
        copies: Copies,
        failures: Failures,
        *,
        remove: bool,
    ) -> None:
        self._runtime = runtime
        self._entries = entries
        self._deadline = deadline
        self._failures = failures
        self._remove = remove
        self._printer = Printer(prefix=True)
        self._fetcher = Fetcher(copies, say)
        many = len(entries) > 1
        self._foreground = Foreground(
            runtime,
            entries,
            lambda entry, each: self._printer.show(each, entry.record.called if many else ""),
            keeping={key for key, wanted in copies.items() if wanted},
            fetch=self._fetcher.fetch,
        )

    def run(self) -> int:
        """Watch, stop when asked to, clean up. Returns the exit status."""
        try:
            status = self._watched()
        except Interruption as interruption:
            # Who interrupts wants neither files nor records, but the end.
            status = self._stop(interruption.status)
        self._printer.finish()
        if self._remove:
            for entry in self._entries:
                remove_pod(self._runtime, entry.record.called, force=True)
        return status

    def _watched(self) -> int:
        ended = self._foreground.watch(deadline=self._deadline)
        status = self._result() if ended else self._time_is_up()
        for entry in self._entries:
            self._fetcher.miss(entry)
        return status or (FAILED if self._fetcher.failed else 0)

    def _time_is_up(self) -> int:
        click.echo("vmpod: time is up; stopping", err=True)
        for entry in self._entries:
            if entry.alive():
                self._failures.add(
                    entry.record.key, TimeoutExpiredError("the pod has not ended within --timeout")
                )
        return self._stop(TIMED_OUT, keep=True)

    def _stop(self, status: int, *, keep: bool = False) -> int:
        """Stop gracefully; at once if we are interrupted again meanwhile. keep: files are still wanted."""
        try:
            click.echo("vmpod: stopping; Ctrl-C again to stop at once", err=True)
            self._foreground.stop(keep=keep)
            self._foreground.watch()
        except Interruption:
            self._foreground.kill()
            self._foreground.watch()
        return status

    def _result(self) -> int:
        statuses = [(entry, self._runtime.pods.status(entry)) for entry in self._entries]
        for entry, status in statuses:
            if text := explanation(entry, status):
                say(f"the pod {entry.record.called} failed: {text}")
            if exit_code(status):
                self._failures.add(entry.record.key)
        return next((code for _, status in statuses if (code := exit_code(status))), 0)
