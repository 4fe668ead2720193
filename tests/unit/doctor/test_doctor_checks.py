"""All checks together, and what they come to."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.unit.doctor.hosts import Place
from vmpod.doctor import checks
from vmpod.doctor.model import Check, Finding, Host, Impact, Result, State, ok
from vmpod.errors import GuestImageError, HostError


def result(state: State, impact: Impact) -> Result:
    return Result(Check("x", "", lambda _: None), Finding(state, "", impact=impact))


@pytest.mark.parametrize(
    ("impacts", "verdict"),
    [
        ([], "fine"),
        (["none"], "fine"),
        (["none", "degraded"], "degraded"),
        (["degraded", "fatal", "none"], "cannot-run"),
    ],
)
def test_verdicts(impacts: list[Impact], verdict: str) -> None:
    assert checks.verdict([result("missing", impact) for impact in impacts]) == verdict


def test_a_bare_host_is_told_without_an_exception(place: Place) -> None:
    """Not even /proc is there."""
    found = {each.check.name: each.finding for each in checks.examine(place.host)}
    assert checks.verdict([Result(Check(name, "", lambda _: None), each) for name, each in found.items()])
    assert {name: each.state for name, each in found.items() if name != "libvirt"} == {
        "cpu": "unusable",
        "kvm": "missing",
        "qemu": "missing",
        "guest-image": "missing",
        "guest-builder": "missing",
        "filesystems": "missing",
        "skopeo": "missing",
        "extras": "missing",
        "disk": "ok",
        "memory": "unusable",
        "proxy": "ok",
        "certificates": "missing",
        "clock": "ok",
    }
    for each in found.values():
        assert each.evidence
        assert each.evidence.isprintable()
        assert each.state == "ok" or each.mend or each.impact != "none"


@pytest.mark.parametrize(
    ("error", "evidence", "mend"),
    [
        (OSError(errno.EIO, "Input/output error", "/x"), "[Errno 5] Input/output error: '/x'", ()),
        (HostError("it is\nso", hint="do this\nand that"), "it is so", ("do this", "and that")),
        (GuestImageError("bad \x1b[1m"), "bad ?[1m", ()),
    ],
)
def test_what_no_check_has_foreseen(
    error: Exception, evidence: str, mend: tuple[str, ...], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(_host: Host) -> Finding:
        raise error

    monkeypatch.setattr(checks, "CHECKS", (Check("odd", "", look), Check("next", "", lambda _: ok("yes"))))
    odd, following = checks.examine(place.host)
    assert odd.finding == Finding("unusable", evidence, mend, "degraded")
    assert following.finding.state == "ok"


def test_names_are_distinct_and_documented() -> None:
    names = [check.name for check in checks.CHECKS]
    assert len(set(names)) == len(names)
    page = (Path(__file__).parents[3] / "docs/doctor.md").read_text()
    assert [name for name in names if f"| `{name}` |" not in page] == []
