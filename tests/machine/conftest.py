"""What the tests with real machines share: one home for all of them, and the busybox image in it.

The guest image, templates and the toolbox are taken from (and if need be made in) the user's own data
directory: they take a minute to make, and are the same for everybody. All else is made for the session and
removed with it.
"""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.images import busybox_archive
from tests.machine import manifests
from tests.machine.harness import Vmpod, keep, kill, processes
from tests.machine.pods import Pods
from vmpod.paths import default_paths

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test below this directory."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.machine)


_Report = pytest.TestReport


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, _Report, _Report]:
    """Keep logs of a failed test's pods, and say where, while they are still there."""
    report = yield
    vmpod = item.session.stash.get(_SESSION, None)
    if report.failed and vmpod is not None and _HERE in item.path.parents:
        kept = keep(vmpod, re.sub(r"[^\w.-]+", "_", item.nodeid.rpartition("/")[2]))
        report.sections.append(("vmpod", f"logs and commands are kept in {kept}"))
    if report.when == "teardown" and vmpod is not None:
        vmpod.said.clear()
    return report


_SESSION = pytest.StashKey[Vmpod]()


@pytest.fixture(scope="session")
def vmpod(request: pytest.FixtureRequest) -> Iterator[Vmpod]:
    """The command, with a home for the session. At the end no pod may be left."""
    # A shell ignores SIGINT for what it runs in the background, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Short, because it holds sockets.
    with tempfile.TemporaryDirectory(prefix="vt", dir="/tmp", ignore_cleanup_errors=True) as name:
        home = Path(name)
        _share(home)
        found = Vmpod(home)
        found("guest", "build", timeout=1800)
        found("template", "create")
        found("image", "load", str(busybox_archive(home / "busybox.tar", manifests.IMAGE)))
        request.session.stash[_SESSION] = found
        yield found
        left = found.leftovers()
        for pid, _ in processes(name):
            kill(pid)
    assert not left, "pods were left behind:\n" + "\n".join(left)


def _share(home: Path) -> None:
    paths = default_paths()
    (home / "data").mkdir()
    for own in (paths.guests, paths.templates, paths.toolbox):
        own.mkdir(parents=True, exist_ok=True)
        (home / "data" / own.name).symlink_to(own)


@pytest.fixture
def pods(vmpod: Vmpod) -> Iterator[Pods]:
    """Pods for one test."""
    with contextlib.closing(Pods(vmpod)) as found:
        yield found


@pytest.fixture(scope="module")
def module_pods(vmpod: Vmpod) -> Iterator[Pods]:
    """Pods for all tests of a module."""
    with contextlib.closing(Pods(vmpod)) as found:
        yield found
