"""Method `copy {container, path, into, name, archive}`: files of a container as a tar stream.

A child does the work (copying.py), on pipes that are joined to the stream as those of an exec are: the tar
on STDOUT, or on STDIN with `into`; words for the user on STDERR; END tells whether all was copied.
"""

from __future__ import annotations

import os

from vmpod.wire import frames, messages
from vmpod_agent.copying import Order, start
from vmpod_agent.methods.containers import named, running
from vmpod_agent.process import null, pipe
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import StreamHandler
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.container import Run
    from vmpod_agent.loop import Loop
    from vmpod_agent.methods import Agent
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> Copy:
    """Begin to copy."""
    run = running(named(agent, message))
    assert run.user is not None
    archive = messages.get_optional(message, "archive", bool, False)
    order = Order(
        messages.get(message, "path", str),
        into=messages.get_optional(message, "into", bool, False),
        name=messages.get_optional(message, "name", str, ""),
        owner=None if archive else (run.user.uid, run.user.gid),
    )
    return Copy(agent, stream, run, order)


class Copy(StreamHandler):
    """One copy."""

    def __init__(self, agent: Agent, stream: Stream, run: Run, order: Order) -> None:
        self.loop: Loop = agent.services.loop
        self.stream = stream
        self._status: ExitStatus | None = None
        self._input: Writer | None = None
        self._outputs: list[Reader] = []
        ends = self._open_pipes(into=order.into)
        try:
            self._pid = start(run.pid, order, ends)
        except OSError:
            self._close()
            raise
        finally:
            for end in ends:
                os.close(end)
        stream.respond({"started": True})
        agent.services.reaper.adopt(self._pid, self._ended)
        for output in self._outputs:
            output.start()

    def _open_pipes(self, *, into: bool) -> list[int]:
        """The child's standard streams."""
        if into:
            read_end, write_end = pipe()
            self._input = Writer(self, write_end)
            ends = [read_end, null()]
        else:
            read_end, write_end = pipe()
            self._outputs.append(Reader(self, read_end, frames.STDOUT))
            ends = [null(), write_end]
        read_end, write_end = pipe()
        self._outputs.append(Reader(self, read_end, frames.STDERR))
        return [*ends, write_end]

    def data(self, data: bytes) -> None:
        if self._input:
            self._input.write(data)
        else:
            self.stream.consumed(len(data))

    def eof(self) -> None:
        if self._input:
            self._input.finish()

    def writable(self) -> None:
        for output in self._outputs:
            output.start()

    def cancel(self) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
        self._close()

    def _ended(self, status: ExitStatus) -> None:
        self._status = status
        for output in self._outputs:
            output.process_ended()
        self.settle()

    def settle(self) -> None:
        """Tell the end once the child has ended and all that it wrote is sent."""
        if self._status is not None and all(output.ended for output in self._outputs):
            self._close()
            self.stream.end(self._status.code)

    def _close(self) -> None:
        if self._input:
            self._input.close()
        for output in self._outputs:
            output.close()
