"""Kills the command that runs in this interpreter with SIGKILL at one of its steps, or lists its steps.

Python imports a module of this name at its start if it is in PYTHONPATH; so nothing of it is in the product,
and a step that the product gets later is found like all others.

A step is an effect: a file is written, made, moved, removed, or locked; a program or child started; a socket
connected; a signal sent; a call into libvirt's C code. It is told from others by its kind, the line in vmpod
that causes it, and whether the command itself is at it or its child. The command is killed right before it;
so what is there after a step is seen before the next one, and after libvirt's calls as well.

    KILLER_LOG    file that gets every step when it is first reached
    KILLER_STEP   the step to be killed at
    KILLER_ALONE  set: if the child is at it, only the child is killed
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

_SELF = os.getpid()
_STEP = os.environ.pop("KILLER_STEP", "")
_ALONE = os.environ.pop("KILLER_ALONE", "")
_LOG = os.environ.pop("KILLER_LOG", "")
_FD = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC) if _LOG else -1
_PRODUCT = f"{os.sep}vmpod{os.sep}"
_EFFECTS = frozenset(
    {
        *(
            "os.mkdir",
            "os.rename",
            "os.remove",
            "os.rmdir",
            "os.symlink",
            "os.link",
            "os.truncate",
            "os.chmod",
        ),
        *("os.chown", "shutil.rmtree", "shutil.copyfile", "shutil.move", "subprocess.Popen", "os.fork"),
        *("os.forkpty", "os.posix_spawn", "os.exec", "os.kill", "os.killpg", "fcntl.flock"),
        *("socket.connect", "socket.bind"),
    }
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_seen: set[str] = set()


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _EFFECTS or (event == "open" and _writes(args)):
        _reached(event, sys._getframe(1))
    elif event == "import" and args[0] == "libvirtmod":
        sys.setprofile(_profile)


def _writes(args: tuple[Any, ...]) -> bool:
    path, _, flags = args
    return (
        bool(flags & _WRITING) and isinstance(path, str | bytes) and not os.fsdecode(path).startswith("/dev/")
    )


def _profile(frame: FrameType, event: str, function: Any) -> None:
    if event in ("c_call", "c_return") and str(getattr(function, "__module__", "")).startswith("libvirtmod"):
        _reached(f"{event}:{function.__name__}", frame)


def _reached(event: str, frame: FrameType | None) -> None:
    site = ""
    while frame is not None and not site:
        name = frame.f_code.co_filename
        if _PRODUCT in name and "site-packages" not in name:
            site = f"{name.rpartition(_PRODUCT)[2]}:{frame.f_lineno}"
        frame = frame.f_back
    if not site:
        return
    child = os.getpid() != _SELF
    step = f"{'child' if child else 'command'} {event} {site}"
    if step in _seen:
        return
    _seen.add(step)
    if _FD >= 0:
        os.write(_FD, f"{step}\n".encode())
    if step == _STEP:
        if not (child and _ALONE):
            # In this order: the child must not be able to tell anybody.
            os.kill(_SELF, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


if _LOG or _STEP:
    sys.addaudithook(_audit)
