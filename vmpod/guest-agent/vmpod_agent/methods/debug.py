"""Method `debug {container, number, disk, target, machine, attach, stdin}`: add a container to the pod.

The answer comes when it runs. With `attach` the stream then goes on as that of `attach` does, from the first
byte that the container writes.
"""

from __future__ import annotations

from vmpod.wire import boot, messages
from vmpod_agent.debugger import Debugger
from vmpod_agent.methods.attach import Attach
from vmpod_agent.methods.containers import named, running
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.container import Run
    from vmpod_agent.loop import Loop
    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_PROBLEMS = {127: messages.NOT_FOUND, 126: messages.NOT_EXECUTABLE}


def serve(agent: Agent, stream: Stream, message: Json) -> Debug:
    """Start the container."""
    pod = agent.pod
    if pod is None or pod.stopping:
        raise RequestError(messages.NOT_RUNNING, "the pod does not run")
    spec = boot.check_container(messages.get(message, "container", dict))
    disk = boot.check_disk(messages.get(message, "disk", dict))
    if pod.find(spec["name"]):
        raise RequestError(messages.BAD_REQUEST, f"the pod has a container {spec['name']!r} already")
    target = None
    if name := messages.get_optional(message, "target", str, ""):
        target = named(agent, {"container": name})
        running(target)
    machine = messages.get_optional(message, "machine", bool, False)
    member = Debugger(pod, spec, disk, target, machine=machine)
    agent.number(spec["name"], messages.get(message, "number", int))
    pod.add(member)
    if member.run is None:
        ended = member.state["terminated"]
        raise RequestError(_problem(ended["exitCode"]), ended.get("message", ""))
    member.watcher = Debug(
        stream,
        member.run,
        agent.services.loop,
        stdin=messages.get_optional(message, "stdin", bool, False),
        attach=messages.get_optional(message, "attach", bool, False),
    )
    return member.watcher


class Debug(Attach):
    """Who has asked for the container. attach: whether he watches it, too."""

    def __init__(self, stream: Stream, run: Run, loop: Loop, *, stdin: bool, attach: bool) -> None:
        super().__init__(stream, run, loop, stdin=stdin)
        self._attach = attach
        self._held = True
        """Whether what it has written waits for the answer."""
        self._last: int | None = None
        if attach:
            run.listeners.append(self)

    def began(self) -> None:
        """The container runs."""
        self.stream.respond({"started": True})
        if not self._attach:
            self.stream.finish()
            return
        self.open_input()
        self._held = False
        self._push()

    def failed(self, code: int, message: str) -> None:
        """It could not be started."""
        self.stream.fail(_problem(code), message)

    def ended(self, code: int) -> None:
        # The client is to hear of it when nothing is left to do: see over().
        self._last = code

    def over(self) -> None:
        """The container has ended, and its disk may go."""
        if self._last is not None:
            super().ended(self._last)

    def _push(self) -> None:
        if not self._held:
            super()._push()


def _problem(code: int) -> str:
    return _PROBLEMS.get(code, messages.FAILED)
