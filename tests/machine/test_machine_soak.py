"""Pods that come and go: after many of them there is no more on the host than after the first few.

How many is settable: VMPOD_TEST_SOAK=100. It is then taken to run alone, and what the whole host uses is
looked at as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.machine.footprint import Kernel, footprint, kernel, nothing_since
from tests.machine.harness import Vmpod
from tests.machine.manifests import container, pod, text

LANES = 2
ALONE = "VMPOD_TEST_SOAK" in os.environ
CYCLES = int(os.environ.get("VMPOD_TEST_SOAK", "12"))

SLACK = Kernel(files=64, locks=2, shared=1024, used=16 * 1024)
"""By how much what the host uses may grow: other programs run on it. Less than 1 MiB of memory a cycle, and
less than one open file."""


def _cycle(vmpod: Vmpod, number: int) -> Kernel:
    """Run a pod and remove it, in one of two ways; what the host uses then."""
    name = f"soak-{number}"
    if number % 4 < LANES:
        main = container("main", "echo here")
        done = vmpod("run", "--rm", "-", input=text(pod(name, main)))
        assert done.text == "main | here\n"
    else:
        vmpod("run", "-d", "-", input=text(pod(name, container("main", "sleep 3600"))))
        vmpod("rm", "--force", name)
    return kernel()


def _run(vmpod: Vmpod, numbers: Sequence[int]) -> list[Kernel]:
    with ThreadPoolExecutor(LANES) as pool:
        return list(pool.map(lambda number: _cycle(vmpod, number), numbers))


@pytest.mark.slow
def test_nothing_grows(vmpod: Vmpod) -> None:
    """Files, their sizes, processes, sockets and locks are the same; memory and open files nearly."""
    polite = vmpod.behind("nice", "-n", "10")  # other tests may run beside this one
    _run(polite, range(2 * LANES))  # makes what stays, as the cache of what libvirt knows about QEMU
    before = footprint(vmpod.home)
    used = _run(polite, range(CYCLES))
    nothing_since(before, vmpod.home)
    assert vmpod.leftovers() == []
    story = [f"after {number} of {CYCLES}: {used[number]}" for number in range(0, CYCLES, CYCLES // 10 or 1)]
    print("\n".join(story))  # noqa: T201 - pytest -rP shows it
    if ALONE:
        for what in ("files", "locks", "shared", "used"):
            assert _growth([getattr(each, what) for each in used]) <= getattr(SLACK, what), what


def _growth(values: Sequence[int]) -> int:
    """From the most of the first quarter to the least of the last: what goes up and down is no growth."""
    quarter = max(1, len(values) // 4)
    return min(values[-quarter:]) - max(values[:quarter])
