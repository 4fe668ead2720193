"""What is asked of a container, and done to it: actions, and the probes and hooks that take them.

Names as in `model.py`.
"""

from __future__ import annotations

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class ExecAction:
    """Runs a command in the container."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class HTTPGetAction:
    """Asks a web server. host: '' for the pod itself."""

    port: int
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TCPSocketAction:
    """Opens a connection. host: '' for the pod itself."""

    port: int
    host: str = ""


@dataclass(frozen=True)
class GRPCAction:
    """Asks a server of the gRPC health checking protocol."""

    port: int
    service: str = ""
    tls: bool = False


@dataclass(frozen=True)
class SleepAction:
    """Lets time pass."""

    seconds: int


Action = ExecAction | HTTPGetAction | TCPSocketAction | GRPCAction | SleepAction


@dataclass(frozen=True)
class Probe:
    """What is asked of a container, and how often."""

    action: Action
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


@dataclass(frozen=True)
class Lifecycle:
    """The hooks of a container, and the signal that asks it to end ('' for the image's)."""

    post_start: Action | None = None
    pre_stop: Action | None = None
    stop_signal: str = ""
