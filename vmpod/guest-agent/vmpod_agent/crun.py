"""Runs crun and understands what it says."""

from __future__ import annotations

import os

from vmpod.wire import messages
from vmpod_agent import layout
from vmpod_agent.process import null, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.reaper import ExitStatus, Reaper

_CRUN = "/usr/bin/crun"
_MAX_MESSAGE = 2048


class Crun:
    """Starts crun commands and calls back at their end."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    def run(
        self,
        arguments: list[str],
        ended: Callable[[str | None], None],
        *,
        log: str,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Start `crun ARGUMENTS`; ended(None) when it has succeeded, ended(message) when it failed.

        log: path of a file for crun's own words, so that they do not mix with the container's.
        """
        nowhere = null()
        argv = [
            _CRUN,
            f"--root={layout.CRUN_STATE}",
            "--cgroup-manager=cgroupfs",
            f"--log={log}",
            "--log-format=json",
            *arguments,
        ]
        try:
            pid = spawn(
                argv,
                stdin=nowhere if stdin is None else stdin,
                stdout=nowhere if stdout is None else stdout,
                stderr=nowhere if stderr is None else stderr,
            )
        finally:
            os.close(nowhere)

        def finish(status: ExitStatus) -> None:
            ended(
                None if status.code == 0 else _last_message(log) or f"crun failed with status {status.code}"
            )

        self._reaper.adopt(pid, finish)


def _last_message(path: str) -> str:
    """The last message in crun's log; '' if there is none."""
    try:
        with open(path, "rb") as file:
            lines = file.read(64 * 1024).splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            return messages.get(messages.parse(line), "msg", str)[:_MAX_MESSAGE]
        except messages.MessageError:
            continue
    return ""


def start_failure_code(message: str) -> int:
    """The exit code that shells use for what crun says: 127 no such command, 126 not executable, else 128."""
    lowered = message.lower()
    if "not found" in lowered or "no such file" in lowered:
        return 127
    # What execve(2) says of files without the permission, of directories, and of no program at all.
    if any(each in lowered for each in ("permission denied", "operation not permitted", "exec format error")):
        return 126
    return 128


def start_failure_message(message: str, command: str) -> str:
    """What crun says, with the command's name where crun left it out."""
    return message if command in message else f"{command}: {message}"
