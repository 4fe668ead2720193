"""When containers are asked how they are, and what follows from the answers. Source: core/v1 Probe."""

from __future__ import annotations

import time

from vmpod_agent import actions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod.wire.boot import Probe
    from vmpod_agent.actions import Attempt
    from vmpod_agent.container import Run, Services
    from vmpod_agent.loop import Timer


class Prober:
    """One probe of one run, until stop().

    verdict(well): enough results in a row say so; failed(said): what the container said when it was not well,
    once as long as it says the same.
    """

    def __init__(
        self,
        probe: Probe,
        run: Run,
        services: Services,
        verdict: Callable[[bool], None],
        failed: Callable[[str], None],
    ) -> None:
        self._probe = probe
        self._run = run
        self._services = services
        self._verdict = verdict
        self._failed = failed
        self._timer: Timer | None = None
        self._attempt: Attempt | None = None
        self._well: bool | None = None
        self._row = 0
        self._said = ""
        self._next = 0.0

    def start(self, since: float) -> None:
        """Begin to ask. since: when the container started, by the monotonic clock."""
        self._next = max(time.monotonic(), since + self._probe["delay"])
        self._wait()

    def stop(self) -> None:
        """Ask no more."""
        if self._timer:
            self._timer.cancel()
        if self._attempt:
            self._attempt.cancel()
        self._timer = self._attempt = None

    def _wait(self) -> None:
        self._timer = self._services.loop.call_later(max(0.0, self._next - time.monotonic()), self._ask)

    def _ask(self) -> None:
        self._timer = None
        self._next += self._probe["period"]
        self._attempt = actions.begin(
            self._probe["action"],
            self._run,
            self._services,
            self._probe["timeout"],
            self._answered,
            hook=False,
        )

    def _answered(self, well: bool, said: str) -> None:
        self._attempt = None
        news = not well and (well is not self._well or said != self._said)
        self._row = self._row + 1 if well is self._well else 1
        self._well, self._said = well, said
        # Before the verdict, which may stop us.
        self._next = max(self._next, time.monotonic())
        self._wait()
        if news:
            self._failed(said)
        if self._row >= self._probe["successes" if well else "failures"]:
            self._verdict(well)
