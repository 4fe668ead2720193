"""Selectors: do they fit the labels of the template beside them?

One that does not would look for other pods than those that are made. Source of the rules: the Kubernetes API
reference, LabelSelector.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmpod.spec import names
from vmpod.spec.reader import Place, Record
from vmpod.spec.words import shown
from vmpod.spec.workloadfields import EXPRESSION, SELECTOR

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def check_selector(spec: Record, labels: Mapping[str, str]) -> None:
    """Report a selector that is missing, empty, or does not select the labels."""
    selector = spec.require("selector")
    record = selector.record(SELECTOR) if selector else None
    if record is None or selector is None:
        return
    if not selector.node.value:
        selector.wrong("must not be empty: write matchLabels")
    check_labels(record.get("matchLabels"), labels)
    for expression in record.records("matchExpressions", EXPRESSION):
        _check_expression(expression, labels)


def check_labels(wanted: Place | None, labels: Mapping[str, str]) -> None:
    """Report labels that the template's are to have, and do not."""
    for key, place in wanted.entries() if wanted else ():
        if labels.get(key) != place.text():
            place.wrong(f"the template has no label {shown(key)} of this value")


def _check_expression(expression: Record, labels: Mapping[str, str]) -> None:
    key = expression.text("key", names.qualified_name, required=True)
    given = expression.require("operator")
    operator = expression.choice("operator", _OPERATORS, "") if given else ""
    values = tuple(place.text(names.label_value) for place in expression.items("values"))
    if operator in ("In", "NotIn") and not values:
        expression.wrong("values", f"is required for the operator {operator}")
    elif operator in ("Exists", "DoesNotExist") and values:
        expression.wrong("values", f"must not be given for the operator {operator}")
    elif key and operator and not _selects(operator, values, labels.get(key)):
        expression.place.wrong(
            f"the template's labels do not fit: {key} {operator} {', '.join(values)}".rstrip()
        )


def _selects(operator: str, values: tuple[str, ...], label: str | None) -> bool:
    match operator:
        case "In":
            return label in values
        case "NotIn":
            return label not in values
        case "Exists":
            return label is not None
        case _:
            return label is None
