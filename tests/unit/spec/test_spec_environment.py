"""Variables, references to variables, and what is secret."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.spec.containermodel import Container, EnvFrom, EnvVar, KeyRef, PullPolicy, ResolvedVar
from vmpod.spec.environment import MAX_BYTES, TooLongError, expand, expand_words, resolve_env
from vmpod.spec.model import ConfigMap, Manifest, Secret

KNOWN = (ResolvedVar("A", "one"), ResolvedVar("B", "$(A)"), ResolvedVar("S", "pw", sensitive=True))
MANIFEST = Manifest(
    pods=(),
    config_maps={"c": ConfigMap("c", {"k": b"v", "A": b"map", "bin": b"x"}, frozenset({"bin"}))},
    secrets={"s": Secret("s", {"pw": b"hush", "raw": b"\xff", "nul": b"a\0b"})},
)


def container(*env: EnvVar, env_from: tuple[EnvFrom, ...] = ()) -> Container:
    return Container("c", "i", PullPolicy.NEVER, env=env, env_from=env_from)


def resolved(*env: EnvVar, env_from: tuple[EnvFrom, ...] = ()) -> list[tuple[str, str, bool]]:
    found = resolve_env(container(*env, env_from=env_from), MANIFEST)
    return [(variable.name, variable.value, variable.sensitive) for variable in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""), ("plain", "plain"), ("$(A)", "one"), ("x$(A)y$(A)", "xoneyone"), ("$A ${A}", "$A ${A}"),
        ("$$(A)", "$(A)"), ("$$$(A)", "$one"), ("$$$$(A)", "$$(A)"), ("$(B)", "$(A)"), ("$(C)", "$(C)"),
        ("$()", "$()"), ("$(A", "$(A"), ("$($(A)", "$($(A)"), ("$", "$"),
        ("a$", "a$"), ("$$", "$"), ("$x$$", "$x$"),
        ("$( A)", "$( A)"), ("$(A$$", "$(A$"), ("$(A))", "one)"), ("$(a\n)", "$(a\n)"), (")$$(", ")$("),
    ],
)  # fmt: skip
def test_expand(text: str, expected: str) -> None:
    assert expand(text, KNOWN) == (expected, False)


def test_expand_taints() -> None:
    assert expand("x$(S)", KNOWN) == ("xpw", True)
    assert expand("x$$(S)", KNOWN) == ("x$(S)", False)
    assert expand_words(["$(S)", "b"], KNOWN) == [("pw", True), ("b", False)]


def reference_expand(text: str, known: dict[str, str]) -> str:
    """The rule, a character at a time."""
    out, at = "", 0
    while at < len(text):
        if text[at : at + 2] == "$$":
            out, at = out + "$", at + 2
        elif text[at : at + 2] == "$(" and ")" in text[at:]:
            end = text.index(")", at)
            name = text[at + 2 : end]
            out, at = out + known.get(name, f"$({name})"), end + 1
        else:
            out, at = out + text[at], at + 1
    return out


@given(st.text("$()AB x", max_size=30))
def test_expand_agrees_with_the_rule(text: str) -> None:
    known = {variable.name: variable.value for variable in KNOWN}
    assert expand(text, KNOWN)[0] == reference_expand(text, known)


@given(st.text(max_size=30).filter(lambda text: "$" not in text))
def test_text_without_dollars_stays(text: str) -> None:
    assert expand(text, KNOWN) == (text, False)


def test_order_and_precedence() -> None:
    sources = (EnvFrom(config_map="c"), EnvFrom("p_", config_map="c"))
    assert resolved(EnvVar("A", "last"), EnvVar("Z", "$(A) $(p_k)"), env_from=sources) == [
        ("k", "v", False),
        ("A", "last", False),
        ("p_k", "v", False),
        ("p_A", "map", False),
        ("Z", "last v", False),
    ]


def test_only_earlier_variables_are_put_in() -> None:
    assert resolved(EnvVar("X", "$(Y)"), EnvVar("Y", "1"), EnvVar("Y", "$(Y)2")) == [
        ("X", "$(Y)", False),
        ("Y", "12", False),
    ]


def test_values_from_objects_are_not_expanded_but_can_be_put_in() -> None:
    manifest = Manifest(pods=(), config_maps={"c": ConfigMap("c", {"k": b"$(A)"})})
    env = (
        EnvVar("A", "1"),
        EnvVar("B", config_map_key_ref=KeyRef("c", "k")),
        EnvVar("C", "<$(B)>"),
    )
    assert [v.value for v in resolve_env(container(*env), manifest)] == ["1", "$(A)", "<$(A)>"]


def test_secrets_taint_what_they_are_put_into() -> None:
    env = (
        EnvVar("P", secret_key_ref=KeyRef("s", "pw")),
        EnvVar("URL", "db://$(P)@x"),
        EnvVar("AGAIN", "$(URL)"),
        EnvVar("P", "open"),
        EnvVar("FREE", "$(P)"),
    )
    found = resolve_env(container(*env), MANIFEST)
    assert [(v.name, v.sensitive) for v in found] == [
        ("P", False),
        ("URL", True),
        ("AGAIN", True),
        ("FREE", False),
    ]
    assert "hush" not in repr(found)


def test_from_a_secret_what_is_no_text_is_left_out() -> None:
    assert resolved(env_from=(EnvFrom(secret="s"),)) == [("pw", "hush", True)]


def test_optional_references_to_nothing_define_nothing() -> None:
    env = (
        EnvVar("A", config_map_key_ref=KeyRef("none", "k", optional=True)),
        EnvVar("B", secret_key_ref=KeyRef("s", "none", optional=True)),
        EnvVar("C", config_map_key_ref=KeyRef("c", "bin", optional=True)),
        EnvVar("D", ""),
    )
    assert resolved(*env, env_from=(EnvFrom(config_map="none", optional=True),)) == [("D", "", False)]


def test_growth_is_bounded() -> None:
    doubling = [EnvVar("V0", "x" * 64)] + [EnvVar(f"V{i}", f"$(V{i - 1})" * 8) for i in range(1, 30)]
    with pytest.raises(TooLongError, match=r"V4|grows"):
        resolved(*doubling)
    long = EnvVar("L", "x" * 100_000)
    with pytest.raises(TooLongError, match="together"):
        resolved(long, *(EnvVar(f"V{i}", "$(L)") for i in range(100)))
    with pytest.raises(TooLongError, match="arguments"):
        expand_words(["$(L)"] * 100, [ResolvedVar("L", long.value)])
    with pytest.raises(TooLongError, match=re.escape(f"longer than {MAX_BYTES}")):
        resolved(EnvVar("L", "x" * MAX_BYTES))


def test_variables_are_counted() -> None:
    manifest = Manifest(pods=(), config_maps={"c": ConfigMap("c", {f"k{i}": b"" for i in range(5001)})})
    twice = container(env_from=(EnvFrom(config_map="c"), EnvFrom(config_map="c")))
    with pytest.raises(TooLongError, match="make 10002 variables"):
        resolve_env(twice, manifest)


def test_hostile_text_takes_no_quadratic_time() -> None:
    # A million openings without an end: looking for an end after each would take minutes.
    text = "$(" * (MAX_BYTES // 2)
    assert expand(text, KNOWN) == (text, False)
