"""The parts that a pod's agent tells, if it answers: what the guest's kernel knows.

The agent replaces the values of the pod's Secrets before it sends anything, as nobody else may know them.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

from vmpod.client.session import AgentError, Session, session
from vmpod.client.transfer import CopyError, Transfer
from vmpod.errors import VmpodError
from vmpod.runtime.diag.archive import Archive, MissingError, Text
from vmpod.runtime.diag.subject import Subject
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame

PARTS = ("system", "dmesg", "processes", "network", "disks", "cgroups", "agent")
_MOST = 2 * 1024 * 1024
"""Bytes of a part; an agent sends less."""

_GREETING, _ANSWER = 5.0, 20.0  # seconds


class GuestParts:
    """Asks for one after the other, over one session."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._stack = ExitStack()
        self._session: Session | None = None
        self._silent = ""

    def collect(self, archive: Archive) -> None:
        """Add all of them."""
        with self._stack:
            for name in PARTS:
                archive.collect(
                    f"guest/{name}.txt", partial(self._part, name), seconds=_GREETING + _ANSWER + 5
                )

    def _part(self, name: str) -> Text:
        if self._silent:
            raise MissingError(self._silent)
        try:
            return _ask(self._open(), name)
        except (AgentError, CopyError):
            raise  # of this part alone
        except VmpodError as error:
            # Who has not answered once, is not asked again and again.
            self._silent = error.message
            raise

    def _open(self) -> Session:
        entry = self._subject.known()
        if not entry.alive():
            raise MissingError("the pod's machine does not run")
        if self._session is None:
            self._session = self._stack.enter_context(session(entry.record.sockets, timeout=_GREETING))
        return self._session


def _ask(found: Session, name: str) -> Text:
    """A part. Raises as Session.request(), HostError if the agent could not read it."""
    deadline = time.monotonic() + _ANSWER
    stream = found.open(messages.DIAGNOSE, {"part": name})
    found.answer(stream, _ANSWER)
    transfer = Transfer(found, stream, deadline=deadline)
    data = transfer.read(_MOST)
    if len(data) == _MOST:
        found.send(Frame(frames.CANCEL, stream))
        return Text(data.decode(errors="replace"), f"the first {_MOST} bytes")
    transfer.finish()
    return Text(data.decode(errors="replace"))
