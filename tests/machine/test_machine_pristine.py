"""From nothing to a pod, in a fresh Debian: what `vagrant up` does in its machine."""

from __future__ import annotations

import os
import re

import pytest

from tests.machine import pristine
from tests.machine.harness import CHECKOUT

_TIMEOUT = 1800.0
_HELLO = """
set -eu
cd /vagrant
PYTHON=.venv/bin/python examples/hello/build
./dev vmpod run --rm examples/hello/pod.yaml
"""


def provisioning() -> str:
    """The script that the Vagrantfile has its machine run."""
    found = re.search(
        r"<<~SHELL\n(.*?)^ *SHELL$", (CHECKOUT / "Vagrantfile").read_text(), re.DOTALL | re.MULTILINE
    )
    assert found, "the Vagrantfile has no inline script"
    return found[1]


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a root directory with owners")
def test_a_new_machine_is_set_up_and_runs_a_pod() -> None:
    with pristine.debian() as root:
        done = pristine.run(root, provisioning(), timeout=_TIMEOUT)
        assert done.returncode == 0, done.stdout[-8000:]
        assert "Ready." in done.stdout

        said = pristine.run(root, _HELLO, timeout=_TIMEOUT)
        assert said.returncode == 0, said.stdout[-8000:]
        assert "hello | Hello from hello, which runs Linux" in said.stdout

        # Again, as `vagrant provision` does: nothing is left to install.
        again = pristine.run(root, provisioning(), timeout=_TIMEOUT)
        assert again.returncode == 0, again.stdout
        assert "installing" not in again.stdout
