"""The list of fields for the documentation: `python -m vmpod.spec.fieldsdoc > docs/fields.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from vmpod.spec import (
    claimfields,
    containerfields,
    jobfields,
    persistentfields,
    podfields,
    volumefields,
    workloadfields,
)
from vmpod.spec.clusterkinds import CLUSTER_KINDS
from vmpod.spec.fields import Field, Table
from vmpod.spec.proofs import PROOFS

TABLES = (
    *podfields.TABLES,
    *containerfields.TABLES,
    *volumefields.TABLES,
    *workloadfields.TABLES,
    *claimfields.TABLES,
    *persistentfields.TABLES,
    *jobfields.TABLES,
    podfields.CONFIG_MAP,
    podfields.SECRET,
    podfields.LIST,
    podfields.LIST_META,
)

_HEAD = """\
# Fields of a manifest

Made from the tables in `vmpod/spec/` by `python -m vmpod.spec.fieldsdoc > docs/fields.md`.
`vmpod explain pod.spec.containers` shows the same, and `vmpod validate FILE` tells what of a file is which.

Every field either *works* as the Kubernetes API reference says, or *works differently* in what is said
here, or has *no effect* on one node (it is accepted, and said once), or is *refused* with the reason. A field
that is not listed is an error. Values given as 'fine' mean the same as leaving the field out, as does `null`.
The last column names a test that would fail if the field did not do what it should.

All documents that are given together are one manifest: where Kubernetes' documentation applies a ConfigMap
first and its pod later, give both files to one `vmpod apply`. Documents that only mean something to a
cluster, such as an Ingress or a ServiceAccount, are passed over with a note; a NetworkPolicy or a LimitRange
is refused, as nothing would keep to it.
"""


def markdown() -> str:
    """The whole document."""
    return _HEAD + "".join(_section(table) for table in TABLES) + _section(CLUSTER_KINDS, column="kind")


def _section(table: Table, *, column: str = "field") -> str:
    proofs = proofs_of(table.title)
    rows = "".join(_row(field, proofs.get(field.name, "")) for field in table.fields)
    return f"\n## {table.title}\n\n| {column} | | | proven by |\n|---|---|---|---|\n{rows}"


def proofs_of(title: str) -> dict[str, str]:
    """For each field of a type a test, as FILE::NAME."""
    return {name: test for test, fields in PROOFS.get(title, {}).items() for name in fields.split()}


def _row(field: Field, proof: str) -> str:
    file, _, test = proof.rpartition("/")[2].partition("::")
    told = f"{file.removesuffix('.py')}: {test.replace('_', ' ')}" if proof else ""
    return f"| `{field.name}` | {field.effect.value} | {'; '.join(remarks(field))} | {told} |\n"


def remarks(field: Field) -> Iterator[str]:
    """What there is to say about it."""
    if field.text:
        yield field.text
    values = [value for value in field.same_as_absent if value not in ("", [], {})]
    if values and not field.effect.read:
        yield "fine: " + ", ".join(f"`{_json(value)}`" for value in values)


def _json(value: object) -> str:
    # Only the documentation needs it.
    import json  # noqa: PLC0415

    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.stdout.write(markdown())
