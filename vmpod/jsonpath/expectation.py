"""What `kubectl wait --for=jsonpath=PATH[=VALUE]` expects of an object.

Source: kubectl's pkg/cmd/wait/json.go, and RelaxedJSONPathExpression of its pkg/cmd/get.
"""

from __future__ import annotations

import re
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.jsonpath.evaluate import find, text_of
from vmpod.jsonpath.nodes import JsonPathError, Node
from vmpod.jsonpath.parse import parse

# Without braces the value begins behind the first '=' that compares nothing in a filter.
_FORMS = (
    re.compile(r"\{\.?([^{}]+)\}(?:=(.*))?", re.DOTALL),
    re.compile(r"\.?((?:[!<>=]=|[^{}=])+)(?:=(.*))?", re.DOTALL),
)


@dataclass(frozen=True)
class Expectation:
    """A value that is to be there; value: what it is to be, None for whatever it is."""

    path: str
    value: str | None
    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return self.path if self.value is None else f"{self.path}={self.value}"

    def met(self, data: Any) -> bool:
        """Whether a JSON value is as expected. Raises JsonPathError if the path leads to no single value."""
        found = [each for each in find(self.nodes, data) if each is not None]
        if len(found) > 1:
            raise JsonPathError(f"jsonpath: {self.path} leads to more than one value")
        if not found or self.value is None:
            return bool(found)
        if isinstance(found[0], dict | list):
            raise JsonPathError(f"jsonpath: {self.path} leads to an object or a list, which is no value")
        return text_of(found[0]).strip() == self.value.strip()


def read(text: str) -> Expectation:
    """'{.status.phase}=Running', or '{.metadata.labels.x}' for what only has to be there.

    The braces and the first dot may be left out. Raises JsonPathError.
    """
    form = next((found for each in _FORMS if (found := each.fullmatch(text))), None)
    value = form[2].strip("'\"") if form and form[2] is not None else None
    if form is None or value == "":
        raise JsonPathError(
            f"jsonpath: {text!r} is neither PATH=VALUE, as {{.status.phase}}=Running, nor PATH"
        )
    path = f"{{.{form[1]}}}"
    return Expectation(path, value, tuple(parse(path)))
