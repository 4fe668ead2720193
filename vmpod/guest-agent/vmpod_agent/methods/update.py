"""`update`, the files of volumes on stdin: what ConfigMaps and Secrets say now reaches a pod that runs."""

from __future__ import annotations

import binascii

from vmpod.wire import messages
from vmpod_agent import prepare
from vmpod_agent.filevolume import FileVolume
from vmpod_agent.session import Collector, RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod.wire.boot import BootVolume
    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream, StreamHandler

    Json = dict[str, Any]

_MAX_BODY = 16 * 1024 * 1024


def serve(agent: Agent, stream: Stream, _message: Json) -> StreamHandler:
    """Collect the files, and put them in place of those that are there."""
    if agent.pod is None:
        raise RequestError(messages.NOT_RUNNING, "the pod has not been started")
    return Update(agent.pod.volumes, stream)


class Update(Collector):
    """Collects the volumes."""

    def __init__(self, volumes: dict[str, BootVolume], stream: Stream) -> None:
        super().__init__(stream, _MAX_BODY, f"more than {_MAX_BODY} bytes of files")
        self._volumes = volumes

    def collected(self, body: bytes) -> None:
        try:
            changed = self._write(messages.get_list(messages.parse(body), "volumes", dict))
        except (messages.MessageError, ValueError) as error:
            self._stream.fail(messages.BAD_REQUEST, f"files: {error}")
        except OSError as error:
            self._stream.fail(messages.FAILED, str(error))
        else:
            self._stream.respond({"changed": changed})
            self._stream.finish()

    def _write(self, told: list[Json]) -> list[str]:
        """The names of the volumes that have changed."""
        changed = []
        for each in told:
            name = messages.get(each, "name", str)
            volume = self._volumes.get(name)
            if volume is None or volume["kind"] != "files":
                raise messages.MessageError(f"the pod has no volume of files {name!r}")
            files = [_file(file) for file in messages.get_list(each, "files", dict)]
            if FileVolume(prepare.source(volume), volume["group"]).write(files):
                changed.append(name)
        return changed


def _file(told: Json) -> tuple[str, bytes, int, int]:
    path = messages.get(told, "path", str)
    if path.startswith("/") or ".." in path.split("/"):
        raise messages.MessageError(f"{path!r} leads out of its volume")
    content = binascii.a2b_base64(messages.get(told, "base64", str))
    return path, content, messages.get(told, "mode", int), messages.get(told, "user", int)
