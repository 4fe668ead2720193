"""How what is there differs from what a manifest says, in lines to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def difference(
    name: str, before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], source: str
) -> list[str]:
    """The lines of a unified diff between documents; none if they say the same.

    before: what is there, and what it uses; after: the same of the manifest that is called source.
    """
    import difflib  # noqa: PLC0415 - only to show them

    return list(
        difflib.unified_diff(
            _lines(before), _lines(after), f"{name} (as it is)", f"{name} ({source})", lineterm=""
        )
    )


def without_status(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a user wrote, without a status that was copied along."""
    return {name: value for name, value in document.items() if name != "status"}


def _lines(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    import yaml  # noqa: PLC0415 - slow to import

    # The order of keys says nothing: they are sorted.
    dumped = (yaml.safe_dump(dict(each), allow_unicode=True) for each in documents)
    return "---\n".join(dumped).splitlines()
