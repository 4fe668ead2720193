"""The list of fields for the documentation: `python -m vmpod.spec.fieldsdoc > docs/pod-fields.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from vmpod.spec import containerfields, podfields, volumefields
from vmpod.spec.fields import Effect, Field, Table

TABLES = (
    *podfields.TABLES,
    *containerfields.TABLES,
    *volumefields.TABLES,
    podfields.CONFIG_MAP,
    podfields.SECRET,
    podfields.LIST,
    podfields.LIST_META,
)

_HEAD = """\
# Fields of a manifest

Made from the tables in `vmpod/spec/` by `python -m vmpod.spec.fieldsdoc > docs/pod-fields.md`.

Every field either *works* as the Kubernetes API reference says, or has *no effect* on one node (it is
accepted, and said once), or is *ignored* without a word, or is *refused* with the reason. A field that is
not listed is an error. Values given as 'fine' mean the same as leaving the field out, as does `null`.
"""


def markdown() -> str:
    """The whole document."""
    return _HEAD + "".join(_section(table) for table in TABLES)


def _section(table: Table) -> str:
    rows = "".join(_row(field) for field in table.fields)
    return f"\n## {table.title}\n\n| field | | |\n|---|---|---|\n{rows}"


def _row(field: Field) -> str:
    return f"| `{field.name}` | {field.effect.value} | {'; '.join(_remarks(field))} |\n"


def _remarks(field: Field) -> Iterator[str]:
    if field.text:
        yield field.text
    values = [value for value in field.same_as_absent if value not in ("", [], {})]
    if values and field.effect is not Effect.WORKS:
        yield "fine: " + ", ".join(f"`{_json(value)}`" for value in values)


def _json(value: object) -> str:
    # Only the documentation needs it.
    import json  # noqa: PLC0415

    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.stdout.write(markdown())
