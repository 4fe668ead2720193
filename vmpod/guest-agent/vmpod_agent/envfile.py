"""Variables in a file of a volume, which another container has written. Source: core/v1 FileKeySelector."""

from __future__ import annotations

import os

from vmpod_agent import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_FILE = 64 * 1024  # bytes, as the kubelet reads


def look_up(directory: str, path: str, key: str) -> str | None:
    """The value of a variable in a file below a directory, None if there is neither. Raises OSError."""
    top = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = syscalls.open_beneath(top, path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    finally:
        os.close(top)
    try:
        content = os.read(fd, _MAX_FILE)
    finally:
        os.close(fd)
    # The last one counts, as in a shell.
    return dict(parse(content.decode(errors="replace"))).get(key)


def parse(text: str) -> Iterator[tuple[str, str]]:
    """The variables: NAME=value lines, the value in quotes or not; empty lines and comments are none."""
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield name.strip(), value
