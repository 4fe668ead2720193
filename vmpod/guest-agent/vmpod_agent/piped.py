"""A child whose standard streams are those of a request: what it writes is sent, what is sent it reads.

END tells how it ended. A client that goes away takes the child with it.
"""

from __future__ import annotations

import os

from vmpod.wire import frames
from vmpod_agent.process import null, pipe
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import StreamHandler
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.container import Services
    from vmpod_agent.loop import Loop
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream


class Piped(StreamHandler):
    """One child. start(streams): forks it, with these descriptors as its standard streams; its pid.

    reads: whether it reads its standard input, in place of writing its standard output.
    """

    def __init__(
        self, services: Services, stream: Stream, start: Callable[[list[int]], int], *, reads: bool = False
    ) -> None:
        self.loop: Loop = services.loop
        self.stream = stream
        self._status: ExitStatus | None = None
        self._input: Writer | None = None
        self._outputs: list[Reader] = []
        ends = self._open_pipes(reads=reads)
        try:
            self._pid = start(ends)
        except OSError:
            self._close()
            raise
        finally:
            for end in ends:
                os.close(end)
        stream.respond({"started": True})
        services.reaper.adopt(self._pid, self._ended)
        for output in self._outputs:
            output.start()

    def _open_pipes(self, *, reads: bool) -> list[int]:
        """The child's standard streams."""
        if reads:
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
