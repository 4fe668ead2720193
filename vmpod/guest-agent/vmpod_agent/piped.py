"""A child whose standard streams are those of a request: what it writes is sent, what is sent it reads.

END tells how it ended. A client that goes away takes the child with it.
"""

from __future__ import annotations

import os

from vmpod_agent.signals import signal
from vmpod_agent.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.container import Services
    from vmpod_agent.session import Stream


class Piped(Streams):
    """One child. start(streams): forks it, with these descriptors as its standard streams; its pid.

    reads: whether it reads its standard input, in place of writing its standard output.
    """

    def __init__(
        self, services: Services, stream: Stream, start: Callable[[list[int]], int], *, reads: bool = False
    ) -> None:
        super().__init__(services.loop, stream)
        ends = self._open_pipes(stdin=reads, stdout=not reads)
        try:
            self._pid = start(ends)
        except OSError:
            self._close()
            raise
        finally:
            for end in ends:
                os.close(end)
        stream.respond({"started": True})
        services.reaper.adopt(self._pid, self._process_ended)
        self.writable()

    def cancel(self) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
        self._close()
