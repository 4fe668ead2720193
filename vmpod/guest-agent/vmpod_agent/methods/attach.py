"""Method `attach {container, stdin}`: what a container writes from now on, and its standard input."""

from __future__ import annotations

from vmpod.wire import frames, messages
from vmpod_agent.methods.containers import named, running
from vmpod_agent.session import RequestError, StreamHandler, wanted_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.container import Run
    from vmpod_agent.loop import Loop
    from vmpod_agent.methods import Agent
    from vmpod_agent.relay import Writer
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_HIGH_WATER = 256 * 1024
_CHANNELS = {"stdout": frames.STDOUT, "stderr": frames.STDERR}


def serve(agent: Agent, stream: Stream, message: Json) -> Attach:
    """Join the stream to the container's run."""
    member = named(agent, message)
    run = running(member)
    stdin = messages.get_optional(message, "stdin", bool, False)
    if stdin and not run.spec["stdin"]:
        raise RequestError(
            messages.BAD_REQUEST, f"container {member.name} has no standard input: its `stdin` is not true"
        )
    if stdin and run.input is None:
        raise RequestError(messages.NOT_RUNNING, f"the standard input of container {member.name} is closed")
    attached = Attach(stream, run, agent.services.loop, stdin=stdin)
    stream.respond({"attached": True})
    attached.begin()
    return attached


class Attach(StreamHandler):
    """A client that watches a run. One that reads too slowly holds the container up, as a full pipe would."""

    def __init__(self, stream: Stream, run: Run, loop: Loop, *, stdin: bool) -> None:
        self.stream = stream
        self.loop = loop
        self._run = run
        self._stdin = stdin
        self._pending: list[tuple[int, bytes]] = []
        self._size = 0
        self._code: int | None = None
        self._input: Writer | None = None

    def begin(self) -> None:
        """Listen to the run."""
        self._run.listeners.append(self)
        self.open_input()

    def open_input(self) -> None:
        """Be able to write to the container, if that is wanted."""
        if self._stdin and self._run.input is not None:
            from vmpod_agent.relay import Writer  # noqa: PLC0415 - few attach to write

            self._input = Writer(self, self._run.take_input(), terminal=self._run.spec["tty"])

    def settle(self) -> None:
        """Only readers call it, and there is none here."""

    # What the run tells.

    @property
    def full(self) -> bool:
        """Whether what the client has not taken yet is as much as should wait."""
        return self._size > _HIGH_WATER

    def output(self, stream: str, data: bytes) -> None:
        """What the container has written."""
        self._pending.append((_CHANNELS[stream], data))
        self._size += len(data)
        self._push()

    def ended(self, code: int) -> None:
        """The run has ended, and this is its exit code."""
        self._code = code
        self._push()

    # What the host sends.

    def data(self, data: bytes) -> None:
        if self._input:
            self._input.write(data)
        else:
            self.stream.consumed(len(data))

    def eof(self) -> None:
        if self._input and self._run.spec["stdin_once"]:
            # Of a terminal it is the end of input, not of the terminal.
            self._input.finish()
            if not self._run.spec["tty"]:
                self._run.input_left()

    def control(self, message: Json) -> None:
        if number := wanted_signal(message):
            self._run.signal(number)
        size = messages.get_list(message, "resize", int)
        if len(size) == 2 and self._input:
            self._input.resize(size[0], size[1])

    def writable(self) -> None:
        self._push()

    def cancel(self) -> None:
        self._pending.clear()
        self._size = 0
        self._leave()

    def _push(self) -> None:
        was_full = self.full
        while self._pending:
            channel, data = self._pending[0]
            room = self.stream.room(channel)
            if room <= 0:
                break
            self.stream.send(channel, data[:room])
            self._size -= min(room, len(data))
            if len(data) > room:
                self._pending[0] = channel, data[room:]
            else:
                del self._pending[0]
        if was_full and not self.full:
            self._run.resume()
        if self._code is not None and not self._pending:
            self._leave()
            self.stream.end(self._code)

    def _leave(self) -> None:
        if self in self._run.listeners:
            self._run.listeners.remove(self)
            self._run.resume()
        if self._input:
            self._input.close()
            self._input = None
            self._run.input_left()
