"""What failed pods mean to a Job, and when it has succeeded early."""

from __future__ import annotations

from vmpod.spec import indexes, names
from vmpod.spec.jobfields import (
    EXIT_CODES,
    FAILURE_POLICY,
    FAILURE_RULE,
    POD_CONDITION,
    SUCCESS_POLICY,
    SUCCESS_RULE,
)
from vmpod.spec.jobmodel import ACTIONS, Action, ExitCodes, FailureRule, SuccessRule
from vmpod.spec.model import Pod
from vmpod.spec.reader import Record
from vmpod.spec.words import either, nearest, shown

_MAX_RULES = 20
_MAX_VALUES = 255
_MAX_CODE = 2**31 - 1
_STATUSES = ("True", "False", "Unknown")


def read_failure_policy(spec: Record, pod: Pod, *, per_index: bool) -> tuple[FailureRule, ...]:
    """The rules of podFailurePolicy. per_index: whether an index may fail by itself."""
    record = spec.record("podFailurePolicy", FAILURE_POLICY)
    if record is None:
        return ()
    rules = [_failure_rule(rule, pod, per_index=per_index) for rule in record.records("rules", FAILURE_RULE)]
    if record.get("rules") is None:
        record.wrong("rules", "is required")
    if len(rules) > _MAX_RULES:
        record.wrong("rules", f"must be at most {_MAX_RULES}")
    return tuple(rules)


def _failure_rule(rule: Record, pod: Pod, *, per_index: bool) -> FailureRule:
    action = _action(rule)
    if action == "FailIndex" and not per_index:
        rule.wrong("action", "FailIndex needs a backoffLimitPerIndex")
    codes, conditions = rule.record("onExitCodes", EXIT_CODES), rule.get("onPodConditions")
    if (codes is None) == (conditions is None):
        rule.place.wrong("must have one of onExitCodes and onPodConditions")
    patterns = tuple(_condition(each) for each in rule.records("onPodConditions", POD_CONDITION))
    if len(patterns) > _MAX_RULES:
        rule.wrong("onPodConditions", f"must be at most {_MAX_RULES}")
    return FailureRule(action, _exit_codes(codes, pod) if codes else None, patterns)


def _action(rule: Record) -> Action:
    text = rule.text("action", required=True)
    for action in ACTIONS:
        if action == text:
            return action
    if text:
        rule.wrong("action", f"must be {either(ACTIONS)}, not {shown(text)}")
    return "Count"


def _exit_codes(record: Record, pod: Pod) -> ExitCodes:
    operator = record.text("operator", required=True)
    if operator and operator not in {"In", "NotIn"}:
        record.wrong("operator", f"must be In or NotIn, not {shown(operator)}")
    values = [value for place in record.items("values") if (value := place.integer(0, _MAX_CODE)) is not None]
    if record.get("values") is None or not 1 <= len(values) <= _MAX_VALUES:
        record.wrong("values", f"must be 1 to {_MAX_VALUES} exit codes")
    if values != sorted(set(values)):
        record.wrong("values", "must be in ascending order, with nothing twice")
    if operator == "In" and 0 in values:
        record.wrong("values", "must not have 0 with the operator In: such a container has not failed")
    container = record.text("containerName")
    known = [each.name for each in pod.every_container]
    if container and container not in known:
        near = nearest(container, known)
        record.wrong("containerName", f"the template has no container {shown(container)}{near}")
    return ExitCodes(frozenset(values), operator != "NotIn", container)


def _condition(record: Record) -> tuple[str, str]:
    kind = record.text("type", names.qualified_name, required=True)
    return kind, record.choice("status", _STATUSES, "True")


def read_success_policy(spec: Record, completions: int | None) -> tuple[SuccessRule, ...]:
    """The rules of successPolicy. completions: None if the Job has no indexes."""
    record = spec.record("successPolicy", SUCCESS_POLICY)
    if record is None:
        return ()
    if completions is None:
        record.place.wrong("needs the completionMode Indexed")
        return ()
    rules = [_success_rule(rule, completions) for rule in record.records("rules", SUCCESS_RULE)]
    if not 1 <= len(rules) <= _MAX_RULES:
        record.wrong("rules", f"must be 1 to {_MAX_RULES}")
    return tuple(rules)


def _success_rule(rule: Record, completions: int) -> SuccessRule:
    chosen: frozenset[int] | None = None
    if rule.get("succeededIndexes"):
        try:
            chosen = indexes.parse(rule.text("succeededIndexes"), completions)
        except ValueError as error:
            rule.wrong("succeededIndexes", str(error))
    most = completions if chosen is None else len(chosen)
    count = rule.integer("succeededCount", 1, max(1, most))
    if rule.get("succeededIndexes") is None and rule.get("succeededCount") is None:
        rule.place.wrong("must have succeededIndexes or succeededCount")
    return SuccessRule(chosen, count)
