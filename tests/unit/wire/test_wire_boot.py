"""The boot document's shape: what is missing, unknown or of another type is named."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.documents import boot_container, boot_document
from vmpod.wire.boot import check
from vmpod.wire.messages import MessageError


def full() -> dict[str, Any]:
    return boot_document(
        boot_container(
            argv=["/bin/x", {"secret": "argv/c/1"}],
            env=[["A", "b"], ["C", {"secret": "env/c/C"}]],
            mounts=[
                {
                    "volume": "v",
                    "path": "/v",
                    "sub_path": "",
                    "read_only": False,
                    "recursive": False,
                    "options": [],
                }
            ],
        ),
        init_containers=[boot_container(name="i")],
        volumes=[
            {
                "name": "v",
                "kind": "files",
                "size": 0,
                "mode": 0o777,
                "group": -1,
                "always": False,
                "tag": "",
                "image": -1,
                "claim": -1,
                "files": [{"path": "a", "mode": 0o644, "user": 0, "base64": {"secret": "file/v/a"}}],
            }
        ],
    )


def test_a_document_of_this_version_passes() -> None:
    document = full()
    assert check(copy.deepcopy(document)) == document
    document["network"] = None
    assert check(document)["network"] is None


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a document."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [found for key, member in members for found in [(*path, key), *places(member, (*path, key))]]


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize("path", places(full()), ids=str)
def test_every_value_of_another_type_is_refused(path: tuple[Any, ...]) -> None:
    document = full()
    at(document, path[:-1])[path[-1]] = 1.5
    with pytest.raises(MessageError):
        check(document)


@pytest.mark.parametrize("path", [path for path in places(full()) if isinstance(path[-1], str)], ids=str)
def test_every_attribute_that_is_missing_is_named(path: tuple[Any, ...]) -> None:
    document = full()
    del at(document, path[:-1])[path[-1]]
    with pytest.raises(MessageError, match="version" if path == ("version",) else repr(path[-1])):
        check(document)


def test_errors_name_the_place() -> None:
    document = full()
    document["containers"][0]["mounts"][0]["color"] = "red"
    with pytest.raises(MessageError, match=r"boot document\.containers\[0\]\.mounts\[0\].*'color'"):
        check(document)
    document = full()
    document["containers"][0]["memory"] = True
    with pytest.raises(MessageError, match=r"containers\[0\]\.memory: wrong type bool"):
        check(document)


@pytest.mark.parametrize("document", [None, [], "x", 1, {}, {"version": 2}, {"version": "1"}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(MessageError):
        check(document)


def test_another_version_says_so() -> None:
    with pytest.raises(MessageError, match="boot document version 7; this agent reads 4"):
        check(full() | {"version": 7})


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.data(), _ANY)
def test_any_change_to_a_document_is_accepted_whole_or_refused(data: st.DataObject, value: Any) -> None:
    document = full()
    path = data.draw(st.sampled_from(places(document)))
    at(document, path[:-1])[path[-1]] = value
    try:
        assert check(document) is document
    except MessageError:
        return
    # Then it is of a type that the shape has there, and no float.
    assert type(value) in (bool, str, int, dict, list, type(None))


@given(_ANY)
def test_any_json_is_no_document(value: Any) -> None:
    with pytest.raises(MessageError):
        check(value)
