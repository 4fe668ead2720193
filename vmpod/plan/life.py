"""What a container is asked, what it does at its beginning and end, and when it starts again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmpod.spec.containermodel import Container, ResolvedVar, RestartRule
from vmpod.spec.environment import expand
from vmpod.spec.probemodel import Action, ExecAction, GRPCAction, HTTPGetAction, Probe, SleepAction

if TYPE_CHECKING:
    from typing import TypedDict

    from vmpod.wire import boot

    class Life(TypedDict):
        """These attributes of a container of the boot document."""

        probes: boot.Probes
        hooks: boot.Hooks
        restart: boot.Restart
        last_words: boot.LastWords


def life(container: Container) -> Life:
    """The attributes of a container that tell the pod controller what to do with it."""
    policy = container.restart_policy
    lifecycle = container.lifecycle
    variables = _static(container)
    return {
        "probes": {
            "startup": _probe(container.startup_probe, variables),
            "readiness": _probe(container.readiness_probe, variables),
            "liveness": _probe(container.liveness_probe, variables),
        },
        "hooks": {
            "post_start": _action(lifecycle.post_start) if lifecycle.post_start else None,
            "pre_stop": _action(lifecycle.pre_stop) if lifecycle.pre_stop else None,
        },
        "restart": {
            "policy": policy.value if policy else "",
            "rules": [_rule(rule) for rule in container.restart_policy_rules],
        },
        "last_words": {
            "path": container.termination_message_path,
            "log": container.termination_message_policy == "FallbackToLogsOnError",
        },
    }


def _static(container: Container) -> list[ResolvedVar]:
    """The variables that a probe's command may name: those with a value in the manifest, as it is written."""
    return [ResolvedVar(each.name, each.value) for each in container.env if each.value]


def _probe(probe: Probe | None, variables: list[ResolvedVar]) -> boot.Probe | None:
    if probe is None:
        return None
    grace = probe.termination_grace_period_seconds
    action = _action(probe.action)
    action["argv"] = [expand(word, variables)[0] for word in action["argv"]]
    return {
        "action": action,
        "delay": probe.initial_delay_seconds,
        "timeout": probe.timeout_seconds,
        "period": probe.period_seconds,
        "successes": probe.success_threshold,
        "failures": probe.failure_threshold,
        "grace": -1 if grace is None else grace,
    }


def _action(action: Action) -> boot.Action:
    found: boot.Action = {
        "kind": "tcp",
        "argv": [],
        "scheme": "",
        "host": "",
        "port": 0,
        "path": "",
        "headers": [],
        "service": "",
        "seconds": 0,
    }
    if isinstance(action, ExecAction):
        found |= {"kind": "exec", "argv": list(action.command)}
    elif isinstance(action, SleepAction):
        found |= {"kind": "sleep", "seconds": action.seconds}
    elif isinstance(action, GRPCAction):
        found |= {"kind": "grpc", "port": action.port, "service": action.service}
        found["scheme"] = "HTTPS" if action.tls else "HTTP"
    else:
        found |= {"host": action.host, "port": action.port}
        if isinstance(action, HTTPGetAction):
            headers = [list(header) for header in action.headers]
            found |= {"kind": "http", "scheme": action.scheme, "path": action.path, "headers": headers}
    return found


def _rule(rule: RestartRule) -> boot.RestartRule:
    return {"all": rule.everything, "within": rule.operator == "In", "codes": list(rule.values)}
