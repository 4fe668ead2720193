"""The one place that runs host commands."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vmpod.errors import CommandError, HostError
from vmpod.log import logger

Argument = str | os.PathLike[str]

# What a host command may see of our environment: enough to find programs, files, proxies and registry
# credentials as the user has set them, and nothing that a parent process happened to export.
_PASSED = {
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG"),
    *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "REGISTRY_AUTH_FILE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF"),
}

# The package that holds a command, where its name does not say so.
_PACKAGES = {
    "mkfs.ext4": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "sqfs2tar": "squashfs-tools-ng",
    "sqfstar": "squashfs-tools",
    "mksquashfs": "squashfs-tools",
    "newuidmap": "uidmap",
}


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a host command: the few variables that matter, C messages, and extra."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED}
    # Debian keeps mkfs in sbin, which an ordinary user's PATH lacks.
    kept["PATH"] = kept.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    return kept | {"LC_ALL": "C.UTF-8"} | dict(extra or {})


def missing(program: str) -> HostError:
    """The error for a program that is not installed."""
    package = _PACKAGES.get(program, program)
    return HostError(
        f"the program {program!r} is not installed",
        hint=f"install it (on Debian: apt-get install {package})",
    )


def run(
    argv: Sequence[Argument],
    *,
    input: bytes | None = None,  # noqa: A002 - subprocess calls it so
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> bytes:
    """Run a host command to its end and return what it wrote to stdout.

    timeout: seconds, or None to wait for ever.
    Raises HostError if the program is missing, CommandError if it fails or takes too long.
    """
    words = [os.fspath(word) for word in argv]
    logger.debug("run: %s", shlex.join(words))
    try:
        done = subprocess.run(
            words,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            env=environment(env),
            cwd=cwd,
            timeout=timeout,
            check=False,
            preexec_fn=_end_with_us(),
        )
    except FileNotFoundError:
        raise missing(words[0]) from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"{shlex.join(words)}: no end after {timeout:g} seconds") from None
    if done.returncode != 0:
        raise failed(words, done.returncode, done.stderr)
    return done.stdout


def popen(
    argv: Sequence[Argument],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a host command whose pipes the caller serves. Raises HostError if the program is missing."""
    words = [os.fspath(word) for word in argv]
    logger.debug("start: %s", shlex.join(words))
    try:
        return subprocess.Popen(
            words,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment(env),
            preexec_fn=_end_with_us(),  # noqa: PLW1509 - see there
        )
    except FileNotFoundError:
        raise missing(words[0]) from None


_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _end_with_us() -> Callable[[], None]:
    """What a host command does first, so that it ends with us, also if we are killed with SIGKILL.

    Else it would go on with files that have been removed, or are somebody else's by then. By SIGTERM, which
    mmdebstrap takes as an order to clean up.
    """
    import ctypes  # noqa: PLC0415 - some commands run none

    prctl = ctypes.CDLL(None).prctl
    us = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != us:
            os._exit(1)  # we are dead already

    return prepare


def failed(argv: Sequence[Argument], status: int, stderr: bytes) -> CommandError:
    """The error for a command that ended with a status other than 0, or by a signal (negative)."""
    how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
    said = stderr.decode(errors="replace").strip()
    command = shlex.join(os.fspath(word) for word in argv)
    return CommandError(f"{command}: {how}" + (f":\n{said}" if said else ""))
