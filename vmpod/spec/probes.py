"""Probes, hooks and restart rules."""

from __future__ import annotations

import re
from collections.abc import Callable

from vmpod.spec import names
from vmpod.spec.containerfields import (
    EXEC,
    EXIT_CODES,
    GRPC,
    HOOK,
    HTTP_GET,
    HTTP_HEADER,
    LIFECYCLE,
    PROBE,
    RESTART_RULE,
    SLEEP,
    TCP_SOCKET,
)
from vmpod.spec.containermodel import Port, RestartPolicy, RestartRule
from vmpod.spec.env import check_one
from vmpod.spec.probemodel import (
    Action,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    Lifecycle,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from vmpod.spec.reader import Record
from vmpod.spec.words import nearest, shown

MAX_SECONDS = 2**31 - 1

_PROBE_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_ACTIONS = ("exec", "httpGet", "sleep")
_MAX_RULES = 20  # as the API server allows
_MAX_CODES = 255

_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
# What the API lists for Linux (core/v1 Signal).
_SIGNALS = """
ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP
TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX
"""
_REAL_TIME = [f"RTMIN+{number}" for number in range(1, 16)] + [f"RTMAX-{number}" for number in range(1, 15)]
SIGNALS = tuple(f"SIG{name}" for name in (*_SIGNALS.split(), *_REAL_TIME))


def read_probe(container: Record, field: str, ports: tuple[Port, ...]) -> Probe | None:
    """A probe of a container, or None. ports: those that it may name."""
    record = container.record(field, PROBE)
    if record is None:
        return None
    action = _action(record, _PROBE_ACTIONS, ports)
    success = _number(record, "successThreshold", 1)
    if success != 1 and field != "readinessProbe":
        record.wrong("successThreshold", f"must be 1 for a {field}")
    grace = record.integer("terminationGracePeriodSeconds", 1, MAX_SECONDS)
    if grace is not None and field == "readinessProbe":
        record.wrong("terminationGracePeriodSeconds", "must not be set for a readinessProbe: it ends nothing")
    # Read in any case, so that every fault is found.
    delay = record.integer("initialDelaySeconds", 0, MAX_SECONDS) or 0
    timeout, period = _number(record, "timeoutSeconds", 1), _number(record, "periodSeconds", 10)
    failures = _number(record, "failureThreshold", 3)
    return Probe(action, delay, timeout, period, success, failures, grace) if action else None


def _number(record: Record, field: str, default: int) -> int:
    # The API's zero value: not given.
    return record.integer(field, 0, MAX_SECONDS) or default


def read_lifecycle(container: Record, ports: tuple[Port, ...]) -> Lifecycle:
    """The hooks of a container."""
    record = container.record("lifecycle", LIFECYCLE)
    if record is None:
        return Lifecycle()
    return Lifecycle(
        _hook(record, "postStart", ports),
        _hook(record, "preStop", ports),
        record.choice("stopSignal", SIGNALS, ""),
    )


def _hook(lifecycle: Record, field: str, ports: tuple[Port, ...]) -> Action | None:
    record = lifecycle.record(field, HOOK)
    return _action(record, _HOOK_ACTIONS, ports) if record else None


def _action(record: Record, kinds: tuple[str, ...], ports: tuple[Port, ...]) -> Action | None:
    check_one(record, *kinds)
    given = next((kind for kind in kinds if record.get(kind)), None)
    return _ACTIONS[given](record, ports) if given else None


def _exec(probe: Record, _ports: tuple[Port, ...]) -> Action | None:
    record = probe.record("exec", EXEC)
    if record is None:
        return None
    command = record.texts("command")
    if not command:
        record.wrong("command", "is required")
    return ExecAction(command)


def _http_get(probe: Record, ports: tuple[Port, ...]) -> Action | None:
    record = probe.record("httpGet", HTTP_GET)
    if record is None:
        return None
    path = record.text("path", _one_line, default="/")
    return HTTPGetAction(
        port=_port(record, ports),
        path=path if path.startswith("/") else f"/{path}",
        host=record.text("host", _one_line),
        scheme=record.choice("scheme", ("HTTP", "HTTPS"), "HTTP"),
        headers=tuple(
            (header.text("name", _header, required=True), header.text("value", _printable))
            for header in record.records("httpHeaders", HTTP_HEADER)
        ),
    )


def _tcp_socket(probe: Record, ports: tuple[Port, ...]) -> Action | None:
    record = probe.record("tcpSocket", TCP_SOCKET)
    if record is None:
        return None
    return TCPSocketAction(_port(record, ports), record.text("host", _one_line))


def _grpc(probe: Record, _ports: tuple[Port, ...]) -> Action | None:
    record = probe.record("grpc", GRPC)
    if record is None:
        return None
    place = record.require("port")
    port = (place.integer(1, 65535) if place else None) or 0
    tls = record.choice("mode", ("Plaintext", "TLS"), "Plaintext") == "TLS"
    return GRPCAction(port, record.text("service"), tls)


def _sleep(hook: Record, _ports: tuple[Port, ...]) -> Action | None:
    record = hook.record("sleep", SLEEP)
    place = record.require("seconds") if record else None
    if place is None:
        return None
    return SleepAction(place.integer(0, MAX_SECONDS) or 0)


_ACTIONS: dict[str, Callable[[Record, tuple[Port, ...]], Action | None]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _tcp_socket,
    "grpc": _grpc,
    "sleep": _sleep,
}


def _port(record: Record, ports: tuple[Port, ...]) -> int:
    """A port by its number, or by the name that the container gives it."""
    place = record.require("port")
    if place is None:
        return 0
    if not isinstance(place.node.value, str):
        return place.integer(1, 65535) or 0
    name = place.text(names.port_name)
    known = {port.name: port.container_port for port in ports if port.name}
    if name and name not in known:
        place.wrong(f"the container has no port {shown(name)}{nearest(name, list(known))}")
    return known.get(name, 0)


def _one_line(text: str) -> str | None:
    fine = text.isprintable() and " " not in text
    return None if fine else "must be printable characters without spaces"


def _printable(text: str) -> str | None:
    return None if text.isprintable() else "must be printable characters"


def _header(text: str) -> str | None:
    return None if _HEADER.fullmatch(text) else "is no name of an HTTP header"


def read_rules(container: Record, policy: RestartPolicy | None) -> tuple[RestartRule, ...]:
    """The restart rules of a container, which need a policy for what they leave open."""
    rules = tuple(_rule(record) for record in container.records("restartPolicyRules", RESTART_RULE))
    if rules and policy is None:
        container.wrong("restartPolicyRules", "needs the container's own restartPolicy")
    if len(rules) > _MAX_RULES:
        container.wrong("restartPolicyRules", f"must be at most {_MAX_RULES} rules")
    return rules


def _rule(record: Record) -> RestartRule:
    record.require("action")
    action = record.choice("action", ("Restart", "RestartAllContainers"), "Restart")
    place = record.require("exitCodes")
    codes = place.record(EXIT_CODES) if place else None
    if codes is None:
        return RestartRule(())
    codes.require("operator")
    values = tuple(item.integer(0, 255) or 0 for item in codes.items("values"))
    if not 0 < len(values) <= _MAX_CODES:
        codes.wrong("values", f"must be 1 to {_MAX_CODES} exit codes")
    return RestartRule(
        values,
        operator=codes.choice("operator", ("In", "NotIn"), "In"),
        everything=action == "RestartAllContainers",
    )
