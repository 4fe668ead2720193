"""Claims on the command line, without a machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import check
from tests.unit.cli.conftest import Vmpod
from tests.unit.runtime.test_runtime_claims import named
from tests.unit.spec.test_spec_claims import claim
from tests.unit.state.records import keep, record
from vmpod.process import Process
from vmpod.state.store import PodStore


@pytest.fixture
def apply(vmpod: Vmpod, tmp_path: Path) -> Any:
    """Applies documents, and returns what that says."""

    def run(*documents: dict[str, Any], status: int = 0) -> str:
        path = tmp_path / "claims.json"
        path.write_text("\n---\n".join(map(json.dumps, documents)))
        done = vmpod("apply", "--accel", "tcg", "-f", path)
        assert done.status == status, done.err
        return done.out + done.err

    return run


def test_a_claim_comes_changes_and_goes(vmpod: Vmpod, apply: Any, tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    assert apply(claim(storage="32Mi")) == "persistentvolumeclaim/data created\n"
    assert apply(claim(storage="32Mi")) == "persistentvolumeclaim/data unchanged\n"
    assert vmpod("diff", "-f", path).status == 0
    path.write_text(json.dumps(claim(storage="64Mi")))
    told = vmpod("diff", "-f", path)
    assert told.status == 1
    assert "+      storage: 64Mi" in told.out
    assert vmpod("validate", path).out == f"{path}: valid (persistentvolumeclaim/data)\n"
    assert apply(claim(storage="64Mi")) == "persistentvolumeclaim/data configured\n"
    told = vmpod("run", path)
    assert told.status == 125
    assert "holds no Pod; `vmpod apply` makes claims alone" in told.err
    assert vmpod("delete", "-f", path).out == "persistentvolumeclaim/data deleted\n"
    assert vmpod("diff", "-f", path).out == "persistentvolumeclaim/data is not there\n"
    assert vmpod("delete", "-f", path).status == 125
    assert vmpod("delete", "--ignore-not-found", "-f", path).status == 0


def test_one_that_fails_does_not_hold_up_the_others(apply: Any) -> None:
    apply(claim("a", storage="64Mi"))
    told = apply(claim("a", storage="32Mi"), claim("b"), status=125)
    assert "persistentvolumeclaim/b created" in told
    assert "it cannot shrink" in told


def test_lists(vmpod: Vmpod, apply: Any, pods: PodStore) -> None:
    modes = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]
    other = claim("logs", storage="1Gi", accessModes=modes, volumeMode="Block")
    other["metadata"] |= {"namespace": "shop", "labels": {"app": "db"}}
    apply(claim(storage="64Mi"), other)
    keep(pods, record("db", qemu=Process.of(os.getpid()), document=named("db")))
    table = vmpod("volume", "ls").out.splitlines()
    assert table[0].split() == ["NAME", "SIZE", "USED", "MODES", "PODS", "CREATED"]
    assert [line.split()[0] for line in table[1:]] == ["data", "shop/logs"]
    assert table[1].split()[1:3] == ["64.0", "MiB"]
    assert "RWO,ROX,RWX" in table[2]
    listed = json.loads(vmpod("volume", "ls", "-o", "json").out)
    check(listed)
    assert [each["volumeMode"] for each in listed["items"]] == ["Filesystem", "Block"]
    assert listed["items"][0]["pods"] == [{"name": "db", "readOnly": False, "running": True}]
    inspected = json.loads(vmpod("volume", "inspect", "data", "shop/logs").out)
    check(inspected)
    assert [each["claim"]["metadata"]["name"] for each in inspected] == ["data", "logs"]
    for words, names in (
        (("-l", "app=db"), ["shop/logs"]),
        (("--filter", "pod=db"), ["data"]),
        (("--filter", "unused=true"), ["shop/logs"]),
        (("--filter", "name=data"), ["data"]),
    ):
        assert vmpod("volume", "ls", "-q", *words).out.splitlines() == names


def test_damage_is_told(vmpod: Vmpod, apply: Any, tmp_path: Path) -> None:
    apply(claim("a"), claim("b"))
    (tmp_path / "home/data/claims/a/claim.json").write_text("{")
    told = vmpod("volume", "ls", "-q")
    assert (told.status, told.out) == (125, "b\n")
    assert "claim.json is damaged" in told.err


def test_data_goes_only_if_asked_for(vmpod: Vmpod, apply: Any, pods: PodStore) -> None:
    apply(claim(storage="64Mi"), claim("other"))
    keep(pods, record("db", qemu=Process(1, 1), document=named("db")))
    assert "the pod db names the claim data" in vmpod("volume", "rm", "data").err
    told = vmpod("prune", "--pods", "--dry-run")
    assert "claim" not in told.out
    # With the pod that names it, the claim could go as well; without, not.
    both = vmpod("prune", "--pods", "--volumes", "--dry-run").out
    assert [line.partition(":")[0] for line in both.splitlines() if "claim" in line] == [
        "claim data",
        "claim other",
    ]
    done = vmpod("prune", "--volumes")
    assert "claim other:" in done.out
    assert "claim data" not in done.out
    assert vmpod("volume", "ls", "-q").out == "data\n"
    vmpod("rm", "db")
    assert vmpod("volume", "rm", "data", "data").status == 125
    assert vmpod("volume", "ls", "-q").out == ""
