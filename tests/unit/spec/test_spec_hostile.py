"""Whatever the text: a manifest, or a ManifestError, and nothing else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.spec.manifests import config_map, container, pod, secret
from vmpod.errors import ManifestError
from vmpod.spec.environment import expand_words, resolve_env
from vmpod.spec.fieldsdoc import TABLES
from vmpod.spec.load import load

NAMES = st.sampled_from(sorted({name for table in TABLES for name in table.names}))
WORDS = st.sampled_from(
    [
        "",
        "a",
        "m",
        "k",
        "v",
        "v1",
        "Pod",
        "Secret",
        "List",
        "/x",
        "..",
        "1Gi",
        "yes",
        "$(A)",
        "0644",
        "\0",
        "é",
        "A=B",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 70_000) | st.floats() | WORDS | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | WORDS, inner, max_size=4),
    max_leaves=12,
)
TERRIBLE = (Path(__file__).parent / "golden/terrible.yaml").read_text()


def survives(text: str) -> None:
    with contextlib.suppress(ManifestError):
        manifest = load(text, source="f")
        # What was loaded can be used.
        for found in manifest.pods:
            for each in (*found.init_containers, *found.containers):
                expand_words(each.args, resolve_env(each, manifest))


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    survives(text)


@given(st.text("{}[]:,-&*?!|>'\"%@ \n\t#a1~<.\\x", max_size=40))
def test_any_punctuation(text: str) -> None:
    survives(text)


@given(VALUES)
def test_any_document(value: Any) -> None:
    survives(json.dumps(value))


@given(st.dictionaries(NAMES, VALUES, max_size=3), st.dictionaries(NAMES, VALUES, max_size=3), VALUES)
def test_any_fields(spec: dict[str, Any], fields: dict[str, Any], data: Any) -> None:
    documents = [pod(container(**fields), **spec), config_map(data=data), secret(stringData=data)]
    survives("\n---\n".join(json.dumps(document) for document in documents))


@given(st.integers(0, len(TERRIBLE)), st.integers(0, 40), st.text(max_size=5))
def test_any_damage(at: int, length: int, put: str) -> None:
    survives(TERRIBLE[:at] + put + TERRIBLE[at + length :])
