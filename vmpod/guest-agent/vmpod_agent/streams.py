"""The standard streams of a process, joined to a stream of the host, until all that it wrote is sent."""

from __future__ import annotations

from vmpod.wire import frames
from vmpod_agent.process import null, pipe
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import StreamHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmpod_agent.loop import Loop
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream


class Streams(StreamHandler):
    """What comes from the host goes to the process's input, and what it writes to the host."""

    def __init__(self, loop: Loop, stream: Stream) -> None:
        self.loop = loop
        self.stream = stream
        self._status: ExitStatus | None = None
        self._input: Writer | None = None
        self._outputs: list[Reader] = []

    def _open_pipes(self, *, stdin: bool, stdout: bool = True) -> list[int]:
        """The process's ends of its standard input, output and error, which is always sent."""
        ends = []
        if stdin:
            read_end, write_end = pipe()
            self._input = Writer(self, write_end)
            ends.append(read_end)
        else:
            ends.append(null())
        for wanted, channel in ((stdout, frames.STDOUT), (True, frames.STDERR)):
            if wanted:
                read_end, write_end = pipe()
                self._outputs.append(Reader(self, read_end, channel))
                ends.append(write_end)
            else:
                ends.append(null())
        return ends

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

    def _process_ended(self, status: ExitStatus) -> None:
        self._status = status
        for output in self._outputs:
            output.process_ended()
        self.settle()

    def settle(self) -> None:
        """Tell how the process ended, once all that it wrote is sent."""
        if self._status is not None and all(output.ended for output in self._outputs):
            self._close()
            self._tell(self._status)

    def _tell(self, status: ExitStatus) -> None:
        """The last that the host hears."""
        self.stream.end(status.code)

    def _close(self) -> None:
        if self._input:
            self._input.close()
        for output in self._outputs:
            output.close()
