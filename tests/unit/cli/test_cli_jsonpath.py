"""kubectl's template language. Expectations are of client-go's own tests where those have the case."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmpod.jsonpath import JsonPathError, Template

# The example of kubernetes.io's page "JSONPath Support".
PODS = {
    "kind": "List",
    "items": [
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
            "status": {
                "capacity": {"cpu": "4"},
                "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}],
            },
        },
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.2"},
            "status": {
                "capacity": {"cpu": "8"},
                "addresses": [
                    {"type": "LegacyHostIP", "address": "127.0.0.2"},
                    {"type": "another", "address": "127.0.0.3"},
                ],
            },
        },
    ],
    "users": [
        {"name": "myself", "user": {}},
        {"name": "e2e", "user": {"username": "admin", "password": "secret"}},
    ],
}
STORE = {
    "name": "jsonpath",
    "books": [
        {"category": "reference", "title": "Sayings of the Century", "price": 8.95},
        {"category": "fiction", "title": "Sword of Honour", "price": 12.99},
    ],
    "bicycles": [
        {"color": "red", "price": 19.95, "new": True},
        {"color": "green", "price": 20, "new": False},
    ],
    "labels": {"engieer": 10, "web/html": 15, "k8s-app": 20, "a.b": 1},
    "numbers": [0, 1, 2, 3, 4, 5],
    "nothing": None,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.kind}", "List"),
        ("{@.kind}", "List"),
        ("{$.kind}", "List"),
        ("{['kind']}", "List"),
        ("{kind}", "List"),
        ("the object is {.kind}!", "the object is List!"),
        ("{.users[*].name}", "myself e2e"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.items[*]['metadata.name', 'status.capacity']}", ""),
        ("{.items[*]['kind', 'spec']}", "None None"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ("{..metadata.name}", "127.0.0.1 127.0.0.2"),
        ('{.users[?(@.name=="e2e")].user.password}', "secret"),
        ("{.users[?(@.name=='e2e')].user.password}", "secret"),
        ("{.users[?(@.user.username)].name}", "e2e"),
        (
            "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
            '[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] ',
        ),
        ('{range .items[*]}{.metadata.name}{"\\t"}{end}', "127.0.0.1\t127.0.0.2\t"),
        (
            "{range .items[*]}{range .status.addresses[*]}{.address},{end};{end}",
            "127.0.0.1,;127.0.0.2,127.0.0.3,;",
        ),
        (r"{.items[0].metadata.labels.kubernetes\.io/hostname}", "127.0.0.1"),
        ("{.items[0].metadata.labels['kubernetes.io/hostname']}", "127.0.0.1"),
        ("{.items[0].metadata.labels}", '{"kubernetes.io/hostname":"127.0.0.1"}'),
        ("{range .nothing[*]}x{end}", ""),
    ],
)
def test_the_examples_of_the_documentation(template: str, text: str) -> None:
    assert Template(template).render(PODS) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{}", json.dumps(STORE, separators=(",", ":"))),
        ("{.}", json.dumps(STORE, separators=(",", ":"))),
        ("{.books[0:2].price}", "8.95 12.99"),
        ("{.numbers[0]}", "0"),
        ("{.numbers[-1]}", "5"),
        ("{.numbers[-2:]}", "4 5"),
        ("{.numbers[1:5:2]}", "1 3"),
        ("{.numbers[::2]}", "0 2 4"),
        ("{.numbers[0,2,-1]}", "0 2 5"),
        ("{.numbers}", "[0,1,2,3,4,5]"),
        ("{.numbers[?(@>3)]}", "4 5"),
        ("{.numbers[?(@>=3)]}", "3 4 5"),
        ("{.numbers[?(@<1)]}", "0"),
        ("{.numbers[?(@<=1)]}", "0 1"),
        ("{.numbers[?(@!=1)]}", "0 2 3 4 5"),
        ("{.numbers[?( @ == 1 )]}", "1"),
        ("{.numbers[?(1<@)]}", "2 3 4 5"),
        ("{.bicycles[?(@.new==true)].color}", "red"),
        ("{.bicycles[?(@.price==20)].color}", "green"),
        ("{.bicycles[?(@.price<19.99)].color}", "red"),
        ('{.books[?(@.category!="fiction")].price}', "8.95"),
        ('{.books[?(@.title=="a)b]c")].price}', ""),
        ("{.bicycles[*].new}", "true false"),
        ("{..price}", "8.95 12.99 19.95 20"),
        ("{.labels.web/html}", "15"),
        ("{.labels.k8s-app}", "20"),
        (r"{.labels.a\.b}", "1"),
        ("{.labels.*}", "10 15 20 1"),
        ("{.labels['a.b','k8s-app']}", "1 20"),
        ("{.nothing}", ""),
        ("{.nothing.more}", ""),
        ("{.missing}", ""),
        ("{.missing[3].more}", ""),
        ("{.name.first}", ""),
        ("{.labels[0,'a.b']}", None),
        ('{"a\\n\\"b\\""}', 'a\n"b"'),
        ("{'it'}", "it"),
        ('{.books[?(@.price=="8.95")].title}', ""),
    ],
)
def test_what_templates_mean(template: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(JsonPathError, match="only a list has numbered items"):
            Template(template).render(STORE)
    else:
        assert Template(template).render(STORE) == text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{.a", "'{' is not closed, at character 1 "),
        ("ab{.a", "'{' is not closed, at character 3 "),
        ("{.a[0}", "'[' is not closed, or holds what has no meaning there, at character 4 "),
        ("{.a[]}", "'[' needs a number"),
        ("{.a[-]}", "'[' needs a number"),
        ("{.a[x]}", "'[' needs a number"),
        ("{.a[::0]}", "the step of a slice must be more than 0"),
        ("{.a[?(@.b==)]}", "nothing to compare with after '=='"),
        ("{.a[?()]}", "the filter is empty"),
        ("{.a[?(@.b}", "has no meaning here"),
        ('{"abc}', "the quotation is not closed, at character 2 "),
        ("{range .a}x", "{range} without {end}, at character 1 "),
        ("x{end}", "{end} without {range}, at character 2 "),
        ("{.a=~1}", "'=' has no meaning here, at character 4 "),
        ("{.a}" * 5000, "longer than"),
        ("{" + "[?(@" * 40, "nested more than"),
        ("{range .a}" * 40, "nested more than"),
    ],
)
def test_errors_say_where(template: str, words: str) -> None:
    with pytest.raises(JsonPathError) as raised:
        Template(template)
    assert words in raised.value.message
    assert raised.value.message.startswith("jsonpath: ")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{.numbers[6]}", "array index out of bounds: index 6, length 6: at character 10"),
        ("{.numbers[-7]}", "array index out of bounds: index -7, length 6"),
        ("{.name[0]}", "only a list has numbered items, not text"),
        ("{.labels[?(@.a)]}", "a filter needs a list, not an object"),
        ("{.books[?(@.* == 1)]}", "a filter compares one value with one other"),
    ],
)
def test_what_the_data_cannot_give(template: str, words: str) -> None:
    with pytest.raises(JsonPathError) as raised:
        Template(template).render(STORE)
    assert words in raised.value.message


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)
PIECES = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "?(",
    "@",
    "$",
    ".",
    "..",
    "*",
    "a",
    "b",
    "range ",
    "end",
    ",",
    ":",
    "-1",
]
PIECES += [
    "0",
    "==",
    "<",
    "'a'",
    '"b"',
    "\\",
    " ",
    "'",
    '"',
    "{range .a[*]}",
    "{end}",
    "[?(@.a==1)]",
    "..*",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=30), VALUES)
def test_any_template_on_any_data_gives_text_or_an_error_of_ours(template: str, data: Any) -> None:
    with suppress(JsonPathError):
        assert isinstance(Template(template).render(data), str)


@given(VALUES)
def test_the_whole_is_the_json(data: Any) -> None:
    said = Template("{.}").render(data)
    assert said == (data if isinstance(data, str) else "" if data is None else said)
    if not isinstance(data, str) and data is not None:
        assert json.loads(said) == data


@given(VALUES, st.sampled_from("abc"))
@settings(max_examples=50)
def test_descent_finds_each_field_of_that_name_once(data: Any, name: str) -> None:
    def count(value: Any) -> int:
        if isinstance(value, dict):
            return (name in value) + sum(map(count, value.values()))
        return sum(map(count, value)) if isinstance(value, list) else 0

    said = Template("{range .." + name + "}x{end}").render(data)
    assert said == "x" * count(data)


def deep(levels: int) -> Any:
    data: Any = 1
    for _ in range(levels):
        data = {"a": data, "b": [data] if levels < 12 else 1}
    return data


@pytest.mark.parametrize(
    ("template", "data"),
    [
        ("{........................a}", deep(11)),
        ("{..*..*..*..*..*..*}", deep(11)),
        ("{..*..*..*}", deep(900)),
        ("{range ..*}{range ..*}{range ..*}{..}{end}{end}{end}", deep(11)),
        ("{..}", deep(900)),
        ("{.a[?(@..a==1)]}", {"a": [deep(10)] * 50}),
        ("{" + "[0,0,0,0,0,0,0,0]" * 10 + "}", [[[[[[[[[[1]]]]]]]]]]),
        ("{range [*]}{range $}{..*}{end}{end}" * 20, [list(range(2000))] * 50),
        ("{.a}{..a}", deep(100_000)),
    ],
)
def test_time_and_output_are_bounded(template: str, data: Any) -> None:
    start = time.process_time()
    try:
        said = Template(template).render(data)
    except JsonPathError:
        said = ""
    assert time.process_time() - start < 5
    assert len(said) < 65 * 1024 * 1024
