"""YAML as Kubernetes reads it, with lines, and within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.errors import ManifestError
from vmpod.spec.report import Report
from vmpod.spec.tree import MAX_SIZE, Node, documents


def read(text: str) -> list[Node]:
    report = Report("x.yaml")
    nodes = documents(text, report)
    report.check()
    return nodes


def value(text: str) -> Any:
    (node,) = read(text)
    return node.plain()


def fault(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True), ("y", True), ("Off", False), ("true", True), ("yEs", "yEs"), ("'yes'", "yes"),
        ("0644", 420), ("0o644", 420), ("-010", -8), ("0x1F", 31), ("0b101", 5), ("1_000", 1000), ("+7", 7),
        ("09", 9.0), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("1.", 1.0),
        ("1:30", "1:30"), ("2001-01-01", "2001-01-01"), ("1.2.3", "1.2.3"), ("-", [None]), ("--", "--"),
        ("18446744073709551616", 18446744073709551616.0), ("!!str 5", "5"), ("! 5", "5"), ("!!int '5'", 5),
        ("a: ~", {"a": None}), ("a:", {"a": None}), ("80: x", {"80": "x"}), ("{a: [1, b]}", {"a": [1, "b"]}),
        ("a: &x {k: 1}\nb: *x", {"a": {"k": 1}, "b": {"k": 1}}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
        ("b: {<<: [{k: 1}, {k: 2, l: 2}]}", {"b": {"k": 1, "l": 2}}),
        ("\ufeffa: 1", {"a": 1}), ('{"a":"\\ud83d\\ude00\\/"}', {"a": "😀/"}),
        ('{"a": "\\\\ud83d\\\\ude00"}', {"a": "\\ud83d\\ude00"}),
        ("{\n\t\"a\": 1\n}", {"a": 1}),
        # As `kubectl -o kyaml` writes it.
        ('---\n{\n  a: "\\\n     x\\n\\\n    \\  y\\n\\\n    ", # why\n  b: ,\n  c: [{\n    d: 1,\n  }],\n}',
         {"a": "x\n  y\n", "b": None, "c": [{"d": 1}]}),
        # Not YAML, but what kubectl's parser takes; elsewhere the backslash is one.
        ('a: "it\\\'s \\"it\\""\nb: it\\\'s\nc: |\n  \\\'', {"a": 'it\'s "it"', "b": "it\\'s", "c": "\\'"}),
    ],
)  # fmt: skip
def test_value(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_empty_documents_are_none() -> None:
    assert read("") == []
    assert read("# nothing\n---\n---\n...\n") == []


def test_lines_are_those_of_the_keys() -> None:
    (node,) = read("# head\na:\n  b: |\n    text\n  c:\n  - 1\n  - d: 2\n")
    assert isinstance(node.value, dict)
    a = node.value["a"].value
    assert isinstance(a, dict)
    assert (node.value["a"].line, a["b"].line, a["c"].line) == (2, 3, 5)
    items = a["c"].value
    assert isinstance(items, tuple)
    assert [item.line for item in items] == [6, 7]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb:\n- c: 1\n  c: 2\n", "x.yaml:4: b[0].c: is given twice; the first is on line 3"),
        ("a: [1, {b: !!python/none x}]", "x.yaml:1: a[1].b: the YAML tag tag:yaml.org,2002:python/none has"),
        ("a: !x {}", "x.yaml:1: a: the YAML tag !x has no meaning"),
        ("a: !!int x", "x.yaml:1: a: the value does not fit its YAML tag !!int"),
        ("a: .inf", "x.yaml:1: a: .inf is not a number"),
        ("a: 1e999", "x.yaml:1: a: 1e999 is not a number"),
        ("on: 1", "x.yaml:1: on: a key must be a string, not a boolean"),
        ("0x10: 1", "x.yaml:1: 0x10: a key must be a string, not a number"),
        ("? [1]\n: 2", "a key must be a string, not a list"),
        ("a: {<<: 5}", "x.yaml:1: a.<<: can only merge mappings"),
        ("a: &x [*x]", "the alias *x has no complete anchor &x before it"),
        ("a: *x", "x.yaml:1:"),
        ("a: &x 1\n---\nb: *x", "x.yaml:3:"),
        ("a: b\n\tc: d", "x.yaml:2: is not YAML: "),
        ("a: b\n\tc: d", "(indent with spaces, not tabs)"),
        ('b: 1\na: "it\\ds"', "x.yaml:2: is not YAML: "),
        ('a: "it\\\'s \\d"', "x.yaml:1: is not YAML: "),
        ('a: "it\\\'s"\nb: [', "x.yaml:2: is not YAML: "),
        ('a: "it\\\'s"' + " " * 2**18, "(a ' needs no backslash between double quotes)"),
        ("a: [", "is not YAML"),
        ("a: 1\nb: \x07", "x.yaml:2: YAML does not allow the character U+0007"),
        ("a: \ud800", "YAML does not allow the character U+D800"),
        ('a: "\\ud800"', "x.yaml:1"),
        ('a: "\\UFFFFFFFF"', "x.yaml"),
        ("[" * 65 + "]" * 65, "is nested deeper than 64 levels"),
        ("[" * 100_000, "is nested deeper than 64 levels"),
        ("a: " + "x" * MAX_SIZE, "x.yaml: is larger than 4 MiB"),
    ],
)
def test_faults(text: str, expected: str) -> None:
    assert expected in fault(text)


def test_aliases_are_counted_unfolded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "than a manifest may hold, every alias unfolded" in fault("\n".join(lines))
    merged = "a: &a {" + ", ".join(f"k{i}: 1" for i in range(10_000)) + "}\nb:\n" + "- <<: *a\n" * 10_000
    assert "than a manifest may hold, every alias unfolded" in fault(merged)
    long = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]"
    assert "than a manifest may hold, every alias unfolded" in fault(long)


def test_depth_counts_aliases() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 70)]
    assert "is nested deeper than 64 levels" in fault("\n".join(lines))


def test_faults_are_capped() -> None:
    with pytest.raises(ManifestError) as caught:
        read("\n".join(f"- {{k: {i}, k: {i}}}" for i in range(5000)))
    assert len(caught.value.problems) == 201
    assert "there may be more faults" in caught.value.problems[-1].message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.booleans(), st.sampled_from([None, 2]))
def test_json_is_read_as_json(document: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    document.pop("<<", None)
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    if "<<" in text or any(not _printable(character) for character in text):
        return
    assert value(text) == document


def _printable(character: str) -> bool:
    return character in "\n\t" or (character.isprintable() and character != "\ufeff")
