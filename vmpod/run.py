"""The one place that runs host commands.

None outlives us, also if we are killed: each is started through `setpriv --pdeathsig`, so that the kernel
ends it with the thread that started it. So a command must be started by a thread that lives as long as it
should, and must not be set-user-id or hold file capabilities, which clears the signal (prctl(2)).
"""

from __future__ import annotations

import os
import shlex
import signal as signals  # run's own word is for what ends a command
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from vmpod.errors import CommandError, HostError, MissingProgramError, disk_full
from vmpod.log import logger
from vmpod.packages import install

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

# What a program says for ENOSPC and EDQUOT in the C locale.
_FULL = ("No space left on device", "Disk quota exceeded")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a host command: the few variables that matter, C messages, and extra."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED}
    # Debian keeps mkfs in sbin, which an ordinary user's PATH lacks.
    kept["PATH"] = kept.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    return kept | {"LC_ALL": "C.UTF-8"} | dict(extra or {})


def missing(program: str) -> HostError:
    """The error for a program that is not installed."""
    return MissingProgramError(f"the program {program!r} is not installed", hint="\n".join(install(program)))


# We may die before setpriv has asked for the signal: the shell, which comes after, then has another parent.
_IF_PARENT = '[ "$PPID" = "$0" ] && exec "$@"'


def _dying_with_us(
    words: Sequence[str], env: Mapping[str, str], *, signal: str = "KILL", family: bool = False
) -> list[str]:
    """The words of a command that ends when we do. Raises HostError if the program is missing."""
    program = _which(words[0], env)
    namespace = ["unshare", "--pid", "--mount-proc", "--kill-child", "--"] if family else []
    found = [*namespace, program, *words[1:]]
    setpriv = _which("setpriv", env)
    return [setpriv, "--pdeathsig", signal, "--", "/bin/sh", "-c", _IF_PARENT, str(os.getpid()), *found]


def which(program: str) -> str:
    """Where a program is, as host commands find it. Raises MissingProgramError."""
    return _which(program, environment())


def _which(program: str, env: Mapping[str, str]) -> str:
    # As the shell does; shutil's takes longer to import than the search.
    if "/" in program:
        return program
    for directory in env["PATH"].split(":"):
        path = os.path.join(directory, program)  # noqa: PTH118 - pathlib normalizes what the user wrote
        if os.access(path, os.X_OK) and not os.path.isdir(path):  # noqa: PTH112
            return path
    raise missing(program)


def run(
    argv: Sequence[Argument],
    *,
    input: bytes | None = None,  # noqa: A002 - subprocess calls it so
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> bytes:
    """Run a host command to its end and return what it wrote to stdout.

    timeout: seconds, or None to wait for ever; then the command is killed, and what it has started with it.
    Raises HostError if the program is missing, CommandError if it fails or takes too long.
    """
    words = [os.fspath(word) for word in argv]
    logger.debug("run: %s", shlex.join(words))
    variables = environment(env)
    with subprocess.Popen(
        _dying_with_us(words, variables),
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        cwd=cwd,
        process_group=None if timeout is None else 0,
    ) as process:
        try:
            out, said = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            _end(process, family=True)
            raise CommandError(f"{shlex.join(words)}: no end after {timeout:g} seconds") from None
        except BaseException:
            _end(process, family=timeout is not None)
            raise
    if process.returncode != 0:
        raise failed(words, process.returncode, said)
    return out


def _end(process: subprocess.Popen[bytes], *, family: bool) -> None:
    """Kill a command. family: it leads a group of processes, and what it has started goes with it."""
    if family and process.poll() is None:
        os.killpg(process.pid, signals.SIGKILL)
    process.kill()


def popen(
    argv: Sequence[Argument],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    signal: str = "KILL",
    family: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a host command whose pipes the caller serves. Raises HostError if the program is missing.

    signal: what ends it if we die; TERM for one that has something to clean up.
    family: what it starts in turn dies with it as well, in namespaces of processes and mounts of their own;
    see can_hold_family().
    """
    words = [os.fspath(word) for word in argv]
    logger.debug("start: %s", shlex.join(words))
    variables = environment(env)
    command = _dying_with_us(words, variables, signal=signal, family=family)
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=variables)


def can_hold_family() -> bool:
    """Whether popen() can bind a command's own children: it takes root, and a host that lets root do it."""
    if os.geteuid() != 0:
        return False
    try:
        run(["unshare", "--pid", "--mount-proc", "--kill-child", "true"])
    except HostError:
        return False
    return True


def messages() -> BinaryIO:
    """A file for what a command says, which nobody reads while it runs.

    In memory: a temporary file has a name for a moment, on file systems that cannot do without.
    """
    return os.fdopen(os.memfd_create("messages"), "w+b")


def failed(argv: Sequence[Argument], status: int, stderr: bytes) -> HostError:
    """The error for a command that ended with a status other than 0, or by a signal (negative)."""
    how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
    said = stderr.decode(errors="replace").strip()
    command = shlex.join(os.fspath(word) for word in argv)
    if any(strerror in said for strerror in _FULL):
        return disk_full(f"{command}: {how}:\n{said}")
    return CommandError(f"{command}: {how}" + (f":\n{said}" if said else ""))


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file with its holes; where the file system can, without copying a block. Raises CommandError."""
    run(["cp", "--sparse=always", "--reflink=auto", source, target])


def remove_deep(directory: Path) -> None:
    """Remove a directory that a guest may have filled, as deep as it liked. Raises CommandError."""
    # Python's own way would run out of stack, or of descriptors.
    if directory.exists():
        run(["rm", "-rf", "--", directory])
