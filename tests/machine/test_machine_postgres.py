"""The example with PostgreSQL, as its README tells it: seeded once, forked ten times, asked on ten ports."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from examples.build import build, recipes
from tests.machine.harness import CHECKOUT, Vmpod, free_port
from tests.machine.pods import Pods

EXAMPLE = CHECKOUT / "examples/postgres-fork"
COUNT = 10
_BALANCE = "select balance from account where number = 7"
_HOST = "10.0.2.2"  # the host, as a pod sees it: what is published there is found from a pod, too


def _ask(vmpod: Vmpod, pod: str, query: str, *, port: int | None = None) -> str:
    """A query's rows: of the pod's own server, or of the one behind a port of the host."""
    psql = ["psql", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1", "--command", query]
    if port is not None:
        psql = ["env", "PGPASSWORD=not-for-the-internet", *psql, f"--host={_HOST}", f"--port={port}"]
    return vmpod.exec(pod, *psql).text.strip()


@pytest.mark.slow
def test_each_fork_of_a_seeded_database_answers_on_its_own_port_and_sees_no_others_writes(
    vmpod: Vmpod, pods: Pods
) -> None:
    (recipe,) = recipes(EXAMPLE / "images.toml")
    if not recipe.archive.exists():
        build(recipe)
    vmpod("image", "load", str(recipe.archive))
    with contextlib.closing(pods):
        pods.adopt("postgres")
        own = free_port()
        vmpod("run", "-d", "--publish", f"127.0.0.1:{own}:5432", str(EXAMPLE / "pod.yaml"))
        assert _ask(vmpod, "postgres", _BALANCE) == "100.00", "ready is what answers"

        said = vmpod("fork", "postgres", "--count", str(COUNT), "-o", "json").out
        copies: list[dict[str, Any]] = json.loads(said)["items"]
        for each in copies:
            pods.adopt(each["name"])
        ports = [each["ports"][0]["hostPort"] for each in copies]
        assert len({own, *ports}) == COUNT + 1

        # Each pays another sum into the same account: the seed's 100, and nobody else's, is what it adds to.
        paid = f"update account set balance = balance + {{}} where number = 7; {_BALANCE}"
        found = [_ask(vmpod, "postgres", paid.format(n), port=port) for n, port in enumerate(ports, 1)]
        assert found == [f"{100 + n}.00" for n in range(1, COUNT + 1)]
        # Asked again when all have written, and inside: each port is that pod's.
        assert [_ask(vmpod, "postgres", _BALANCE, port=port) for port in ports] == found
        assert [_ask(vmpod, each["name"], _BALANCE) for each in copies[:2]] == found[:2]
        assert _ask(vmpod, "postgres", _BALANCE, port=own) == "100.00"

        uuids = [_ask(vmpod, "postgres", "select gen_random_uuid()", port=port) for port in (own, *ports)]
        assert len(set(uuids)) == COUNT + 1

        # A copy's database was whole when it was copied: the server ends, checks it and starts on it again.
        name = copies[-1]["name"]
        vmpod("restart", name)
        assert _ask(vmpod, name, _BALANCE) == found[-1]
    assert vmpod.leftovers() == []
