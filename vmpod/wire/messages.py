"""JSON payloads: written compactly, read with suspicion.

The getters name the attribute that is wrong, so that an error says what the other end got wrong.
"""

from __future__ import annotations

from vmpod.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")
    Json = dict[str, Any]

# Methods of a REQUEST.
ADOPT = "adopt"  # {time, seed, mac, scratch: whether the disk is the template's}, body: the boot document
START = "start"  # {time, keep}, body on STDIN: JSON {secret id: value}; the pod starts when it is complete
RENEW = "renew"  # {time, seed, mac, pod: as in the boot document}; for a copy of a machine with a pod
STATUS = "status"  # RESPONSE: the pod's state, see events.py
EXEC = "exec"  # {container, argv, tty, stdin, size}: RESPONSE when it runs, DATA, END
KILL = "kill"  # {containers: names, empty for all, signal: number}: RESPONSE {signalled: names}
STATS = "stats"  # RESPONSE: counters of the machine and of the containers that run
COPY = "copy"  # {container, path, into, name, owner}: a tar stream on STDOUT or, into, on STDIN; END
FORWARD = "forward"  # {port}: RESPONSE when connected, DATA and EOF both ways, END
ATTACH = "attach"  # {container, stdin}: RESPONSE, DATA both ways, END with the container's exit code
UPDATE = "update"  # body on STDIN: JSON {volumes, parts, containers}, with values; RESPONSE of names
RESIZE = "resize"  # {container, memory, cpu, cpu_request: as in the boot document, restart}: RESPONSE
SSH = "ssh"  # {hostKey, clientKey: OpenSSH's formats}: RESPONSE, DATA and EOF both ways to a server, END
DEBUG = "debug"  # {container, number, disk, target, machine, attach, stdin}: RESPONSE when it runs, as ATTACH
STOP = "stop"  # {grace: seconds or null, keep}: RESPONSE at once; the machine powers off when all is stopped
DIAGNOSE = "diagnose"  # {part}: what the kernel tells of the machine, as text on STDOUT; END

WHOLE_POD = "*"
"""For `resize`, in place of a container's name: what all of them have together."""

# Codes of an ERROR. A closed list: clients may decide by them.
BAD_REQUEST = "bad-request"
NO_METHOD = "no-such-method"
NO_CONTAINER = "no-such-container"
NOT_RUNNING = "not-running"
NOT_FOUND = "command-not-found"
NOT_EXECUTABLE = "command-not-executable"
BUSY = "busy"
FAILED = "failed"


class MessageError(Exception):
    """A JSON payload is not what the protocol says."""


def dump(message: Json) -> bytes:
    """A message as compact JSON."""
    return jsontext.dumps(message).encode()


def clipped(text: str, limit: int) -> str:
    """The beginning of a text, so that it takes at most that many bytes as JSON, its quotes not counted."""
    text = text[:limit]
    # JSON escapes a character with up to twelve.
    return text if len(jsontext.dumps(text)) - 2 <= limit else text[: limit // 12]


def parse(payload: bytes) -> Json:
    """The JSON object in a payload. Raises MessageError."""
    try:
        message = jsontext.loads(payload.decode())
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise MessageError("not a JSON object")
    return message


def get(message: Json, name: str, kind: type[T]) -> T:
    """The attribute, which must be there and of that type (a bool is no int). Raises MessageError."""
    if name not in message:
        raise MessageError(f"attribute {name!r} is missing")
    return _typed(message[name], name, kind)


def get_optional(message: Json, name: str, kind: type[T], default: T) -> T:
    """The attribute, or the default where it is absent or null. Raises MessageError."""
    value = message.get(name)
    return default if value is None else _typed(value, name, kind)


def get_list(message: Json, name: str, kind: type[T]) -> list[T]:
    """A list whose members all have that type; an absent one is empty. Raises MessageError."""
    value = get_optional(message, name, list, [])
    return [_typed(member, f"{name}[{index}]", kind) for index, member in enumerate(value)]


def _typed(value: object, name: str, kind: type[T]) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise MessageError(f"attribute {name!r} must be {kind.__name__}, not {type(value).__name__}")
    return value
