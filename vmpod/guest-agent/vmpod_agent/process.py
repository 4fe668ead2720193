"""Starting programs in the guest."""

from __future__ import annotations

import os

from vmpod_agent.signals import signal

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def spawn(argv: list[str], *, stdin: int, stdout: int, stderr: int) -> int:
    """Start a program (an absolute path) with these descriptors, and return its pid."""
    actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate((stdin, stdout, stderr))]
    return os.posix_spawn(
        argv[0],
        argv,
        ENVIRONMENT,
        file_actions=actions,
        setsid=True,
        # PID 1 ignores these, as every Python does; programs expect the default.
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def null() -> int:
    """A descriptor of /dev/null for reading and writing; the caller closes it."""
    return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


def pipe() -> tuple[int, int]:
    """(read end, write end); our end is made non-blocking by who keeps it."""
    return os.pipe2(os.O_CLOEXEC)
