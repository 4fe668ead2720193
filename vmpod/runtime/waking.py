"""Tells a machine that goes on from a frozen one who it is, while it wakes.

Nothing is waited for that could be said before: the session is opened when the machine takes connections, and
the request that makes it nobody's double is sent when it runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack

from vmpod.client.session import Session, greeted
from vmpod.hypervisor.base import Moment
from vmpod.plan.model import Machine
from vmpod.wire.flow import INITIAL_CREDIT

_SEED = 64  # bytes


class Waking:
    """The first request to a machine, which names its new identity."""

    def __init__(
        self,
        machine: Machine,
        stack: ExitStack,
        method: str,
        message: Mapping[str, object],
        body: bytes | None = None,
        *,
        timeout: float,
        fresh: bool = False,
    ) -> None:
        """stack: keeps the session; message: what the request says besides; timeout: seconds for an answer.

        fresh: the machine had no clients when it was frozen.
        """
        self._machine = machine
        self._stack = stack
        self._method, self._message, self._body = method, message, body
        self._timeout = timeout
        self._fresh = fresh
        self._session: Session | None = None
        self._welcome = False
        self._asked = 0

    def at(self, moment: Moment) -> None:
        """See Hypervisor.start. Raises as Session.ask()."""
        if moment == "loaded":
            self._session = self._stack.enter_context(greeted(self._machine.sockets, timeout=self._timeout))
            return
        assert self._session is not None
        if self._body and len(self._body) > INITIAL_CREDIT:
            self._session.welcome(self._timeout, fresh=self._fresh)
            self._welcome = True
        self._ask(self._session)

    def wait(self) -> Session:
        """Wait until the machine is nobody's double; the session with it. Raises as Session.answer()."""
        found = self._session
        assert found is not None
        if not self._welcome and not found.welcome(self._timeout, fresh=self._fresh):
            # The agent was in the middle of what a client of the other machine said, and took ours for it.
            self._ask(found)
        found.answer(self._asked, self._timeout)
        return found

    def _ask(self, found: Session) -> None:
        identity = {
            "time": time.time_ns(),
            "seed": os.urandom(_SEED).hex(),
            "mac": self._machine.mac.replace(":", ""),
        }
        self._asked = found.ask(
            self._method, identity | dict(self._message), body=self._body, timeout=self._timeout
        )
