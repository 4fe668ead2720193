"""Secrets in text: in all forms that they come in, and nothing else."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.state.records import record
from vmpod.runtime.diag.known import known
from vmpod.runtime.diag.redact import MARK, Redactor, document
from vmpod.spec.load import load

VALUE = 'p4ss/w"rd+ünd mehr'

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: correct horse battery}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: a, image: x}]}
"""


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        base64.b64encode(f"{VALUE}\n".encode()).decode(),
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
    ],
)
def test_a_value_is_found_in_every_form(form: str) -> None:
    assert Redactor([VALUE.encode()]).text(f"before {form} after") == f"before {MARK} after"


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_inside_of_base64_nothing_of_it_is_left(before: bytes, after: bytes) -> None:
    value = b"correct horse battery"
    cleaned = Redactor([value]).text(base64.b64encode(before + value + after).decode())
    assert MARK in cleaned
    kept = "".join(cleaned.split(MARK))
    assert len(kept) <= len(base64.b64encode(before)) + len(base64.b64encode(after)) + 1


def test_a_long_value_is_found_where_its_base64_is_wrapped() -> None:
    value = bytes(range(32, 127)) * 3
    lines = base64.encodebytes(value).decode()
    cleaned = Redactor([value]).text(lines)
    assert not [line for line in lines.splitlines()[:-1] if line in cleaned]


def test_lines_of_a_value_are_found_one_by_one() -> None:
    redactor = Redactor([b"first long line\nsecond long line\nx\n"])
    assert redactor.text("12:00 first long line\n12:01 second long line\n") == f"12:00 {MARK}\n12:01 {MARK}\n"
    assert redactor.text("x marks the spot") == "x marks the spot"


def test_short_values_are_counted_and_left() -> None:
    redactor = Redactor([b"abc", b"", b"\n", b"abcd"])
    assert (redactor.known, redactor.short) == (1, 2)
    assert redactor.text("abc abcd") == f"abc {MARK}"


def test_the_longer_of_two_values_goes_whole() -> None:
    assert Redactor([b"secret", b"secret-longer"]).text("secret-longer") == MARK


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("http://me:pw@host/x", f"http://{MARK}@host/x"),
        ("https://host/x?token=abc&y=1", f"https://host/x?token={MARK}&y=1"),
        ("https://host/x?X-Amz-Signature=abc", f"https://host/x?X-Amz-Signature={MARK}"),
        ("DB_PASSWORD=abc def", f"DB_PASSWORD={MARK} def"),
        ("run --api-key='abc' now", f"run --api-key='{MARK}' now"),
        ('{"password": "abc", "x": 1}', f'{{"password": "{MARK}", "x": 1}}'),
        ('{"a_token":"a\\"b","x":"y"}', f'{{"a_token":"{MARK}","x":"y"}}'),
        ('{"secrets": {"secretName": "s"}}', '{"secrets": {"secretName": "s"}}'),
        ("Authorization: Basic dTpw", f"Authorization: Basic {MARK}"),
        ("authorization:  dTpw", f"authorization:  {MARK}"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nrest", f"{MARK}\nrest"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", MARK),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_1", MARK),
        # What only looks alike.
        ("unexpected token: foo", "unexpected token: foo"),
        ("the secret was not found", "the secret was not found"),
        ("user@host: http://host/a@b", "user@host: http://host/a@b"),
        ("author: nobody", "author: nobody"),
    ],
)
def test_what_looks_like_a_secret(text: str, cleaned: str) -> None:
    assert Redactor([]).text(text) == cleaned


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "eyJ",
            "-eyJ",
            "eyJaaaaaaaaaa.",
            "://",
            "://a",
            '"',
            '"a',
            "authorization: ",
            "bearer a",
            "\\\\",
        ),
        *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "password", "password=", '"password":"'),
    ],
)
def test_no_text_keeps_it_busy(piece: str) -> None:
    """A guest may write what it likes."""
    text = piece * (1024 * 1024 // len(piece))
    begin = time.process_time()
    Redactor([b"correct horse battery"]).text(text)
    assert time.process_time() - begin < 10


def test_variables_that_are_called_like_secrets() -> None:
    pod = {
        "spec": {
            "imagePullSecrets": [{"name": "login"}],
            "containers": [
                {"env": [{"name": "A_TOKEN", "value": "x"}, {"name": "HOME", "value": "y"}], "tty": True}
            ],
        }
    }
    cleaned = document(pod)["spec"]
    assert cleaned["containers"][0]["env"][0]["value"] == MARK
    assert cleaned["containers"][0]["env"][1]["value"] == "y"
    assert cleaned["imagePullSecrets"] == [{"name": "login"}]
    assert document({"env": [["DB_PASSWORD", "x"], ["PATH", "/bin"], ["PW", {"secret": "env/a/PW"}]]}) == {
        "env": [["DB_PASSWORD", MARK], ["PATH", "/bin"], ["PW", {"secret": "env/a/PW"}]]
    }
    config = {"kind": "ConfigMap", "data": {"password": "x", "colour": "red"}}
    assert document(config)["data"] == {"password": MARK, "colour": "red"}


def test_values_are_known_from_the_manifest_while_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(SECRET)
    os.utime(path, (0, 0))
    kept = record(secrets=True, manifest=str(path))
    found = known(kept, None)
    assert b"correct horse battery" in found.values
    assert (found.certain, found.missing) == (True, "")
    # Written again since the pod was made.
    os.utime(path)
    changed = known(kept, None)
    assert b"correct horse battery" in changed.values
    assert changed.certain
    assert "has changed since the pod was made" in changed.missing
    path.unlink()
    gone = known(kept, None)
    assert not gone.certain
    assert "cannot be read" in gone.missing
    assert "standard input" in known(record(secrets=True), None).missing
    assert known(record(), None).certain


def test_values_are_known_from_who_has_the_manifest() -> None:
    found = known(record(secrets=True), None, load(SECRET, source="x"))
    assert b"correct horse battery" in found.values
    assert found.certain


def test_logins_and_passwords_of_this_user_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = base64.b64encode(b"me:from-auth").decode()
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {"r": {"auth": auth}, "s": {"identitytoken": "id-tok"}, "t": 1}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pr%40xy@proxy:1")
    monkeypatch.setenv("DEPLOY_TOKEN", "from-the-environment")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    found = known(None, None).values
    assert {b"from-auth", auth.encode(), b"id-tok", b"pr%40xy", b"pr@xy", b"from-the-environment"} <= found
    assert b"/nowhere" not in found
    file.write_text("[" * 100_000)
    assert b"pr@xy" in known(None, None).values


def test_a_secret_of_registry_logins_has_passwords_in_it() -> None:
    logins = json.dumps({"auths": {"r": {"auth": base64.b64encode(b"me:inner-password").decode()}}})
    text = SECRET.replace("password: correct horse battery", f".dockerconfigjson: '{logins}'")
    assert b"inner-password" in known(None, None, load(text, source="x")).values
