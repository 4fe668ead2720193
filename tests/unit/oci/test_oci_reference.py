from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.errors import ImageError
from vmpod.oci.reference import parse

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("me/app", "docker.io/me/app:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:2", "localhost:5000/app:2"),
        ("registry.example:8443/a/b-c/d__e.f:v1", "registry.example:8443/a/b-c/d__e.f:v1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.25@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
    ],
)
def test_a_name_is_completed(text: str, full: str) -> None:
    assert str(parse(text)) == full


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("docker://nginx", "no '://'"),
        ("Nginx", "capital letters"),
        ("a//b", "a repository is"),
        ("nginx:", "the tag ''"),
        ("nginx:a b", "the tag 'a b'"),
        ("nginx@", "nothing follows"),
        ("nginx@sha256:12", "the digest"),
        ("nginx@sha512:" + "a" * 128, "the digest"),
        ("-bad.example/x", "the registry"),
        ("ng\nx", "a repository is"),
        ("a" * 256, "longer than"),
        ("../../etc/passwd", "the registry '..'"),
    ],
)
def test_a_bad_name_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason.replace("(", r"\(")):
        parse(text)


def test_localhost_without_a_port_is_the_local_store() -> None:
    assert parse("localhost/app").is_local
    assert not parse("localhost:5000/app").is_local
    assert str(parse("nginx:1").local_twin()) == "localhost/nginx:1"
    assert parse("nginx").short
    assert not parse("docker.io/nginx").short


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        reference = parse(text)
    except ImageError:
        return
    # A full name means itself.
    assert parse(str(reference)) == reference
