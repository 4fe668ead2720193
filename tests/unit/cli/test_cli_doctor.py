"""What `vmpod doctor` prints, and how it ends."""

from __future__ import annotations

import json

import pytest

from tests.schemas import check
from tests.unit.cli.conftest import Vmpod
from vmpod.doctor import checks
from vmpod.doctor.model import Check, Finding, Host

FINE = Finding("ok", "7.2")
SLOW = Finding("denied", "may not be opened", ("usermod kvm",), "degraded")
LACKING = Finding("missing", "not installed", ("apt-get install x", "or: y"), "fatal")
UNIMPORTANT = Finding("degraded", "odd", ("do it",), "none")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding | None]:
    """What the checks find, to be filled in."""
    findings: dict[str, Finding | None] = {}
    names = ("kvm", "qemu", "clock")
    made = tuple(Check(name, f"about {name}", lambda _, name=name: findings[name]) for name in names)  # type: ignore[misc] # a default
    monkeypatch.setattr(checks, "CHECKS", made)
    findings.update(dict.fromkeys(names, FINE))
    return findings


def test_all_is_well(found: dict[str, Finding | None], vmpod: Vmpod) -> None:
    found["clock"] = None
    result = vmpod("doctor")
    assert (result.status, result.err) == (0, "")
    assert result.out == (
        "kvm            ok        7.2\nqemu           ok        7.2\n\nfine: all that a run needs is there\n"
    )


@pytest.mark.parametrize(
    ("name", "finding", "status", "verdict"),
    [
        (
            "kvm",
            SLOW,
            1,
            "degraded: pods run, by software emulation, many times slower than with KVM; to mend: kvm",
        ),
        ("clock", SLOW, 1, "degraded: pods run, but not everything works; to mend: clock"),
        ("qemu", LACKING, 2, "pods cannot run; to mend: qemu"),
        ("qemu", UNIMPORTANT, 0, "fine: all that a run needs is there"),
    ],
)
def test_what_is_to_be_mended(
    name: str, finding: Finding, status: int, verdict: str, found: dict[str, Finding | None], vmpod: Vmpod
) -> None:
    found[name] = finding
    result = vmpod("doctor")
    assert (result.status, result.err) == (status, "")
    lines = result.out.splitlines()
    at = lines.index(f"{name:15}{finding.state:10}{finding.evidence}")
    mends = [f"{'':15}mend:     {line}" for line in finding.mend]
    assert lines[at + 1 : at + 1 + len(mends)] == mends
    assert lines[-2:] == ["", verdict]


def test_json(found: dict[str, Finding | None], vmpod: Vmpod) -> None:
    found["qemu"] = LACKING
    result = vmpod("doctor", "-o", "json")
    assert result.status == 2
    told = json.loads(result.out)
    check(told)
    assert told["verdict"] == "cannot-run"
    assert told["checks"][1] == {
        "name": "qemu",
        "description": "about qemu",
        "state": "missing",
        "impact": "fatal",
        "evidence": "not installed",
        "mend": ["apt-get install x", "or: y"],
    }
    assert vmpod("doctor", "-o", "jsonpath={.checks[0].state}").out == "ok"


def test_what_is_wanted_reaches_the_checks(vmpod: Vmpod, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[Host] = []
    monkeypatch.setattr(checks, "CHECKS", (Check("x", "", hosts.append),))
    vmpod("doctor", "--accel", "kvm", "--connect", "qemu:///system", "--registry", "a.b:1", "--fresh")
    vmpod("doctor")
    first, second = hosts
    assert (first.accel, first.uri, first.registry, first.fresh) == ("kvm", "qemu:///system", "a.b:1", True)
    assert (second.accel, second.uri, second.registry, second.fresh) == ("auto", "", "", False)


@pytest.mark.parametrize(
    "words", [["--registry", "a b"], ["--connect", "xen:///"], ["--accel", "xen"], ["more"]]
)
def test_wrong_words(words: list[str], vmpod: Vmpod) -> None:
    assert vmpod("doctor", *words).status == 125
