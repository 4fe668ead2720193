"""`update`: what ConfigMaps and Secrets say now reaches a pod that runs.

On stdin are the files of volumes, which are exchanged at once, and variables and command lines of containers,
which are those of their next run. Beside files in `parts` the others of their volume stay: who tells what
`resize` has changed does not have the Secrets that are beside that.
"""

from __future__ import annotations

import binascii

from vmpod.wire import messages
from vmpod_agent import prepare
from vmpod_agent.filevolume import FileVolume
from vmpod_agent.session import Collector, RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.pod import PodController
    from vmpod_agent.secrets import Secrets
    from vmpod_agent.session import Stream, StreamHandler

    Json = dict[str, Any]

_MAX_BODY = 16 * 1024 * 1024


def serve(agent: Agent, stream: Stream, _message: Json) -> StreamHandler:
    """Collect what is told, and put it in place of what is there."""
    if agent.pod is None:
        raise RequestError(messages.NOT_RUNNING, "the pod has not been started")
    return Update(agent.pod, agent.services.secrets, stream)


class Update(Collector):
    """Collects the files and variables."""

    def __init__(self, pod: PodController, secrets: Secrets, stream: Stream) -> None:
        super().__init__(stream, _MAX_BODY, f"more than {_MAX_BODY} bytes of files")
        self._pod = pod
        self._secrets = secrets

    def collected(self, body: bytes) -> None:
        try:
            told = messages.parse(body)
            # First, as it can only be refused: nothing is half done then.
            containers = [self._checked(each) for each in messages.get_list(told, "containers", dict)]
            volumes = self._write(messages.get_list(told, "volumes", dict))
            volumes += self._write(messages.get_list(told, "parts", dict), keep=True)
        except (messages.MessageError, ValueError) as error:
            self._stream.fail(messages.BAD_REQUEST, f"files: {error}")
        except OSError as error:
            self._stream.fail(messages.FAILED, str(error))
        else:
            changed = [name for name, argv, env in containers if self._change(name, argv, env)]
            self._stream.respond({"volumes": volumes, "containers": changed})
            self._stream.finish()

    def _checked(self, told: Json) -> tuple[str, list[str], list[list[str]]]:
        name = messages.get(told, "name", str)
        if self._pod.find(name) is None:
            raise messages.MessageError(f"the pod has no container {name!r}")
        env = messages.get_list(told, "env", list)
        if not all(len(pair) == 2 and all(isinstance(word, str) for word in pair) for pair in env):
            raise messages.MessageError("a variable is a name and a value")
        return name, messages.get_list(told, "argv", str), env

    def _change(self, name: str, argv: list[str], env: list[list[str]]) -> bool:
        """Whether that is anything new."""
        member, text = self._pod.find(name), self._secrets.text
        assert member
        had = member.spec
        words, pairs = [text(word) for word in had["argv"]], [[*map(text, pair)] for pair in had["env"]]
        if (words, pairs) == (argv, env):
            return False
        hidden, before = self._secrets.values(), dict(pairs)
        self._secrets.learn(new for old, new in zip(words, argv, strict=False) if old in hidden)
        self._secrets.learn(value for variable, value in env if before.get(variable) in hidden)
        # Not in place: the present run keeps what it has, and so does what is executed in it.
        member.spec = had | {"argv": list(argv), "env": [list(pair) for pair in env]}
        return True

    def _write(self, told: list[Json], *, keep: bool = False) -> list[str]:
        """The names of the volumes that have changed."""
        changed = []
        for each in told:
            name = messages.get(each, "name", str)
            volume = self._pod.volumes.get(name)
            if volume is None or volume["kind"] != "files":
                raise messages.MessageError(f"the pod has no volume of files {name!r}")
            sent = messages.get_list(each, "files", dict)
            files = [_file(file) for file in sent]
            if not keep and not all(isinstance(file["base64"], str) for file in volume["files"]):
                # It is a Secret's, new files and all.
                self._secrets.learn(messages.get(file, "base64", str) for file in sent)
            if FileVolume(prepare.source(volume), volume["group"]).write(files, keep=keep):
                changed.append(name)
        return changed


def _file(told: Json) -> tuple[str, bytes, int, int]:
    path = messages.get(told, "path", str)
    if path.startswith("/") or ".." in path.split("/"):
        raise messages.MessageError(f"{path!r} leads out of its volume")
    content = binascii.a2b_base64(messages.get(told, "base64", str))
    return path, content, messages.get(told, "mode", int), messages.get(told, "user", int)
