"""A plan as JSON-like data, for people and programs to read."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from vmpod.plan.model import Plan


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as dictionaries, lists, strings and numbers, in the order of its fields."""
    shown: dict[str, Any] = _plain(plan)
    return shown


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return str(value) if isinstance(value, Path) else value
