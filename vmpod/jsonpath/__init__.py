"""kubectl's template language: `-o jsonpath=TEMPLATE` for output, and `wait --for=jsonpath=PATH`.

Source: kubernetes.io, "JSONPath Support", and client-go's util/jsonpath, which decides where the page is
silent. Regular expressions are in neither. Time is bounded whatever template and data are.
"""

from __future__ import annotations

from typing import Any

from vmpod.jsonpath.evaluate import evaluate
from vmpod.jsonpath.nodes import JsonPathError, Node
from vmpod.jsonpath.parse import parse

__all__ = ["JsonPathError", "Template"]


class Template:
    """A template that has been read. Raises JsonPathError, which names the place in it."""

    def __init__(self, text: str) -> None:
        self._nodes: list[Node] = parse(text)

    def render(self, data: Any) -> str:
        """The text for a JSON value. What is not there gives nothing. Raises JsonPathError."""
        return evaluate(self._nodes, data)
